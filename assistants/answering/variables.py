"""What instructions may say of whoever asks: ``{{reader.name}}`` and its like, filled in before each answer. Pure.

What is put in is data: a person's name with orders in it stays one short line. A backslash before the braces leaves them as
they are, for instructions that speak of such braces themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from assistants.answering.fences import unfenced

KNOWN: Mapping[str, str] = MappingProxyType(
    {
        "reader.name": "the name of whoever asks",
        "reader.role": "their role here: member, builder or admin",
        "reader.team": "the restricted spaces that they are in",
        "reader.language": "the language that they chose to be answered in, or the language of the question",
        "date": "today, such as 2026-03-31",
        "workspace": "the name of this workspace",
    }
)
LONGEST = 80
"""Characters of one value."""
_VARIABLE = re.compile(r"(\\?)\{\{\s*([^{}]*?)\s*\}\}")


def used_in(text: str) -> set[str]:
    """The variables that the text has, known or not."""
    return {name for escape, name in _VARIABLE.findall(text) if not escape}


def unknown_in(text: str) -> list[str]:
    """Those that nothing can be put in for, sorted."""
    return sorted(used_in(text) - set(KNOWN))


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with ``values`` in place of its variables, in one pass: braces in a value are just text."""

    def value(match: re.Match[str]) -> str:
        escape, name = match.groups()
        if escape:
            return match[0][1:]
        return plain(values[name]) if name in values else match[0]

    return _VARIABLE.sub(value, text)


def plain(value: str) -> str:
    """One short line of it, without control characters and without what could be read as an edge of a fence."""
    line = "".join(" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in value)
    return unfenced(" ".join(line.split()))[:LONGEST].strip()
