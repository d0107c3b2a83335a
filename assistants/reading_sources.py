"""Which assistants read a source: what its pages, the admin and the API say of its use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from assistants.models import Assistant
from datasources.models import DataSource, Node
from datasources.uses import Use, Uses
from portal.models import Membership


@dataclass(frozen=True, slots=True)
class Readers:
    """``seen``, by handle. ``hidden``: the sources of each personal one of somebody else; None for those who are not told."""

    seen: list[Assistant]
    hidden: list[list[UUID]] | None = None

    def personal(self, source: DataSource) -> int | None:
        return None if self.hidden is None else sum(source.pk in reads for reads in self.hidden)


def readers_of(membership: Membership | None, sources: Sequence[DataSource]) -> Readers:
    """Assistants whose running version reads any of these sources, as far as this person may know of them.

    Admins (and without a membership, the admin's screens) know all that were published: they govern them. Of the personal
    ones of others they learn how many there are. Three queries at most.
    """
    found = _reading(sources)
    if membership is not None and not membership.is_admin:
        visible = Assistant.objects.visible_to(membership).values("pk")
        return Readers(list(found.filter(pk__in=visible)))
    personal = Q(scope=Assistant.Scope.PERSONAL)
    if membership is not None:
        own = Assistant.owners.through._default_manager.filter(user=membership.user_id).values("assistant")
        personal &= ~Q(pk__in=own)
    hidden = found.filter(personal).values_list("reads", flat=True)
    return Readers(list(found.exclude(personal)), list(hidden))


def _reading(sources: Sequence[DataSource]) -> QuerySet[Assistant]:
    workspaces = {source.workspace_id for source in sources}
    rows = Assistant.objects.filter(workspace__in=workspaces, archived__isnull=True, live__isnull=False)
    rows = rows.filter(Q(live__reads_all=True) | Q(reads__overlap=[source.pk for source in sources]))
    return rows.select_related("live").order_by("handle")


def used_by(membership: Membership | None, sources: Sequence[DataSource]) -> Mapping[UUID, Uses]:
    """For the admin and the API. As many queries for many sources as for one."""
    readers = readers_of(membership, sources)
    return {
        source.pk: Uses(
            tuple(_use(assistant) for assistant in readers.seen if _reads(assistant, source)), readers.personal(source)
        )
        for source in sources
    }


def _reads(assistant: Assistant, source: DataSource) -> bool:
    assert assistant.live is not None
    if assistant.live.reads_all:
        return assistant.workspace_id == source.workspace_id
    return source.pk in assistant.reads


def _use(assistant: Assistant) -> Use:
    assert assistant.live is not None
    return Use("assistant", assistant.handle, assistant.live.name, assistant.live.reads_all)


def panel(request: HttpRequest, source: Any) -> dict[str, Any]:
    """For a source's own pages: the assistants with their pictures, and what of the source each was given."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    readers = readers_of(membership, [source])
    named = [(row, part_of(row, source)) for row in readers.seen if row.live and not row.live.reads_all]
    personal = readers.personal(source) or 0
    return {
        "named": named,
        "everything": [row for row in readers.seen if row.live and row.live.reads_all],
        "personal": personal,
        "total": len(named) + personal,
    }


def table_panel(request: HttpRequest, table: Any) -> dict[str, Any]:
    """For a table's page: the assistants whose knowledge covers it and that ask tables, as far as the person may know."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    found = readers_of(membership, [table.node.source])
    asking = [row for row in found.seen if row.live and row.live.queries_tables and _covers(row, table.node)]
    return {
        "named": [row for row in asking if row.live and not row.live.reads_all],
        "everything": [row for row in asking if row.live and row.live.reads_all],
    }


def _covers(assistant: Assistant, node: Node) -> bool:
    assert assistant.live is not None
    if assistant.live.reads_all:
        return True
    above = {str(key) for key in node.parents}
    for entry in assistant.live.knowledge:
        if str(entry.get("data_source")) == str(node.source_id):
            inside = entry.get("parents_in")
            if (inside is None or above & set(inside)) and not above & set(entry.get("parents_not_in") or ()):
                return True
    return False


def part_of(assistant: Assistant, source: DataSource) -> str:
    """What the assistant was given of the source, in words."""
    assert assistant.live is not None
    entry: Mapping[str, Any] = next(
        (e for e in assistant.live.knowledge if str(e.get("data_source")) == str(source.pk)), {}
    )
    inside, outside = entry.get("parents_in"), entry.get("parents_not_in") or []
    words = "All of it" if inside is None else f"{len(inside)} part{'' if len(inside) == 1 else 's'} of it"
    return f"{words}, but for {len(outside)}" if outside else words
