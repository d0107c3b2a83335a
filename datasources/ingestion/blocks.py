"""Markdown seen as blocks with exact offsets: enough structure to cut between things and not inside them.

Not a renderer: it knows headings (``#`` and underlined), fenced code, tables, list items and paragraphs, in one
pass over the lines. Offsets are code points.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "code", "table", "list", "text"]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t\n]|$)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*\n?$")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_ROW = re.compile(r" {0,3}\|")
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|\*\*|__|`|<[^>]{1,80}>")
_LONGEST_HEADING = 400


@dataclass(slots=True)
class Block:
    """``start`` and ``end`` cover the block and the blank lines after it, so that blocks touch.

    ``level`` and ``title`` are a heading's. ``parts`` are where its rows, items or lines begin (the first is ``start``).
    """

    kind: Kind
    start: int
    end: int
    level: int = 0
    title: str = ""
    parts: tuple[int, ...] = ()


def blocks(text: str) -> Iterator[Block]:
    """All of ``text`` as blocks that touch, in order; the first begins at 0, the last ends at its length."""
    current: Block | None = None
    parts: list[int] = []
    fence = ""
    blank = True
    for found in _LINE.finditer(text):
        start, end = found.span()
        line = found[0]
        kind, level, title = _classify(line, fence, current, blank)
        if kind == "setext" and current is not None:
            heading_start = parts[-1]
            if heading_start > current.start:
                yield _closed(current, heading_start, parts[:-1])
            current, parts = (
                Block("heading", heading_start, end, level, plain(text[heading_start:start])),
                [heading_start],
            )
            blank = False
            continue
        if kind == "blank":
            blank = True
            if current is None:
                current, parts = Block("text", start, end), [start]
            continue
        if current is None or _begins(kind, line, current, blank, bool(fence)):
            if current is not None:
                yield _closed(current, start, parts)
            current, parts = Block(_kind(kind), start, end, level, title), [start]
        elif kind != "inside" or current.kind == "code":
            parts.append(start)
        if (mark := _FENCE.match(line)) and kind in ("fence", "code"):
            fence = _after(fence, mark[1], line)
        blank = False
    if current is not None:
        yield _closed(current, len(text), parts)


def plain(text: str) -> str:
    """A heading's words without their markup, on one line; no more than a heading can have."""
    text = text[:_LONGEST_HEADING]
    return " ".join(_MARKUP.sub(lambda m: m[1] or "", text).replace("\\", "").strip(" #\t\n*").split())


def _after(fence: str, mark: str, line: str) -> str:
    """The fence that is open after a line that starts with one."""
    if not fence:
        return mark
    closes = mark[0] == fence[0] and len(mark) >= len(fence) and not line.strip().strip(mark[0])
    return "" if closes else fence


def _classify(line: str, fence: str, current: Block | None, blank: bool) -> tuple[str, int, str]:
    """(what the line is, heading level, heading title); ``inside``: goes on what stands before it."""
    if fence:
        return "code", 0, ""
    if not line.strip():
        return "blank", 0, ""
    first = line.lstrip(" ")[:1]
    if first == "#" and (found := _ATX.match(line)):
        return "heading", len(found[1]), plain(line[found.end() :])
    if first in "`~" and _FENCE.match(line):
        return "fence", 0, ""
    if first in "=-" and not blank and current is not None and current.kind == "text" and (u := _UNDERLINE.match(line)):
        return "setext", 1 if u[1][0] == "=" else 2, ""
    if first == "|":
        return "row", 0, ""
    if first and (first in "-*+" or first.isdigit() or first == "\t") and _ITEM.match(line):
        return "item", 0, ""
    return ("inside" if current is not None and current.kind == "list" else "line"), 0, ""


def _begins(kind: str, line: str, current: Block, blank: bool, fenced: bool) -> bool:
    """Whether a line of ``kind`` starts a new block after ``current``."""
    if fenced:
        return False
    if kind in ("heading", "fence") or current.kind in ("heading", "code"):
        return True
    if kind == "row":
        return current.kind != "table" or blank
    if kind == "item":
        return current.kind != "list"
    if kind == "inside":
        return blank and not line.startswith((" ", "\t"))
    return blank or current.kind == "table"


def _kind(kind: str) -> Kind:
    known: dict[str, Kind] = {"heading": "heading", "fence": "code", "row": "table", "item": "list"}
    return known.get(kind, "text")


def _closed(block: Block, end: int, parts: list[int]) -> Block:
    block.end = end
    block.parts = tuple(parts)
    return block
