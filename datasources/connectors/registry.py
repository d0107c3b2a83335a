"""The one list of connectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from datasources.connectors.around import Around
from datasources.connectors.base import Connector, ConnectorError
from datasources.connectors.folder.connector import Folder
from datasources.connectors.upload.connector import Upload


class ConnectorClass(Protocol):
    """Made from a source's config, its secret, and what the portal hands to all."""

    kind: str
    label: str

    def __call__(self, config: Mapping[str, Any], secret: str, around: Around) -> Connector: ...


CONNECTORS: dict[str, ConnectorClass] = {c.kind: c for c in (Folder, Upload)}


def connector_class(kind: str) -> ConnectorClass:
    """Raises ConnectorError, with the known kinds, for an unknown one."""
    try:
        return CONNECTORS[kind]
    except KeyError:
        known = ", ".join(sorted(CONNECTORS))
        raise ConnectorError(
            f"There is no connector called {kind!r}; the known ones are {known}", permanent=True
        ) from None
