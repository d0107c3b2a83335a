"""Cuts a passage of Markdown into what can be quoted by itself: sentences, list items, table rows, code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["sentence", "item", "row", "code"]

_FENCE: Final = re.compile(r"^\s{0,3}(```+|~~~+)\s*([\w+#.-]*)")
_HEADING: Final = re.compile(r"^\s{0,3}#{1,6}\s+(.*)$")
_UNDERLINE: Final = re.compile(r"^\s{0,3}(=+|-{3,}|\*{3,}|_{3,})\s*$")
_ITEM: Final = re.compile(r"^\s*(?:[-*+•]|(\d{1,3})[.)])\s+(?:\[[ xX]\]\s+)?(.*)$")
_ROW: Final = re.compile(r"^\s*\|.*\|\s*$")
_RULE_ROW: Final = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")
# None of these looks further than to the next that begins like it: text that opens and never closes costs no more than other text.
_ADDRESS: Final = r"\((?:[^()]|\([^()]*\))*\)"
_NOT_PROSE: Final = re.compile(
    r"<!--(?:(?!<!--).)*?-->|</?[A-Za-z][^<>]*>|\{\{(?:(?!\{\{).)*?\}\}|\{%(?:(?!\{%).)*?%\}"
    rf"|!\[[^\[\]]*\]{_ADDRESS}",
    re.DOTALL,
)
_LINK: Final = re.compile(rf"\[([^\[\]]+)\](?:{_ADDRESS}|\[[^\[\]]*\])")
_MARKER: Final = re.compile(r"\[(\d+)\]")
_EMPHASIS: Final = re.compile(r"(\*\*|__|~~)|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)")
_END: Final = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[^\W_a-z])")
_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|Dr|Mr|Mrs|Ms|Prof|St|No|Inc|Ltd|Fig)|\b[A-Z])\.$"
)
_MOST_CODE_LINES: Final = 12


@dataclass(frozen=True, slots=True)
class Unit:
    """Something quotable. ``at`` counts from 0 in its passage; ``lead`` is the line that introduces a list.

    ``header`` holds the names of a table's columns, which a row's text repeats. ``number`` is that of a numbered step.
    ``heading`` is the one right above, None where the passage begins below its heading.

    ``text`` is plain prose without Markdown, but for code: there it is the lines as they are.
    """

    at: int
    kind: Kind
    text: str
    lead: str = ""
    language: str = ""
    header: str = ""
    number: str = ""
    heading: str | None = None


def units(markdown: str) -> list[Unit]:
    """What of a passage can be quoted, in reading order. Headings are not: they stand above the quote anyway."""
    found: list[Unit] = []
    heading: str | None = None
    for kind, text, lead, extra in _blocks(markdown.splitlines()):
        at = len(found)
        if kind == "heading":
            heading = text
        elif kind == "sentence":
            found.extend(Unit(at + i, kind, one, heading=heading) for i, one in enumerate(_sentences(text)))
        elif kind == "row" and text:
            found.append(Unit(at, kind, text, lead, header=extra, heading=heading))
        elif kind == "item" and text:
            found.append(Unit(at, kind, text, lead, number=extra, heading=heading))
        elif kind == "code" and text:
            found.append(Unit(at, kind, text, lead, language=extra, heading=heading))
    return found


def _blocks(lines: list[str]) -> Iterator[tuple[Kind | Literal["heading"], str, str, str]]:
    """(kind, text, lead, the code's language, the table's header or the step's number) of each block."""
    at = 0
    paragraph: list[str] = []
    lead = ""
    above: list[tuple[int, str]] = []  # indent and text of the items that introduce a deeper list
    while at < len(lines):
        line = lines[at]
        fence = _FENCE.match(line)
        table = "|" in line and at + 1 < len(lines) and "|" in lines[at + 1] and _RULE_ROW.match(lines[at + 1])
        item = _ITEM.match(line)
        loose = not table and _ROW.match(line)  # the passage begins within a table: its columns' names are not here
        plain = not (fence or table or loose or item or _HEADING.match(line) or _UNDERLINE.match(line)) and bool(
            line.strip()
        )
        if plain:
            paragraph.append(line)
            at += 1
            continue
        if paragraph:
            text = plain_text(" ".join(paragraph))
            lead = text if text.endswith(":") else ""
            if not (lead and (item or fence or table)):
                yield "sentence", text, "", ""
            paragraph = []
        if fence:
            at, code = _code(lines, at, fence.group(1))
            if code:
                yield "code", code, lead, fence.group(2)
            lead = ""
        elif table:
            header = _cells(line)
            at += 2
            while at < len(lines) and "|" in lines[at]:
                yield "row", _row(header, _cells(lines[at])), lead, " ".join(header)
                at += 1
        elif loose:
            if not _RULE_ROW.match(line):
                yield "row", _row([], _cells(line)), lead, ""
            at += 1
        elif item:
            indent = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
            above = [one for one in above if one[0] < indent]
            at, text = _whole_item(lines, at, item.group(2))
            yield "item", text, above[-1][1] if above else lead, item.group(1) or ""
            if text.endswith(":"):
                above.append((indent, text))
        else:
            if line.strip():
                lead = ""
            if named := _HEADING.match(line):
                yield "heading", plain_text(named.group(1).rstrip().rstrip("#")), "", ""
            at += 1
    if paragraph:
        yield "sentence", plain_text(" ".join(paragraph)), "", ""


def _code(lines: list[str], at: int, fence: str) -> tuple[int, str]:
    inside: list[str] = []
    at += 1
    while at < len(lines) and not lines[at].strip().startswith(fence):
        inside.append(lines[at].rstrip())
        at += 1
    if len(inside) > _MOST_CODE_LINES:
        inside = [*inside[:_MOST_CODE_LINES], "…"]
    return at + 1, "\n".join(inside).strip("\n")


def _whole_item(lines: list[str], at: int, first: str) -> tuple[int, str]:
    """A list item with the lines that continue it, indented and without a marker of their own."""
    parts = [first]
    at += 1
    while at < len(lines) and lines[at].startswith(("  ", "\t")) and lines[at].strip():
        if _ITEM.match(lines[at]) or _FENCE.match(lines[at]):
            break
        parts.append(lines[at].strip())
        at += 1
    return at, plain_text(" ".join(parts))


def _cells(line: str) -> list[str]:
    return [plain_text(cell) for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _row(header: list[str], cells: list[str]) -> str:
    pairs = [
        f"{name}: {cell}" if name else cell
        for name, cell in zip([*header, *[""] * len(cells)], cells, strict=False)
        if cell
    ]
    return "; ".join(pairs)


def plain_text(markdown: str) -> str:
    """One line of prose: links become their text, pictures and tags go, and no ``[n]`` is left to look like ours."""
    text = _LINK.sub(r"\1", _NOT_PROSE.sub(" ", markdown))
    text = _EMPHASIS.sub("", _MARKER.sub(r"(\1)", text))
    if text.count("`") % 2:
        text = text.replace("`", "")
    return " ".join(text.lstrip("> ").split())


def _sentences(paragraph: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(paragraph):
        if _ABBREVIATION.search(paragraph[start : end.start()]):
            continue
        yield paragraph[start : end.end()].strip()
        start = end.end()
    if rest := paragraph[start:].strip():
        yield rest
