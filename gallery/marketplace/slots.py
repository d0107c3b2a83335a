"""Slots in the texts of a template: ``{{team}}`` and ``{{knowledge: "your CRM folder"}}``. Pure.

They are filled when a template is installed. What has a dot or a name of ``assistants.answering.variables`` is filled later, before
each answer, and stays as it is here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from assistants.answering import variables

TEXT: Final = "text"
KNOWLEDGE: Final = "knowledge"
NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_PLACE = re.compile(r"(\\?)\{\{\s*([^{}]*?)\s*\}\}")
_KNOWLEDGE = re.compile(r"knowledge\s*:\s*[\"“]?\s*(.*?)\s*[\"”]?")
LONGEST_FILL = 200


@dataclass(frozen=True, slots=True)
class Slot:
    """``label``: what is asked for. ``help``: for knowledge, which kinds of sources fit. ``example``: what a text could be."""

    name: str
    kind: str
    label: str
    help: str = ""
    example: str = ""

    def as_data(self) -> dict[str, str]:
        return {key: value for key, value in asdict(self).items() if value}


def places(text: str) -> Iterable[tuple[str, str]]:
    """(kind, name or label) of every slot in the text, as often as it stands there."""
    for escape, inside in _PLACE.findall(text):
        if escape or inside in variables.KNOWN:
            continue
        knowledge = _KNOWLEDGE.fullmatch(inside)
        yield (KNOWLEDGE, knowledge[1]) if knowledge else (TEXT, inside)


def undeclared(text: str, slots: Iterable[Slot]) -> list[str]:
    """Places that no slot fills, in words: wrong names of slots, and of variables."""
    slots = list(slots)
    names = {slot.name for slot in slots if slot.kind == TEXT}
    labels = {slot.label.casefold() for slot in slots if slot.kind == KNOWLEDGE}
    wrong = []
    for kind, what in places(text):
        if kind == KNOWLEDGE and what.casefold() not in labels:
            wrong.append(f'{{{{knowledge: "{what}"}}}}')
        elif kind == TEXT and what not in names:
            wrong.append(f"{{{{{what}}}}}")
    return list(dict.fromkeys(wrong))


def filled(text: str, texts: Mapping[str, str]) -> str:
    """The text with ``texts`` in place of its slots, in one pass; knowledge goes by its label. What has no text stays."""

    def value(match: re.Match[str]) -> str:
        escape, inside = match.groups()
        if escape:
            return match[0]
        if knowledge := _KNOWLEDGE.fullmatch(inside):
            return knowledge[1]
        return texts[inside] if inside not in variables.KNOWN and texts.get(inside) else match[0]

    return _PLACE.sub(value, text)


def slots_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Slot, ...]:
    """As a stored version has them."""
    return tuple(
        Slot(row["name"], row["kind"], row["label"], row.get("help", ""), row.get("example", "")) for row in rows
    )
