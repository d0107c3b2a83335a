"""One question confined to a few places: a source, or a folder and whatever is below it.

A narrowing is a list of branches, kept as ``[{"data_source": id, "parents_in": [ids] | None}]``. It only ever takes away:
what is found lies in it, in the assistant's knowledge, and in what the reader's grants allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Case, IntegerField, Q, Value, When

from datasources.access import AGREED, leading_to, readable_branches, within
from datasources.models import DataSource, Node
from datasources.retrieval.types import Branch
from portal.models import Membership

MOST_PLACES = 20
MOST_SUGGESTED = 8

Entries = list[dict[str, Any]]


class OutOfReach(Exception):
    """What was named can't be had; ``str()`` says why in a sentence. ``code``: ``not_found``, also for what is not for this
    person, or ``invalid``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Place:
    """A source or a node by the name that its reader knows. ``above``: where a node lies. ``id`` None: not for this reader."""

    id: UUID | None
    name: str
    above: str = ""
    kind: str = ""

    @property
    def where(self) -> str:
        return f"{self.above} / {self.name}" if self.above else self.name


UNKNOWN = Place(None, "A place that is gone, or that you may not see")


# ---- What may be named -------------------------------------------------------------------------------------------


def branches_of(membership: Membership, ids: Sequence[UUID]) -> tuple[Branch, ...]:
    """Ids of sources and nodes as branches; an id of neither counts as a source's, which ``checked`` then refuses. One query."""
    found = dict(
        Node.objects.filter(workspace=membership.workspace_id, pk__in=ids).values_list("pk", "source_id") if ids else ()
    )
    return tuple(Branch(found[key], (key,)) if key in found else Branch(key) for key in ids)


def checked(branches: Iterable[Branch], allowed: Sequence[Branch]) -> Entries:
    """The branches as they are kept, one entry a source. ``allowed``: what the person may read.

    A folder that is only partly theirs may be named too. Two queries at most, and none for whole sources. Raises OutOfReach.
    """
    merged: dict[UUID, list[UUID] | None] = {}
    for branch in branches:
        if branch.parents_in == ():
            raise OutOfReach("invalid", "A narrowing names a source, or at least one folder of it.")
        before = merged.setdefault(branch.source, [])
        if branch.parents_in is None or before is None:
            merged[branch.source] = None
        else:
            before.extend(key for key in branch.parents_in if key not in before)
    if sum(len(inside or (None,)) for inside in merged.values()) > MOST_PLACES:
        raise OutOfReach(
            "invalid", f"A question is narrowed to at most {MOST_PLACES} places. Name a folder above them."
        )
    granted = {branch.source: branch for branch in allowed}
    nodes = {key: source for source, inside in merged.items() for key in inside or ()}
    known = _known(nodes, granted)
    if any(source not in granted for source in merged) or any(key not in known for key in nodes):
        raise OutOfReach(
            "not_found", "There is no such source or folder, or it is not for you. Type # and choose again."
        )
    return [
        {"data_source": str(source), "parents_in": None if inside is None else [str(key) for key in inside]}
        for source, inside in merged.items()
    ]


def _known(nodes: Mapping[UUID, UUID], granted: Mapping[UUID, Branch]) -> set[UUID]:
    """Those of these nodes (each with its source) of which something is granted: at, above or below. None that is being removed."""
    if not nodes:
        return set()
    mirrored = [branch for branch in granted.values() if branch.readers is not None and branch.source in nodes.values()]
    if mirrored:
        there = {branch.source for branch in mirrored}
        elsewhere = {key: source for key, source in nodes.items() if source not in there}
        return _known_to_readers(nodes, mirrored) | _known(elsewhere, granted)
    rows = Node.objects.filter(pk__in=nodes).exclude(gone=AGREED).values_list("pk", "source_id", "parents")
    chains = {key: parents for key, source, parents in rows if nodes[key] == source and source in granted}
    inside = {key: granted[nodes[key]].parents_in for key in chains}
    known = {key for key, parts in inside.items() if parts is None or set(parts) & set(chains[key])}
    if rest := chains.keys() - known:
        parts = {part for key in rest for part in inside[key] or ()}
        above = {key for chain in Node.objects.filter(pk__in=parts).values_list("parents", flat=True) for key in chain}
        known |= rest & above
    return known


def _known_to_readers(nodes: Mapping[UUID, UUID], mirrored: Sequence[Branch]) -> set[UUID]:
    """The same where a source mirrors: it takes the readers of the node itself, or of something below it."""
    rows = Node.objects.filter(within(mirrored) | leading_to(mirrored), pk__in=nodes).exclude(gone=AGREED)
    return {key for key, source in rows.values_list("pk", "source_id") if nodes[key] == source}


