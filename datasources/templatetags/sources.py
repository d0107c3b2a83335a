"""Filters for pages that show sources and nodes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import template
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

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


@register.simple_tag
def node_icons() -> list[tuple[str, str]]:
    """Kinds of nodes with their icons, for scripts; the last stands for any other kind."""
    return [*_ICONS.items(), ("", "document-text")]


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


_ADDRESS = re.compile(
    r"(?:https://)?(?<![\w.-])(?!acme\.|[\w-]+\.acme\.)((?:[a-z0-9-]+\.)+(?:com|so|io|dev|net|org)(?:/[\w./-]*[\w/])?)"
)


@register.filter
def links(text: str) -> SafeString:
    """A step of ours, with the vendors' addresses in it to follow; they open beside the form. Those of Acme are examples."""
    parts, done = [], 0
    for found in _ADDRESS.finditer(text):
        parts.append(escape(text[done : found.start()]))
        link = '<a href="https://{}" target="_blank" rel="noopener noreferrer">{}</a>'
        parts.append(format_html(link, found[1], found[0]))
        done = found.end()
    return mark_safe("".join([*parts, escape(text[done:])]))  # noqa: S308  each part is escaped
