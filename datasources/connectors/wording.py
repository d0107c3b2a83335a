"""Plain text from a vendor put into Markdown: what could be taken for HTML or for structure is escaped, no more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LEAD = re.compile(r"^( {0,3})(#{1,6}(?=\s|$)|={2,}\s*$|-{2,}\s*$|`{3,}|~{3,}|>)")
_BREAKS = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c]")


def tags_escaped(text: str) -> str:
    return _TAG.sub(r"\\<", text)


def inline(text: str) -> str:
    """On one line."""
    return tags_escaped(" ".join(text.split()))


def block(text: str) -> str:
    """With its lines kept, none of which becomes a heading, a rule, a quotation or code."""
    lines = (_LEAD.sub(r"\1\\\2", line.rstrip()) for line in _BREAKS.sub("\n", text).split("\n"))
    return tags_escaped("\n".join(lines)).strip("\n")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; empty where there are no rows."""
    lines = [_row(row) for row in rows]
    return "\n".join([_row(head), "|" + " --- |" * len(head), *lines]) + "\n" if lines else ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(inline(cell).replace("|", "\\|") for cell in cells) + " |"


def plural(number: int, word: str) -> str:
    """``1,200 records``."""
    return f"{number:,} {word}{'s' * (number != 1)}"
