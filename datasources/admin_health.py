"""How the sources are, on the admin's first page: those first that a person should look at."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse

from datasources.health import health
from datasources.models import DataSource, Node, SyncRun
from portal.admin.overview import CHARTS, charts
from portal.charts import Ranking, lines, thin
from portal.kept import kept
from portal.models import Workspace
from portal.registry import Panel, registries

MOST = 8
_ORDER = ("bad", "warn", "busy", "quiet", "ok")


def _health(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    drawn = kept(f"govern:health:{workspace.pk}", lambda: _ranking(workspace))
    return charts("Sources", [drawn.value], drawn.at if drawn.old else None)


def _ranking(workspace: Workspace) -> Ranking:
    """Three queries, however many sources."""
    living = DataSource.objects.filter(workspace=workspace).exclude(state=DataSource.State.DELETING)
    runs = {run.source_id: run for run in SyncRun.objects.filter(source__in=living, state__in=SyncRun.OPEN)}
    counted: dict[Any, dict[str, int]] = {}
    living_nodes = Node.objects.filter(source__in=living).exclude(gone=Node.Gone.AGREED)
    nodes = living_nodes.order_by().values_list("source", "status")
    for source, status, number in nodes.annotate(number=Count("pk")):
        counted.setdefault(source, {})[status] = number
    found = []
    for source in living:
        failed = counted.get(source.pk, {}).get(Node.Status.FAILED, 0)
        found.append((source, health(source, runs.get(source.pk), failed, _indexed(counted, source))))
    found.sort(key=lambda pair: (_ORDER.index(pair[1].tone), pair[0].name.lower()))
    rows = [
        (source.name, _indexed(counted, source), [told.words, thin(_indexed(counted, source))], _address(source))
        for source, told in found[:MOST]
    ]
    left = len(found) - len(rows)
    return Ranking(
        "Sources’ health",
        "Source",
        ["How it is", "Documents"],
        lines(rows),
        empty="No source is connected yet.",
        rest=f"and {thin(left)} more, no worse than these." if left > 0 else "",
    )


def _indexed(counted: dict[Any, dict[str, int]], source: DataSource) -> int:
    return counted.get(source.pk, {}).get(Node.Status.INDEXED, 0)


def _address(source: DataSource) -> str:
    return reverse("admin:datasources_datasource_change", args=[source.pk])


registries.panel("govern_charts").add("health", Panel(CHARTS, _health, weight=20))
