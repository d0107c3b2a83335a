"""What an assistant reads, in the names that a person knows, and only as far as they may know them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from assistants.models import Assistant, AssistantVersion
from datasources.models import DataSource, Node
from portal.models import Membership


@dataclass(slots=True)
class Part:
    """One source of an assistant's knowledge. ``whole``: all of it, but for ``outside``.

    ``hidden``: how many of the chosen branches this reader may not see.
    """

    source: DataSource
    whole: bool
    inside: list[Node] = field(default_factory=list)
    outside: list[Node] = field(default_factory=list)
    hidden: int = 0


@dataclass(slots=True)
class Reads:
    """``everything``: it searches all that whoever asks may read. ``nothing``: it answers without searching."""

    parts: list[Part]
    everything: bool
    nothing: bool
    hidden_sources: int = 0

    @property
    def partly(self) -> bool:
        """The reader does not get all that it was given."""
        return bool(self.hidden_sources or any(part.hidden for part in self.parts))


def _ids(rows: Iterable[dict[str, Any]], key: str) -> set[UUID]:
    return {UUID(str(value)) for row in rows for value in row.get(key) or []}


def what_it_reads(membership: Membership, version: AssistantVersion) -> Reads:
    """The branches of its knowledge by name. Two queries and those of visibility."""
    rows = [row for row in version.knowledge if row.get("data_source")]
    wanted = {UUID(str(row["data_source"])) for row in rows}
    sources = {s.pk: s for s in DataSource.objects.visible_to(membership).filter(pk__in=wanted)}
    chosen = _ids(rows, "parents_in") | _ids(rows, "parents_not_in")
    nodes = {n.pk: n for n in Node.objects.browsable_by(membership).filter(pk__in=chosen)} if chosen else {}
    parts = []
    for row in rows:
        source = sources.get(UUID(str(row["data_source"])))
        if source is None:
            continue
        inside, outside = _ids([row], "parents_in"), _ids([row], "parents_not_in")
        parts.append(
            Part(
                source=source,
                whole=row.get("parents_in") is None,
                inside=_sorted(nodes, inside),
                outside=_sorted(nodes, outside),
                hidden=len(inside - nodes.keys()),
            )
        )
    parts.sort(key=lambda part: part.source.name.lower())
    return Reads(
        parts=parts,
        everything=version.reads_all,
        nothing=not version.knowledge and not version.reads_all,
        hidden_sources=len(wanted - sources.keys()),
    )


def _sorted(nodes: dict[UUID, Node], ids: set[UUID]) -> list[Node]:
    return sorted((nodes[key] for key in ids if key in nodes), key=lambda node: node.path.lower())


def sees_instructions(membership: Membership, assistant: Assistant) -> bool:
    """Whoever may change it does; others where its owners show them. One query."""
    if assistant.shows_instructions:
        return True
    return Assistant.objects.editable_by(membership).filter(pk=assistant.pk).exists()


def readable_part(membership: Membership, entries: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """Of knowledge what this person may choose themselves, and how many of its parts they may not. Two queries."""
    rows = [row for row in entries if row.get("data_source")]
    wanted = {UUID(str(row["data_source"])) for row in rows}
    visible = set(DataSource.objects.visible_to(membership).filter(pk__in=wanted).values_list("pk", flat=True))
    chosen = _ids(rows, "parents_in") | _ids(rows, "parents_not_in")
    known = dict(
        Node.objects.browsable_by(membership).filter(pk__in=chosen).values_list("pk", "source_id") if chosen else ()
    )
    kept: list[dict[str, Any]] = []
    left_out = 0
    for row in rows:
        source, inside = UUID(str(row["data_source"])), row.get("parents_in")
        parts = 1 if inside is None else len(inside)
        if source not in visible:
            left_out += parts
            continue
        named = {
            key: None if row.get(key) is None else [str(n) for n in row[key] if known.get(UUID(str(n))) == source]
            for key in ("parents_in", "parents_not_in")
        }
        left_out += 0 if inside is None else parts - len(named["parents_in"] or ())
        if inside is None or named["parents_in"]:
            kept.append(
                {
                    "data_source": str(source),
                    "parents_in": named["parents_in"],
                    "parents_not_in": named["parents_not_in"] or [],
                }
            )
    return kept, left_out


def names_for(membership: Membership, *versions: AssistantVersion | None) -> Callable[[UUID], str | None]:
    """What this person calls the sources and nodes of these versions' knowledge, for ``differences``. Two queries and those
    of visibility, however many versions."""
    rows = [row for version in versions if version for row in version.knowledge if row.get("data_source")]
    wanted = {UUID(str(row["data_source"])) for row in rows}
    chosen = _ids(rows, "parents_in") | _ids(rows, "parents_not_in")
    sources = DataSource.objects.visible_to(membership).filter(pk__in=wanted).values_list("pk", "name")
    names: dict[UUID, str] = dict(sources) if wanted else {}
    if chosen:
        nodes = Node.objects.browsable_by(membership).filter(pk__in=chosen).values_list("pk", "path", "title")
        names |= {pk: path or title for pk, path, title in nodes}
    return names.get


def sources_of(membership: Membership, versions: Iterable[AssistantVersion]) -> dict[UUID, list[DataSource]]:
    """For cards: the visible sources that each version names. One query for all of them."""
    named = {
        version.pk: [UUID(str(row["data_source"])) for row in version.knowledge if row.get("data_source")]
        for version in versions
    }
    wanted = {source for sources in named.values() for source in sources}
    found = {s.pk: s for s in DataSource.objects.visible_to(membership).filter(pk__in=wanted)} if wanted else {}
    return {key: [found[source] for source in sources if source in found] for key, sources in named.items()}
