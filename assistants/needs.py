"""Which spaces an assistant needs: for each part of its knowledge, some space whose grant covers it.

Derived from knowledge and grants whenever it is asked, so that a change of grants counts at the very next request. The rule by
which lists and answers go is ``assistants.models.assistant.within_reach``; a test holds both equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from assistants.acting import parts_of
from assistants.models import AssistantVersion
from datasources.models import DataSource, Grant, Node
from portal.models import Membership, Space


@dataclass(frozen=True, slots=True)
class Need:
    """Parts that the same spaces see: being in any one of ``spaces`` is enough for them. No spaces: nobody sees them.

    ``parts``: how many; ``sources``: of which sources they are.
    """

    spaces: tuple[Space, ...]
    sources: frozenset[UUID]
    parts: int

    @property
    def everybody(self) -> bool:
        return any(space.kind == Space.Kind.OPEN for space in self.spaces)


def spaces_needed(version: AssistantVersion) -> tuple[Need, ...]:
    """What a person has to be in to be offered it: one space of each need. Nothing where it reads whatever its asker may read,
    or nothing. Two queries."""
    return needs_of(parts_of(version))


def needs_of(parts: Iterable[tuple[UUID, UUID | None]]) -> tuple[Need, ...]:
    """Of parts as ``parts_of`` gives them, those of a draft, say. The hardest to meet come first."""
    parts = list(parts)
    if not parts:
        return ()
    grants: Mapping[UUID, list[Grant]] = defaultdict(list)
    rows = Grant.objects.filter(source__in={source for source, _node in parts}).select_related("space")
    for grant in rows.exclude(source__state=DataSource.State.DELETING).order_by("space__name"):
        grants[grant.source_id].append(grant)
    nodes = {node for _source, node in parts if node is not None}
    above = dict(Node.objects.filter(pk__in=nodes).values_list("pk", "parents")) if nodes else {}
    found: dict[tuple[Space, ...], list[UUID]] = defaultdict(list)
    for source, node in parts:
        chain = set(above.get(node, ())) if node is not None else set()
        covering = (g for g in grants[source] if g.parents_in is None or chain & set(g.parents_in))
        found[tuple(grant.space for grant in covering)].append(source)
    needs = [Need(spaces, frozenset(sources), len(sources)) for spaces, sources in found.items()]
    return tuple(sorted(needs, key=lambda need: (need.everybody, len(need.spaces), [s.name for s in need.spaces])))


def in_words(needs: Iterable[Need], reader: Membership) -> list[str]:
    """A line for each need that not everybody meets, with the spaces that this reader may know of.

    ``HR``; ``HR or Legal``; ``another space``; ``no space reads 2 parts of it: grant access first``.
    """
    known = set(Space.objects.governed_by(reader).values_list("pk", flat=True))
    lines = []
    for need in needs:
        if need.everybody:
            continue
        if not need.spaces:
            lines.append(f"no space reads {need.parts} part{'' if need.parts == 1 else 's'} of it: grant access first")
            continue
        names: list[str] = [space.name for space in need.spaces if space.pk in known]
        lines.append(" or ".join([*names, *([] if len(names) == len(need.spaces) else ["another space"])]))
    return lines


def as_data(needs: Iterable[Need], reader: Membership) -> list[dict[str, Any]]:
    """For the API: of each need the spaces that this reader may know of, and whether everybody meets it."""
    known = set(Space.objects.governed_by(reader).values_list("pk", flat=True))
    return [
        {
            "spaces": [{"id": str(s.pk), "name": s.name, "kind": s.kind} for s in need.spaces if s.pk in known],
            "everybody": need.everybody,
            "others": sum(space.pk not in known for space in need.spaces),
            "parts": need.parts,
        }
        for need in needs
    ]
