"""What this app shows on the ground floor's pages: the first step of a new workspace, what spaces see, what the palette finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from datasources.granted import seen_by
from datasources.models import DataSource, Node, Table
from portal.models import Space, Workspace
from portal.registry import Deed, MenuItem, PaletteSource, Panel, Step, registries

MOST = 8


def _connected(workspace: Workspace) -> bool:
    """Somebody connected a source; the user guide, which comes with the product, has no one who did."""
    finished = DataSource.objects.exclude(state=DataSource.State.DRAFT)
    return finished.filter(workspace=workspace, created_by__isnull=False).exists()


def _seen_by(request: HttpRequest, spaces: Sequence[Space]) -> dict[Any, Any]:
    return seen_by(request.membership, spaces)  # type: ignore[attr-defined]


def _find_sources(request: Any, text: str) -> list[tuple[str, str, str]]:
    seen = DataSource.objects.visible_to(request.membership).exclude(state=DataSource.State.DRAFT)
    rows = seen.filter(name__icontains=text).order_by("name")[:MOST]
    return [(row.name, reverse("data_source", args=[request.workspace.slug, row.pk]), "") for row in rows]


def _find_documents(request: Any, text: str) -> list[tuple[str, str, str]]:
    if len(text) < 2:
        return []
    named = Q(title__icontains=text) | Q(document__title__icontains=text)
    nodes = Node.objects.readable_by(request.membership).filter(named, status=Node.Status.INDEXED)
    rows = nodes.order_by("title").select_related("document")[:MOST]
    slug = request.workspace.slug
    return [(row.document.shown_title, reverse("document", args=[slug, row.pk]), row.path) for row in rows]


def _find_tables(request: Any, text: str) -> list[tuple[str, str, str]]:
    named = Q(label__icontains=text) | Q(node__title__icontains=text)
    rows = Table.objects.readable_by(request.membership).filter(named).select_related("node").order_by("node__title")
    slug = request.workspace.slug
    return [(row.title, reverse("table", args=[slug, row.pk]), row.node.path) for row in rows[:MOST]]


def hang_up() -> None:
    registries.menu.add(
        "data", MenuItem("Data", "data", "circle-stack", "datasource.view", weight=30, also=("document",))
    )
    registries.menu.add("tables", MenuItem("Tables", "tables", "table-cells", "table.view", weight=32))
    registries.steps.add(
        "data",
        Step(
            label="Connect data",
            words="Slack, Notion, Drive, a folder, files that you drop in. You choose exactly what comes in.",
            button="Connect",
            route="data_new",
            action="datasource.create",
            done=_connected,
            weight=10,
            blocks=lambda workspace: not DataSource.objects.filter(workspace=workspace).exists(),
        ),
    )
    registries.panel("spaces").add("data", Panel("datasources/space_sees.html", _seen_by))
    registries.palette.add("sources", PaletteSource("Data sources", _find_sources, weight=30))
    registries.palette.add("tables", PaletteSource("Tables", _find_tables, weight=35))
    registries.palette.add("documents", PaletteSource("Documents", _find_documents, weight=40))
    registries.deeds.add(
        "data", Deed("Connect data", "data_new", "datasource.create", "source add upload files", weight=20)
    )
