"""The one list of connectors. What they say of themselves is read at once; their code, and their SDKs, when first needed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol, cast

from datasources.connectors.about import About
from datasources.connectors.api.about import ABOUT as API
from datasources.connectors.around import Around
from datasources.connectors.base import Connector, ConnectorError
from datasources.connectors.confluence.about import ABOUT as CONFLUENCE
from datasources.connectors.elasticsearch.about import ABOUT as ELASTICSEARCH
from datasources.connectors.folder.about import ABOUT as FOLDER
from datasources.connectors.github.about import ABOUT as GITHUB
from datasources.connectors.google_drive.about import ABOUT as GOOGLE_DRIVE
from datasources.connectors.intercom.about import ABOUT as INTERCOM
from datasources.connectors.jira.about import ABOUT as JIRA
from datasources.connectors.notion.about import ABOUT as NOTION
from datasources.connectors.notion_export.about import ABOUT as NOTION_EXPORT
from datasources.connectors.salesforce.about import ABOUT as SALESFORCE
from datasources.connectors.slack.about import ABOUT as SLACK
from datasources.connectors.slack_export.about import ABOUT as SLACK_EXPORT
from datasources.connectors.upload.about import ABOUT as UPLOAD
from datasources.connectors.website.about import ABOUT as WEBSITE


class ConnectorClass(Protocol):
    """Made from a source's config, its secret (empty where it needs none), and what the portal hands to all."""

    about: About

    def __call__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> Connector: ...


CONNECTORS: dict[str, About] = {
    about.kind: about
    for about in (
        FOLDER,
        UPLOAD,
        GOOGLE_DRIVE,
        WEBSITE,
        API,
        ELASTICSEARCH,
        NOTION,
        SLACK,
        SLACK_EXPORT,
        INTERCOM,
        GITHUB,
        JIRA,
        NOTION_EXPORT,
        SALESFORCE,
        CONFLUENCE,
    )
}
"""A kind is a folder beside this file; its ``connector.py`` names its class CONNECTOR."""


def about(kind: str) -> About:
    """Raises ConnectorError, with the known kinds, for an unknown one."""
    try:
        return CONNECTORS[kind]
    except KeyError:
        known = ", ".join(sorted(CONNECTORS))
        raise ConnectorError(
            f"There is no connector called {kind!r}; the known ones are {known}", permanent=True
        ) from None


def connector_class(kind: str) -> ConnectorClass:
    """Raises ConnectorError for an unknown kind."""
    module = import_module(f"datasources.connectors.{about(kind).kind}.connector")
    return cast(ConnectorClass, module.CONNECTOR)
