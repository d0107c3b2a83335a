"""The list of sources, with those that somebody has begun to connect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Prefetch, Q
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from datasources.connectors.registry import CONNECTORS
from datasources.freshness import Freshness, freshness_of
from datasources.health import Health, health
from datasources.models import DataSource, Grant, Node, SyncRun
from portal.access import WorkspaceRequest, may, workspace_view
from portal.models import Membership, Space
from portal.pages import page


@dataclass(frozen=True, slots=True)
class Line:
    """One source in the list. ``documents``: those that the person may see."""

    source: DataSource
    health: Health
    spaces: list[Space]
    documents: int
    changed: datetime | None
    icon: str
    freshness: Freshness | None = None


def kind_icon(kind: str) -> str:
    return CONNECTORS[kind].icon if kind in CONNECTORS else "circle-stack"


def lines(membership: Membership, rows: Iterable[DataSource]) -> list[Line]:
    """The rows with what the list shows of each, in a fixed number of queries. ``rows`` come from ``with_spaces``."""
    rows = list(rows)
    ids = [source.pk for source in rows]
    counts: dict[UUID, dict[str, Any]] = {
        row["source"]: dict(row)
        for row in Node.objects.browsable_by(membership)
        .filter(source__in=ids)
        .values("source")
        .annotate(
            documents=Count("pk", filter=Q(status=Node.Status.INDEXED)),
            failed=Count("pk", filter=Q(status=Node.Status.FAILED)),
            changed=Max("modified"),
        )
    }
    runs = {run.source_id: run for run in SyncRun.objects.filter(source__in=ids, state__in=SyncRun.OPEN)}
    fresh = freshness_of(ids)
    nothing: dict[str, Any] = {"documents": 0, "failed": 0, "changed": None}
    found = [(source, counts.get(source.pk, nothing)) for source in rows]
    return [
        Line(
            source,
            health(source, runs.get(source.pk), count["failed"], count["documents"]),
            [grant.space for grant in source.grants.all()],
            count["documents"],
            count["changed"],
            kind_icon(source.kind),
            fresh.get(source.pk),
        )
        for source, count in found
    ]


def with_spaces(membership: Membership) -> Any:
    """The sources that the person sees, with the grants to spaces of which they may know."""
    spaces = Space.objects.governed_by(membership)
    grants = Grant.objects.filter(space__in=spaces.values("pk")).select_related("space").order_by("space__name")
    return DataSource.objects.visible_to(membership).prefetch_related(Prefetch("grants", queryset=grants))


@workspace_view("datasource.view")
@require_GET
def data(request: WorkspaceRequest) -> HttpResponse:
    rows = list(with_spaces(request.membership).order_by("name"))
    draft = DataSource.State.DRAFT
    listed = lines(request.membership, [source for source in rows if source.state != draft])
    manages = DataSource.objects.manageable_by(request.membership)
    context = {
        "lines": listed,
        "drafts": [source for source in rows if source.state == draft],
        "managed": set(manages.values_list("pk", flat=True)),
        "busy": any(line.health.tone == "busy" for line in listed),
        "may_connect": may(request.membership, "datasource.create"),
    }
    return page(request, "datasources/data.html", context, partial="sources")
