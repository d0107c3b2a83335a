"""Filters for pages that show sources and nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import template

from datasources.connectors.registry import CONNECTORS

register = template.Library()

_ICONS = {
    "folder": "folder",
    "file": "document-text",
    "page": "document-text",
    "channel": "hashtag",
    "thread": "chat-bubble-left-right",
    "ticket": "ticket",
    "table": "table-cells",
    "database": "circle-stack",
    "record": "identification",
    "space": "rectangle-group",
    "project": "rectangle-stack",
    "repository": "code-bracket",
    "drive": "server",
    "collection": "rectangle-stack",
    "article": "document-text",
    "conversation": "chat-bubble-left-right",
    "site": "globe-alt",
}


@register.filter
def node_icon(node: Any) -> str:
    """Of a node, or of what is offered."""
    return _ICONS.get(node.kind, "document-text")


@register.filter
def source_icon(kind: str) -> str:
    return CONNECTORS[kind].icon if kind in CONNECTORS else "circle-stack"


@register.filter
def source_label(kind: str) -> str:
    return CONNECTORS[kind].label if kind in CONNECTORS else kind


@register.filter
def above(parents: Sequence[UUID], steps: Any) -> UUID | str:
    """The ancestor so many steps up; ``parents`` begins with the node itself."""
    return parents[int(steps)] if int(steps) < len(parents) else ""
