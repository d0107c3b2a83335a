"""Notion's rich text as Markdown inside a line. Mentions come with the name that Notion shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from datasources.connectors.markup import code, escaped, linked, wrapped

_MARKS = (("bold", "**"), ("italic", "_"), ("strikethrough", "~~"))


def plain(parts: Iterable[Mapping[str, Any]] | None) -> str:
    return "".join(str(part.get("plain_text") or "") for part in parts or ())


def words(parts: Iterable[Mapping[str, Any]] | None) -> str:
    """Escaped for the middle of a line; a line break stays one."""
    return "".join(_part(part) for part in parts or ())


def _part(part: Mapping[str, Any]) -> str:
    text = str(part.get("plain_text") or "")
    if part.get("type") == "equation":
        return f"${(part.get('equation') or {}).get('expression') or text}$"
    if part.get("type") == "mention":
        text = _mention(part, text)
    notes = part.get("annotations") or {}
    said = code(text) if notes.get("code") else escaped(text)
    for name, mark in _MARKS:
        if notes.get(name):
            said = wrapped(said, mark)
    return linked(said, part.get("href"))


def _mention(part: Mapping[str, Any], text: str) -> str:
    """A person's name where Notion gives only “@Anonymous”, a link's title where it has one."""
    mention = part.get("mention") or {}
    kind = mention.get("type")
    if kind == "user":
        name = (mention.get("user") or {}).get("name")
        return f"@{name}" if name else text
    if kind == "link_mention":
        return str((mention.get("link_mention") or {}).get("title") or text)
    return text


def file_name(file: Mapping[str, Any]) -> str:
    """What a file is called: by its own name, its caption, or the end of its address (without the signature)."""
    if name := file.get("name"):
        return str(name)
    if caption := plain(file.get("caption")):
        return caption
    path = str(file_url(file)).split("?")[0].rstrip("/")
    return path.rpartition("/")[2]


def file_url(file: Mapping[str, Any]) -> str:
    """Where it lies. Notion's own addresses (type ``file``) are good for an hour only, and hold a signature."""
    return str((file.get(str(file.get("type"))) or {}).get("url") or "")


def lasting_url(file: Mapping[str, Any]) -> str:
    return file_url(file) if file.get("type") == "external" else ""
