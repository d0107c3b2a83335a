"""The list of sources, and connecting a new one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Count, Max, Prefetch, Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasources import sources
from datasources.connectors.registry import CONNECTORS
from datasources.forms import FORMS, ConnectForm
from datasources.health import Health, health
from datasources.models import DataSource, Grant, Node, SyncRun
from portal.access import WorkspaceRequest, may, workspace_view
from portal.models import Membership, Space
from portal.pages import done, page, sentence


@dataclass(frozen=True, slots=True)
class Line:
    """One source in the list. ``documents``: those that the person may see."""

    source: DataSource
    health: Health
    spaces: list[Space]
    documents: int
    changed: datetime | None
    icon: str


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
    nothing: dict[str, Any] = {"documents": 0, "failed": 0, "changed": None}
    return [
        Line(
            source,
            health(source, runs.get(source.pk), counts.get(source.pk, nothing)["failed"]),
            [grant.space for grant in source.grants.all()],
            counts.get(source.pk, nothing)["documents"],
            counts.get(source.pk, nothing)["changed"],
            kind_icon(source.kind),
        )
        for source in rows
    ]


def with_spaces(membership: Membership) -> Any:
    """The sources that the person sees, with the grants to spaces of which they may know."""
    spaces = Space.objects.governed_by(membership)
    grants = Grant.objects.filter(space__in=spaces.values("pk")).select_related("space").order_by("space__name")
    return DataSource.objects.visible_to(membership).prefetch_related(Prefetch("grants", queryset=grants))


@workspace_view("datasource.view")
@require_GET
def data(request: WorkspaceRequest) -> HttpResponse:
    listed = lines(request.membership, with_spaces(request.membership).order_by("name"))
    context = {
        "lines": listed,
        "busy": any(line.health.tone == "busy" for line in listed),
        "may_connect": may(request.membership, "datasource.create"),
    }
    return page(request, "datasources/data.html", context, partial="sources")


@workspace_view("datasource.create")
@require_http_methods(["GET", "HEAD", "POST"])
def data_new(request: WorkspaceRequest) -> HttpResponse:
    """First the grid of kinds; with ``?kind=`` the form of one; posting it connects."""
    kind = request.GET.get("kind", "")
    if not kind:
        kinds = [(k, a.label, a.icon, a.words, _refusal(k)) for k, a in CONNECTORS.items() if k in FORMS]
        return render(request, "datasources/connect_kinds.html", {"kinds": kinds})
    form = _form(request, kind)
    if request.method == "POST" and form.is_valid():
        try:
            source = _create(request, kind, form)
        except ValidationError as error:
            form.add_error("path" if "path" in form.fields else None, sentence(error))
        else:
            words = "Connected. Drop files below." if kind == "upload" else "Connected. The first sync has begun."
            return done(request, words, reverse("data_source", args=[request.workspace.slug, source.pk]))
    context = {"kind": kind, "label": CONNECTORS[kind].label, "form": form, "refusal": _refusal(kind)}
    return page(request, "datasources/connect.html", context, partial="form", status=422 if form.errors else 200)


def _refusal(kind: str) -> str:
    """Why this kind can't be connected here, or nothing."""
    if kind == "folder" and not settings.FOLDER_ROOTS:
        return (
            "No folder of the server may be read yet. Whoever runs Atrium lists them in ATRIUM_FOLDER_ROOTS, "
            "or starts it with make run FOLDER=path. Uploads work without."
        )
    return ""


def _form(request: WorkspaceRequest, kind: str) -> ConnectForm:
    if kind not in FORMS or kind not in CONNECTORS:
        raise Http404
    spaces = (
        Space.objects.governed_by(request.membership)
        if may(request.membership, "grant.manage")
        else Space.objects.of_member(request.membership)
    )
    return FORMS[kind](request.POST or None, workspace=request.workspace, spaces=spaces.order_by("kind", "name"))


def _create(request: WorkspaceRequest, kind: str, form: ConnectForm) -> DataSource:
    fields = form.cleaned_data
    return sources.create_source(
        workspace=request.workspace,
        by=request.user,
        kind=kind,
        name=fields["name"],
        config=form.config,
        spaces=list(fields["spaces"]),
        schedule=fields.get("schedule", DataSource.Schedule.OFF),
    )


@workspace_view("datasource.create")
@require_POST
def data_test(request: WorkspaceRequest, kind: str) -> HttpResponse:
    """Try what the form says, before anything is connected."""
    form = _form(request, kind)
    form.full_clean()
    config = {name: form.cleaned_data.get(name) for name in form.config_fields if form.cleaned_data.get(name)}
    source = DataSource(workspace=request.workspace, kind=kind, name="Test", config=config)
    try:
        context = {"ok": True, "words": sources.check_connection(source)}
    except ValidationError as error:
        context = {"ok": False, "words": sentence(error)}
    return render(request, "datasources/test_result.html", context)