def read(entries: Any) -> tuple[Branch, ...]:
    """Entries as a program sends them. Raises OutOfReach."""
    try:
        return tuple(
            Branch(
                UUID(str(entry["data_source"])),
                None if entry.get("parents_in") is None else tuple(UUID(str(key)) for key in entry["parents_in"]),
            )
            for entry in entries
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise OutOfReach("invalid", "narrow is a list of {data_source, parents_in}, all of them ids.") from error


def branches_kept(entries: Iterable[Mapping[str, Any]]) -> tuple[Branch, ...] | None:
    """The branches of what is kept; None where nothing was narrowed."""
    found = tuple(
        Branch(
            UUID(entry["data_source"]),
            None if entry["parents_in"] is None else tuple(UUID(key) for key in entry["parents_in"]),
        )
        for entry in entries
    )
    return found or None


# ---- What it comes to --------------------------------------------------------------------------------------------


def meet(one: Sequence[Branch], other: Sequence[Branch], chains: Mapping[UUID, Sequence[UUID]]) -> tuple[Branch, ...]:
    """What two lists of branches, each with a source once, have in common. ``chains``: of each node its own id and those above.

    A part that something below it is left out of stays, with what is left out.
    """
    others = {branch.source: branch for branch in other}
    found = []
    for branch in one:
        if (match := others.get(branch.source)) is None:
            continue
        outside = tuple(dict.fromkeys((*branch.parents_not_in, *match.parents_not_in)))
        inside = _common(branch.parents_in, match.parents_in, chains)
        if inside is not None:
            inside = tuple(key for key in inside if not set(chains.get(key, (key,))) & set(outside))
        if inside is None or inside:
            found.append(Branch(branch.source, inside, outside, _both(branch.readers, match.readers)))
    return tuple(found)


def _common(
    one: tuple[UUID, ...] | None, other: tuple[UUID, ...] | None, chains: Mapping[UUID, Sequence[UUID]]
) -> tuple[UUID, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    below = [key for key in one if set(chains.get(key, (key,))) & set(other)]
    below += [key for key in other if set(chains.get(key, (key,))) & set(one)]
    return tuple(dict.fromkeys(below))


def _both(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The principals that both ask for; None asks for none."""
    if one is None or other is None:
        return other if one is None else one
    return tuple(principal for principal in one if principal in other)


def chains_of(*lists: Sequence[Branch]) -> dict[UUID, Sequence[UUID]]:
    """Of every node that these branches name, its own id and those above. One query, or none."""
    named = {key for branches in lists for branch in branches for key in branch.parents_in or ()}
    return dict(Node.objects.filter(pk__in=named).values_list("pk", "parents")) if named else {}


# ---- Names -------------------------------------------------------------------------------------------------------


def places_of(membership: Membership, narrowings: Iterable[Sequence[Mapping[str, Any]]]) -> list[list[Place]]:
    """Each narrowing in names, as far as this reader may know them. Four queries at most, none where nothing is narrowed."""
    lists = [branches_kept(entries) or () for entries in narrowings]
    named = {branch.source for branches in lists for branch in branches}
    if not named:
        return [[] for _ in lists]
    allowed = readable_branches(membership)
    granted = {branch.source: branch for branch in allowed}
    nodes = {key: b.source for branches in lists for b in branches for key in b.parents_in or ()}
    rows = Node.objects.filter(pk__in=_known(nodes, granted)).select_related("source").defer("source__cursor")
    names = {row.pk: _place_of(row) for row in rows}
    names |= {s.pk: _place_of_source(s) for s in DataSource.objects.filter(pk__in=named & granted.keys())}
    return [
        [names.get(key, UNKNOWN) for b in branches for key in ((b.source,) if b.parents_in is None else b.parents_in)]
        for branches in lists
    ]


def _place_of(node: Node) -> Place:
    folders = node.path.removesuffix(node.title).removesuffix(" / ")
    return Place(node.pk, node.title, " / ".join(part for part in (node.source.name, folders) if part), node.kind)


def _place_of_source(source: DataSource) -> Place:
    return Place(source.pk, source.name, "", source.kind)


def suggested(membership: Membership, typed: str, wanted: Sequence[Branch] | None = None) -> list[Place]:
    """Sources and folders whose name has what was typed, sources first, as far as the person may read in them.

    ``wanted``: the assistant's knowledge; only places where it searches are named. Every word may stand in the name or in
    the path above it, the last one in the name. Four queries at most.
    """
    words = re.split(r"[\s/_.-]+", typed.strip().lower())
    words = [word for word in words if word]
    allowed = readable_branches(membership)
    if wanted is not None:
        allowed = meet(allowed, wanted, chains_of(allowed, wanted))
    sources = DataSource.objects.filter(pk__in=[branch.source for branch in allowed])
    folders = Node.objects.filter(workspace=membership.workspace_id, status=Node.Status.CONTAINER)
    folders = folders.filter(within(allowed) | leading_to(allowed)).exclude(gone=AGREED)
    for word in words:
        sources = sources.filter(name__icontains=word)
        folders = folders.filter(Q(path__icontains=word) | Q(source__name__icontains=word))
    if words:
        folders = folders.filter(title__icontains=words[-1])
    begins = When(title__istartswith=words[-1] if words else "", then=Value(0))
    folders = folders.annotate(begins=Case(begins, default=Value(1), output_field=IntegerField()))
    found = [_place_of_source(source) for source in sources.order_by("name")[:MOST_SUGGESTED]]
    rows = folders.select_related("source").defer("source__cursor").order_by("begins", "depth", "sort_key", "pk")
    return found + [_place_of(row) for row in rows[: MOST_SUGGESTED - len(found)]]
