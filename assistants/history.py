"""The versions of an assistant as one reader sees them: who saved what, when, and what changed from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from assistants.acting import parts_of
from assistants.differences import Change, differences
from assistants.models import Assistant, AssistantVersion
from assistants.reads import names_for
from datasources.access import readable_branches
from datasources.models import Node
from portal.models import Membership


@dataclass(frozen=True, slots=True)
class Seen:
    """How much of an assistant's history a person sees. ``edits``: they may change it, and so see its drafts, too; of others
    ``past`` are the versions before the one that people run.
    """

    edits: bool
    instructions: bool
    past: tuple[UUID, ...] = ()


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
            return "The first version" if self.version.number == 1 else "The first that you may see"
        return ", ".join(change.label.lower() for change in self.changes) or "Nothing that you may see"


def seen_by(membership: Membership, assistant: Assistant) -> Seen:
    """One query; for who may not change it up to three more, and those of visibility."""
    edits = Assistant.objects.editable_by(membership).filter(pk=assistant.pk).exists()
    return Seen(edits, edits or assistant.shows_instructions, () if edits else _offered_before(assistant, membership))


def versions_for(assistant: Assistant, seen: Seen) -> QuerySet[AssistantVersion]:
    """Newest first. Who may not change it sees what people run and, of those that people could ask before, those of which they
    may read every part today: neither drafts, nor what was saved before it was published, nor what only others were offered.

    To whom a version was offered when it went live is not kept, nor whether it was vetted then: whoever is kept out of some of
    its knowledge now does not see it, even if they could ask it once.
    """
    rows = assistant.versions.select_related("created_by", "credential", "picture")
    if seen.edits:
        return rows
    shown = [key for key in (assistant.live_id, *seen.past) if key is not None]
    return rows.filter(pk__in=shown, went_live__isnull=False)


def _offered_before(assistant: Assistant, reader: Membership) -> tuple[UUID, ...]:
    """Of those that went live, the ones of whose every part some grant of this person's spaces reads all: ``within_reach``,
    which goes by the parts of what is live alone, for any version."""
    ran = assistant.versions.filter(went_live__isnull=False).order_by().only("assistant", "knowledge", "reads_all")
    parts = {version.pk: parts_of(version) for version in ran if version.pk != assistant.live_id}
    if not any(parts.values()):
        return tuple(parts)
    granted = {branch.source: branch.parents_in for branch in readable_branches(reader)}
    partly = {node for named in parts.values() for source, node in named if node and granted.get(source) is not None}
    above = dict(Node.objects.filter(pk__in=partly).values_list("pk", "parents")) if partly else {}

    def reads(source: UUID, node: UUID | None) -> bool:
        if source not in granted:
            return False
        inside = granted[source]
        return inside is None or (node is not None and not set(inside).isdisjoint(above.get(node, ())))

    return tuple(pk for pk, named in parts.items() if all(reads(source, node) for source, node in named))


def at_hand(assistant: Assistant, seen: Seen) -> AssistantVersion | None:
    """The one that this person means without naming any: what they last saved, or what they run."""
    rows = versions_for(assistant, seen)
    if seen.edits:
        return rows.first()
    return rows.filter(pk=assistant.live_id).first() if assistant.live_id else None


def one_of_them(assistant: Assistant, seen: Seen, number: str) -> AssistantVersion | None:
    """By a number as somebody typed it."""
    wanted = int(number) if number.isdecimal() and len(number) < 7 else 0
    return versions_for(assistant, seen).filter(number=wanted).first()


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
