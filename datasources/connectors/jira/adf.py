"""Atlassian's document format (the cloud's rich text, as JSON) to Markdown.

Source: developer.atlassian.com/cloud/jira/platform/apis/document/structure. What is not known here gives the text in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from datasources.connectors.markup import code, escaped, fenced, indented, linked, paragraph, quoted, table, wrapped

Json = Mapping[str, Any]
_DEEPEST = 40
_INLINE = {
    "text",
    "hardBreak",
    "mention",
    "emoji",
    "date",
    "status",
    "inlineCard",
    "mediaInline",
    "inlineExtension",
    "placeholder",
}
_MARKS = {"strong": "**", "em": "*", "strike": "~~"}


def markdown(document: object, deeper: int = 2) -> str:
    """``deeper``: how many levels its headings go down, below those of the page that it stands in."""
    return "\n\n".join(_blocks(_content(document), deeper, 0)).strip()


def _content(node: object) -> Sequence[Json]:
    found = node.get("content") if isinstance(node, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _attrs(node: Json) -> Json:
    found = node.get("attrs")
    return found if isinstance(found, Mapping) else {}


def _blocks(nodes: Sequence[Json], deeper: int, depth: int) -> Iterator[str]:
    """Blocks as paragraphs of Markdown; a run of inline nodes among them is a paragraph of its own."""
    run: list[Json] = []
    if depth > _DEEPEST:
        return
    for node in nodes:
        if node.get("type") in _INLINE:
            run.append(node)
            continue
        if run:
            yield paragraph(_inline(run))
            run = []
        text = _block(node, deeper, depth)
        if text.strip():
            yield text
    if run:
        yield paragraph(_inline(run))


def _block(node: Json, deeper: int, depth: int) -> str:
    sort, attrs = node.get("type"), _attrs(node)
    inner = _content(node)
    below = "\n\n".join(_blocks(inner, deeper, depth + 1))
    match sort:
        case "paragraph" | "caption":
            return paragraph(_inline(inner))
        case "heading":
            level = min(6, int(attrs.get("level") or 1) + deeper)
            return f"{'#' * level} {' '.join(_inline(inner).split())}"
        case "codeBlock":
            return fenced("".join(str(one.get("text") or "") for one in inner), str(attrs.get("language") or ""))
        case "bulletList" | "decisionList":
            return "\n".join(_item("- ", one, deeper, depth) for one in inner)
        case "orderedList":
            first = int(attrs.get("order") or 1)
            return "\n".join(_item(f"{first + n}. ", one, deeper, depth) for n, one in enumerate(inner))
        case "taskList":
            return "\n".join(_task(one, deeper, depth) for one in inner)
        case "blockquote" | "panel":
            return quoted(below) if below else ""
        case "expand" | "nestedExpand":
            return "\n\n".join(part for part in (wrapped(escaped(str(attrs.get("title") or "")), "**"), below) if part)
        case "table":
            return _table(inner, deeper, depth)
        case "rule":
            return "---"
        case "media":
            return escaped(str(attrs.get("alt") or ""))
        case "blockCard" | "embedCard":
            return _card(attrs)
        case _:
            return below


def _item(mark: str, node: Json, deeper: int, depth: int) -> str:
    text = "\n\n".join(_blocks(_content(node), deeper, depth + 1))
    return mark + indented(text, " " * len(mark)).lstrip(" ")


def _task(node: Json, deeper: int, depth: int) -> str:
    if node.get("type") == "taskList":
        return indented(_block(node, deeper, depth + 1), "  ")
    return _item("- [x] " if _attrs(node).get("state") == "DONE" else "- [ ] ", node, deeper, depth)


def _table(rows: Sequence[Json], deeper: int, depth: int) -> str:
    cells = [[" ".join(_blocks(_content(cell), deeper, depth + 1)) for cell in _content(row)] for row in rows]
    header = bool(rows) and all(cell.get("type") == "tableHeader" for cell in _content(rows[0]))
    return table([row for row in cells if row], header=header)


def _inline(nodes: Sequence[Json]) -> str:
    return "".join(_piece(node) for node in nodes)


def _piece(node: Json) -> str:
    attrs = _attrs(node)
    match node.get("type"):
        case "text":
            return _marked(node)
        case "hardBreak":
            return "  \n"
        case "mention":
            return escaped(f"@{str(attrs.get('text') or attrs.get('id') or '').lstrip('@')}")
        case "emoji":
            return escaped(str(attrs.get("text") or attrs.get("shortName") or ""))
        case "date":
            return _day(attrs.get("timestamp"))
        case "status":
            return f"[{escaped(str(attrs.get('text') or ''))}]"
        case "inlineCard":
            return _card(attrs)
        case "mediaInline":
            return escaped(str(attrs.get("alt") or ""))
        case _:
            return escaped(str(attrs.get("text") or ""))


def _marked(node: Json) -> str:
    text = str(node.get("text") or "")
    marks = {mark.get("type"): _attrs(mark) for mark in node.get("marks") or () if isinstance(mark, Mapping)}
    shown = code(text) if "code" in marks else escaped(text)
    for name, sign in _MARKS.items():
        if name in marks and "code" not in marks:
            shown = wrapped(shown, sign)
    return linked(shown, str(marks["link"].get("href") or "")) if "link" in marks else shown


def _card(attrs: Json) -> str:
    url = str(attrs.get("url") or "")
    return linked(escaped(url), url)


def _day(milliseconds: object) -> str:
    try:
        return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return ""
