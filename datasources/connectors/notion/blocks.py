"""Notion's blocks as Markdown. Every kind is written, or named where there is nothing to write: none is dropped in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from datasources.connectors.base import NodeError
from datasources.connectors.markup import escaped, fenced, indented, linked, paragraph, quoted, table
from datasources.connectors.notion.words import file_name, lasting_url, plain, words

Block = Mapping[str, Any]
Below = Callable[[str], Iterable[Block]]

_DEEPEST = 30
_MOST = 20_000
_LISTS = ("bulleted_list_item", "numbered_list_item", "to_do")
_HEADINGS = {"heading_1": 2, "heading_2": 3, "heading_3": 4, "heading_4": 5}
"""The page's title is the heading of the first level."""
_FILES = {"image": "Image", "video": "Video", "audio": "Audio", "file": "File", "pdf": "PDF"}
_LINKS = {"bookmark": "Bookmark", "embed": "Embedded", "link_preview": "Link"}
_WRAPPERS = ("column_list", "column", "synced_block", "tab", "tabs", "tab_group")
_NOT_TEXT = ("table_of_contents", "breadcrumb")


@dataclass(slots=True)
class _Budget:
    left: int = _MOST
    cut: bool = False


def markdown(page: str, below: Below) -> str:
    """All blocks of a page. ``below`` gives the blocks inside a page or block. Raises what it raises."""
    budget = _Budget()
    text = _many(below(page), below, 0, budget)
    if budget.cut:
        text += f"\n\n*The page goes on: only its first {_MOST:,} blocks were taken in.*"
    return text.strip("\n")


def _many(blocks: Iterable[Block], below: Below, depth: int, budget: _Budget) -> str:
    """Blocks one after the other: items of a list on lines that touch, all else with a blank line between."""
    text, before, number = "", "", 0
    for block in blocks:
        if budget.left <= 0 or depth > _DEEPEST:
            budget.cut = True
            break
        budget.left -= 1
        kind = str(block.get("type"))
        number = number + 1 if kind == "numbered_list_item" else 0
        written = _one(block, kind, number, below, depth, budget)
        if not written.strip():
            continue
        if text:
            text += "\n" if kind in _LISTS and before in _LISTS else "\n\n"
        text += written.strip("\n")
        before = kind
    return text


def _one(block: Block, kind: str, number: int, below: Below, depth: int, budget: _Budget) -> str:
    inside = block.get(kind)
    inner: Mapping[str, Any] = inside if isinstance(inside, Mapping) else {}
    if kind in ("child_page", "child_database"):
        title = escaped(str(inner.get("title") or "Untitled"))
        return f"{'Page' if kind == 'child_page' else 'Database'} below: {title}"
    if kind == "table":
        return _table(block, inner, below)
    own = _own(kind, inner, number)
    if not block.get("has_children") or kind in ("link_to_page", "unsupported"):
        return own
    nested = _nested(block, below, depth, budget)
    if kind in _LISTS:
        return f"{own}\n{indented(nested)}" if nested else own
    if kind in ("quote", "callout"):
        return own + ("\n>\n" if own and nested else "") + (quoted(nested) if nested else "")
    if kind in _WRAPPERS or kind in _HEADINGS:
        return f"{own}\n\n{nested}" if own and nested else own or nested
    return f"{own}\n\n{indented(nested, '  ')}" if nested else own


def _nested(block: Block, below: Below, depth: int, budget: _Budget) -> str:
    try:
        return _many(below(str(block.get("id"))), below, depth + 1, budget)
    except NodeError:
        return "[A part that is not shared with the integration]"


def _own(kind: str, inner: Mapping[str, Any], number: int) -> str:
    """The block itself, without what is inside it."""
    said = words(inner.get("rich_text"))
    match kind:
        case "paragraph" | "toggle" | "template":
            return paragraph(said)
        case "heading_1" | "heading_2" | "heading_3" | "heading_4":
            return f"{'#' * _HEADINGS[kind]} {' '.join(said.split())}" if said.strip() else ""
        case "bulleted_list_item":
            return f"- {indented(said, '  ').lstrip()}"
        case "numbered_list_item":
            return f"{number}. {indented(said, '   ').lstrip()}"
        case "to_do":
            return f"- [{'x' if inner.get('checked') else ' '}] {indented(said, '  ').lstrip()}"
        case "quote":
            return quoted(said) if said.strip() else ""
        case "callout":
            icon = (inner.get("icon") or {}).get("emoji") or ""
            return quoted(f"{icon} {said}".strip()) if said.strip() else ""
        case "code":
            language = str(inner.get("language") or "")
            block = fenced(plain(inner.get("rich_text")), "" if language == "plain text" else language)
            return _captioned(block, inner)
        case "equation":
            return f"$$\n{inner.get('expression') or ''}\n$$"
        case "divider":
            return "---"
    return _other(kind, inner, said)


def _other(kind: str, inner: Mapping[str, Any], said: str) -> str:
    if kind in _WRAPPERS or kind in _NOT_TEXT:
        return paragraph(said)
    if kind in _FILES:
        name = escaped(file_name(inner))
        caption = plain(inner.get("caption"))
        named = f"{_FILES[kind]}: {linked(name, lasting_url(inner)) or 'without a name'}"
        return f"[{named}]" if not caption or caption == file_name(inner) else f"[{named}] {words(inner['caption'])}"
    if kind in _LINKS:
        url = str(inner.get("url") or "")
        return _captioned(f"{_LINKS[kind]}: {linked(escaped(url), url)}", inner)
    if kind == "link_to_page":
        return f"Link to another {str(inner.get('type') or 'page').removesuffix('_id')}"
    if kind in ("meeting_notes", "transcription"):
        return f"**Meeting notes: {words(inner.get('title')) or 'untitled'}**"
    if kind == "unsupported":
        return f"[A block that Notion's API does not give: {inner.get('block_type') or 'kind not told'}]"
    named = f"[A block of the kind “{escaped(kind)}”]"
    return f"{named} {said}" if said.strip() else named


def _captioned(text: str, inner: Mapping[str, Any]) -> str:
    caption = words(inner.get("caption"))
    return f"{text}\n\n{caption}" if caption.strip() else text


def _table(block: Block, inner: Mapping[str, Any], below: Below) -> str:
    rows = list(_rows(block, below))
    return table(rows, header=bool(inner.get("has_column_header")))


def _rows(block: Block, below: Below) -> Iterator[list[str]]:
    for row in below(str(block.get("id"))):
        cells = (row.get("table_row") or {}).get("cells") or ()
        yield [words(cell) for cell in cells]
