"""Jira's wiki markup (the data center's rich text) to Markdown.

Source: jira.atlassian.com/secure/WikiRendererHelpAction.jspa?section=all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from datasources.connectors.markup import code, escaped, fenced, linked, paragraph, quoted, table, wrapped

Named = Callable[[str], str]
"""A user's name, by what stands in ``[~…]``."""

_RAW = re.compile(
    r"\{(?P<what>code|noformat)(?::(?P<args>[^}\n]*))?\}(?P<text>.*?)(?:\{(?P=what)\}|\Z)", re.DOTALL | re.IGNORECASE
)
_BOXED = re.compile(
    r"\{(?P<what>quote|panel|info|note|warning|tip|expand)(?::(?P<args>[^}\n]*))?\}(?P<text>.*?)(?:\{(?P=what)\}|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_DRESS = re.compile(r"\{(?:color|anchor|section|column|html|div)(?::[^}\n]*)?\}", re.IGNORECASE)
_HEADING = re.compile(r"\s*h([1-6])\.\s+(.*)")
_ITEM = re.compile(r"\s*([*#]+|-)\s+(.*)")
_QUOTE = re.compile(r"\s*bq\.\s+(.*)")
_KEPT = re.compile(r"\x01(\d+)")
_RULE = re.compile(r"\s*-{4,}\s*")
_INLINE = re.compile(
    r"\{\{(?P<mono>.+?)\}\}"
    r"|\[~(?:accountid:)?(?P<user>[^\]\n]+)\]"
    r"|\[\^(?P<file>[^\]\n]+)\]"
    r"|\[(?:(?P<label>[^\]|\n]+)\|)?(?P<url>(?:https?://|mailto:)[^\]|\s]+)(?:\|[^\]\n]*)?\]"
    r"|!(?P<image>[^!\s|][^!|\n]*\.\w{2,5})(?:\|[^!\n]*)?!"
    r"|(?<![\w*])\*(?P<strong>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"
    r"|(?<![\w_])_(?P<em>[^\s_](?:[^_\n]*[^\s_])?)_(?![\w_])"
    r"|(?<![\w-])-(?P<strike>[^\s-](?:[^-\n]*[^\s-])?)-(?![\w-])"
    r"|(?P<plain>https?://[^\s\]|<>]+)"
    r"|(?P<line>\\\\)"
)


def markdown(text: str, named: Named, deeper: int = 2) -> str:
    """``deeper``: how many levels its headings go down, below those of the page that it stands in."""
    raws: list[str] = []

    def kept(found: re.Match[str]) -> str:
        language = _language(found["args"] or "") if found["what"].lower() == "code" else ""
        raws.append(fenced(found["text"].strip("\n"), language))
        return f"\n\x01{len(raws) - 1}\n"

    # Code is taken out first, so that nothing in it is taken for markup, and a box around it stays whole.
    clean = text.replace("\x01", "").replace("\r\n", "\n").replace("\r", "\n")
    return "\n\n".join(_boxes(_RAW.sub(kept, clean), _Reading(named, deeper, raws), 0)).strip()


@dataclass(frozen=True, slots=True)
class _Reading:
    named: Named
    deeper: int
    raws: list[str]


def _boxes(text: str, reading: _Reading, depth: int) -> Iterator[str]:
    at = 0
    for box in _BOXED.finditer(text) if depth < 5 else ():
        yield from _lines(text[at : box.start()], reading)
        title = re.search(r"(?:^|\|)title=([^|]*)", box["args"] or "")
        head = [wrapped(escaped(title[1].strip()), "**")] if title else []
        inner = "\n\n".join([*head, *_boxes(box["text"], reading, depth + 1)])
        yield quoted(inner) if inner else ""
        at = box.end()
    yield from _lines(text[at:], reading)


def _language(args: str) -> str:
    first = args.split("|")[0]
    found = re.search(r"(?:^|\|)language=([^|]*)", args)
    return found[1] if found else ("" if "=" in first else first)


def _lines(text: str, reading: _Reading) -> Iterator[str]:
    """Blocks of lines: a table's rows and a list's items stand together, and so do the lines of a paragraph."""
    group: list[str] = []
    named, deeper = reading.named, reading.deeper
    sort = ""
    for line in [*_DRESS.sub("", text).split("\n"), ""]:
        found = _sort_of(line)
        if found != sort and group:
            yield _group(sort, group, named)
            group = []
        sort = found
        if heading := _HEADING.fullmatch(line):
            yield f"{'#' * min(6, int(heading[1]) + deeper)} {inline(heading[2], named)}"
            sort = ""
        elif quote := _QUOTE.fullmatch(line):
            yield quoted(inline(quote[1], named))
            sort = ""
        elif _RULE.fullmatch(line):
            yield "---"
            sort = ""
        elif raw := _KEPT.fullmatch(line):
            yield reading.raws[int(raw[1])]
            sort = ""
        elif line.strip():
            group.append(line)
    if group:
        yield _group(sort, group, named)


def _sort_of(line: str) -> str:
    if (
        not line.strip()
        or _KEPT.fullmatch(line)
        or _HEADING.fullmatch(line)
        or _QUOTE.fullmatch(line)
        or _RULE.fullmatch(line)
    ):
        return ""
    if line.lstrip().startswith("|"):
        return "table"
    return "list" if _ITEM.fullmatch(line) else "text"


def _group(sort: str, lines: list[str], named: Named) -> str:
    if sort == "table":
        rows = [_cells(line, named) for line in lines]
        return table(rows, header=lines[0].lstrip().startswith("||"))
    if sort == "list":
        return "\n".join(_item(line, named) for line in lines)
    return paragraph("\n".join(inline(line, named) for line in lines))


def _cells(line: str, named: Named) -> list[str]:
    """Between its bars; a bar inside a link is no border."""
    safe = re.sub(r"\[[^\]\n]*\]", lambda found: found[0].replace("|", "\x00"), line.strip())
    return [inline(cell.replace("\x00", "|").strip(), named) for cell in re.split(r"\|{1,2}", safe.strip("|"))]


def _item(line: str, named: Named) -> str:
    found = _ITEM.fullmatch(line)
    marks, text = (found[1], found[2]) if found else ("*", line)
    mark = "1. " if marks[-1] == "#" else "- "
    return "   " * (len(marks) - 1) + mark + inline(text, named)


def inline(text: str, named: Named) -> str:
    at, out = 0, []
    for found in _INLINE.finditer(text):
        out += [escaped(text[at : found.start()]), _piece(found, named)]
        at = found.end()
    return "".join([*out, escaped(text[at:])])


def _piece(found: re.Match[str], named: Named) -> str:
    kind = found.lastgroup or ""
    match kind:
        case "mono":
            return code(found["mono"])
        case "user":
            return escaped(f"@{named(found['user'])}")
        case "file" | "image":
            return escaped(found[kind])
        case "url":
            return linked(inline(found["label"], named) if found["label"] else escaped(found["url"]), found["url"])
        case "strong":
            return f"**{inline(found['strong'], named)}**"
        case "em":
            return f"*{inline(found['em'], named)}*"
        case "strike":
            return f"~~{inline(found['strike'], named)}~~"
        case "line":
            return "  \n"
        case _:
            return escaped(found[0])
