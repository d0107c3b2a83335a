"""What changed between two versions of an assistant, field by field, as a person reads it. Pure: no queries of its own.

The vetting queue, the page of versions, templates and the API show the same list. Sources and nodes go by the names that the
reader knows (``assistants.reads.names_for``); what they may not read is counted, never named.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.utils import timezone

from assistants.models import AssistantVersion

Naming = Callable[[UUID], str | None]
"""The name of a source, or the path of a node, as far as the reader may know it; None where they may not."""

LABELS = {
    "name": "Name",
    "description": "What it does",
    "picture": "Picture",
    "emoji": "Emoji",
    "colour": "Colour",
    "instructions": "Instructions",
    "model": "Model",
    "temperature": "Temperature",
    "knowledge": "Knowledge",
    "tags_all": "Documents must have all of these tags",
    "tags_none": "Documents must have none of these tags",
    "time": "From when",
    "retrieval": "How it finds",
    "queries_tables": "Asks tables by SQL",
    "starters": "Starter questions",
    "tags": "Tags",
}
"""Every field that is compared, in the order in which changes are told."""

IN_LINES = frozenset({"instructions", "knowledge", "starters"})
CONTEXT = 3
NOT_YOURS = "Something changed that you may not read"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diff: taken away, put in, kept for context, or ``gap``: lines between that stayed as they were."""

    kind: Literal["old", "new", "same", "gap"]
    text: str

    @property
    def mark(self) -> str:
        return {"old": "-", "new": "+", "same": " ", "gap": "…"}[self.kind]


@dataclass(frozen=True, slots=True)
class Change:
    """``before`` and ``after`` in words, empty where there was nothing. ``lines``: of long texts and lists, the diff of both."""

    field: str
    label: str
    before: str
    after: str
    lines: tuple[Line, ...] = ()


def differences(
    old: AssistantVersion | None,
    new: AssistantVersion,
    naming: Naming = lambda _id: None,
    *,
    instructions: bool = True,
) -> list[Change]:
    """What ``new`` has otherwise than ``old``; without an old one, all that it has.

    ``naming``: see Naming. ``instructions`` False leaves them out: its reader may not see them. Both versions' credentials
    should have been fetched along.
    """
    changes = []
    for field, label in LABELS.items():
        if field == "instructions" and not instructions:
            continue
        before = _said(old, field, naming) if old else ""
        after = _said(new, field, naming)
        if before == after and not (field == "knowledge" and old and _reads(old) != _reads(new)):
            continue
        if before == after:
            after += f"\n{NOT_YOURS}"
        lines = line_diff(before, after) if field in IN_LINES else ()
        changes.append(Change(field, label, before, after, lines))
    return changes


def line_diff(before: str, after: str) -> tuple[Line, ...]:
    """A unified diff of two texts with three lines of context; ``gap`` where lines between are left out."""
    kinds: Mapping[str, Literal["old", "new", "same"]] = {"-": "old", "+": "new", " ": "same"}
    lines: list[Line] = []
    # The two lines that name files come first; each hunk's head says where it starts.
    for raw in list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=CONTEXT))[2:]:
        if raw.startswith("@@"):
            start = int(raw.split(" ")[1].lstrip("-").partition(",")[0])
            if lines or start > 1:
                lines.append(Line("gap", ""))
        else:
            lines.append(Line(kinds[raw[0]], raw[1:]))
    return tuple(lines)


def knowledge_lines(version: AssistantVersion, naming: Naming) -> list[str]:
    """A line for each branch, sorted; what the reader may not know is counted in the last one."""
    if version.reads_all:
        return ["All that whoever asks may read"]
    if not version.knowledge:
        return ["Nothing"]
    lines: list[str] = []
    hidden = 0
    for row in version.knowledge:
        source = naming(UUID(str(row["data_source"])))
        inside = row.get("parents_in")
        if source is None:
            hidden += 1 if inside is None else len(inside)
            continue
        named, unknown = _named(inside or (), naming)
        outside, _ = _named(row.get("parents_not_in") or (), naming)
        lines += [f"{source}: all of it"] if inside is None else [f"{source}: {name}" for name in named]
        lines += [f"{source}: without {name}" for name in outside]
        hidden += unknown
    lines.sort(key=str.lower)
    if hidden:
        lines.append(f"{hidden} part{'' if hidden == 1 else 's'} that you may not read")
    return lines


def _named(ids: Iterable[Any], naming: Naming) -> tuple[list[str], int]:
    names = [naming(UUID(str(value))) for value in ids]
    return [name for name in names if name is not None], names.count(None)


def _reads(version: AssistantVersion) -> tuple[bool, list[Any]]:
    rows = [
        (str(r["data_source"]), _sorted(r.get("parents_in")), _sorted(r.get("parents_not_in") or ()))
        for r in version.knowledge
    ]
    return version.reads_all, sorted(rows, key=str)


def _sorted(ids: Iterable[Any] | None) -> list[str] | None:
    return None if ids is None else sorted(str(value) for value in ids)


def _said(version: AssistantVersion, field: str, naming: Naming) -> str:
    """A field in words."""
    if field == "knowledge":
        return "\n".join(knowledge_lines(version, naming))
    if field in _WORDS:
        return _WORDS[field](version)
    value = getattr(version, field)
    if isinstance(value, list):
        return ("\n" if field in IN_LINES else ", ").join(value)
    return "" if value is None else str(value)


def _model(version: AssistantVersion) -> str:
    if not version.model:
        return "The workspace's default"
    return f"{version.model} ({version.credential.name})" if version.credential else f"{version.model} (key removed)"


def _time(version: AssistantVersion) -> str:
    if version.last_days:
        return f"The last {version.last_days} days"
    if not version.since and not version.until:
        return "Any time"
    parts = [("from", version.since), ("before", version.until)]
    return " ".join(f"{word} {_day(moment)}" for word, moment in parts if moment)


def _day(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%d")


_WORDS: Mapping[str, Callable[[AssistantVersion], str]] = {
    "model": _model,
    "time": _time,
    "temperature": lambda v: "The model's own" if v.temperature is None else f"{v.temperature:g}",
    "picture": lambda v: f"Uploaded picture {str(v.picture_id)[:8]}" if v.picture_id else "",
    "queries_tables": lambda v: "Yes" if v.queries_tables else "No",
    "retrieval": lambda v: AssistantVersion.Retrieval(v.retrieval).label,
}
