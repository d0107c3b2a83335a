"""Canvases: documents that people write together in Slack, shared in channels as files are.

Source: https://docs.slack.dev/reference/methods/canvases.getContent
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from datasources.connectors.base import NodeError
from datasources.connectors.slack.client import Api, MissingScope
from datasources.connectors.slack.markdown import plain
from datasources.connectors.slack.names import Names
from datasources.ingestion.results import too_large

CANVAS = "application/vnd.slack-docs"
NO_CANVAS = "Slack does not hand out canvases: give its app the scope canvases:read and reinstall it"
_PERSON = re.compile(r"!\[[^\]\n]*\]\(@(\w+)\)")
_CHANNEL = re.compile(r"!\[[^\]\n]*\]\(#(\w+)\)")


def is_canvas(file: Mapping[str, Any]) -> bool:
    """Slack calls them by the name of what they are made with (quip). A document at Quip itself is external."""
    made_here = file.get("mimetype") == CANVAS or file.get("filetype") in ("canvas", "quip")
    return made_here and not file.get("is_external")


def text_of(api: Api, names: Names, canvas: str, limit: int) -> str:
    """Its Markdown, with people and channels by name. ``limit``: bytes. Raises NodeError where Slack does not give it."""
    try:
        said = api.call("canvases.getContent", canvas_id=canvas)
    except MissingScope as error:
        raise NodeError(NO_CANVAS, skip=True) from error
    text = str(said.get("content") or "")
    if len(text) > limit:
        raise NodeError(too_large(len(text), limit).reason, skip=True)
    text = _PERSON.sub(lambda found: f"@{plain(names.person(found[1]).name)}", text)
    return _CHANNEL.sub(lambda found: f"#{plain(names.channel(found[1]) or 'a channel')}", text)
