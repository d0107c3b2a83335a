"""The versions of an assistant as one reader sees them: who saved what, when, and what changed from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from assistants.differences import Change, differences
from assistants.models import Assistant, AssistantVersion
from assistants.reads import names_for
from portal.models import Membership


@dataclass(frozen=True, slots=True)
class Seen:
    """How much of an assistant's history a person sees. ``edits``: they may change it, and so see its drafts, too."""

    edits: bool
    instructions: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A version, and what it has otherwise than the one before it."""

    version: AssistantVersion
    changes: list[Change]
    first: bool

    @property
    def words(self) -> str:
        """What changed, by the names of the fields."""
        if self.first:
            return "The first version"
        return ", ".join(change.label.lower() for change in self.changes) or "Nothing that you may see"


def seen_by(membership: Membership, assistant: Assistant) -> Seen:
    """One query."""
    edits = Assistant.objects.editable_by(membership).filter(pk=assistant.pk).exists()
    return Seen(edits, edits or assistant.shows_instructions)


def versions_for(assistant: Assistant, seen: Seen) -> QuerySet[AssistantVersion]:
    """Newest first. Who may not change it sees none that people do not run yet."""
    rows = assistant.versions.select_related("created_by", "credential", "picture")
    if seen.edits:
        return rows
    live = assistant.live.number if assistant.live else 0
    return rows.filter(number__lte=live)


def rows(membership: Membership, assistant: Assistant, seen: Seen, shown: Sequence[AssistantVersion]) -> list[Row]:
    """``shown``: neighbours of the list, newest first. Two queries more and those of visibility, however many there are."""
    if not shown:
        return []
    before = versions_for(assistant, seen).filter(number__lt=shown[-1].number).first()
    chain = [*shown, *([before] if before else [])]
    names = names_for(membership, *chain)
    older = [*chain[1:], None][: len(shown)]
    return [
        Row(version, differences(old, version, names, instructions=seen.instructions) if old else [], old is None)
        for version, old in zip(shown, older, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Comparison:
    old: AssistantVersion
    new: AssistantVersion
    changes: list[Change]


def compare(membership: Membership, assistant: Assistant, seen: Seen, old: int, new: int) -> Comparison:
    """Any two versions; raises Http404 where one is not there, or not for this person."""
    versions = versions_for(assistant, seen)
    first, second = get_object_or_404(versions, number=old), get_object_or_404(versions, number=new)
    names = names_for(membership, first, second)
    return Comparison(first, second, differences(first, second, names, instructions=seen.instructions))
