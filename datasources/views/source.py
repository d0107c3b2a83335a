"""One source: what is in it, and its runs. Every page shows the run that is under way."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Count
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from datasources import browsing, sources, written
from datasources.connectors.registry import CONNECTORS
from datasources.freshness import freshness_of
from datasources.health import duration, health, seconds_left, speed
from datasources.models import DataSource, Node, RunItem, SyncRun, UploadedFile
from datasources.syncing.progress import progress
from datasources.views.data import kind_icon
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import done, go, is_fragment, page, paged, sentence

STATES = [
    (Node.Status.INDEXED, "Indexed", "ok"),
    (Node.Status.SKIPPED, "Skipped", "warn"),
    (Node.Status.FAILED, "Failed", "bad"),
    (Node.Status.PENDING, "Waiting", "quiet"),
]
OUTCOMES = [
    (RunItem.Outcome.INDEXED, "Indexed", "ok"),
    (RunItem.Outcome.UNCHANGED, "Unchanged", "quiet"),
    (RunItem.Outcome.SKIPPED, "Skipped", "warn"),
    (RunItem.Outcome.FAILED, "Failed", "bad"),
    (RunItem.Outcome.REMOVED, "Removed", "quiet"),
    (RunItem.Outcome.WAITING, "Waiting", "quiet"),
]


def visible(request: WorkspaceRequest, pk: UUID) -> DataSource:
    return get_object_or_404(DataSource.objects.visible_to(request.membership), pk=pk)


def manageable(request: WorkspaceRequest, pk: UUID) -> DataSource:
    return get_object_or_404(DataSource.objects.manageable_by(request.membership), pk=pk)


def address(request: WorkspaceRequest, source: DataSource, name: str = "data_source") -> str:
    return reverse(name, args=[request.workspace.slug, source.pk])


def frame_of(request: WorkspaceRequest, source: DataSource, tab: str) -> dict[str, Any]:
    """What every page of a source shows: its health, the open run, and what the person may do.

    ``awaited``: a program writes first; nobody here starts the run, so the page looks for it.
    """
    run = source.runs.filter(state__in=SyncRun.OPEN).first()
    if run is None and source.state in (DataSource.State.NEW, DataSource.State.SYNCING):
        # Its run may have ended since the source was read; nobody would look again.
        source.refresh_from_db()
    counts = Node.objects.browsable_by(request.membership).filter(source=source).values("status")
    states = {row["status"]: row["number"] for row in counts.annotate(number=Count("pk"))}
    manages = DataSource.objects.manageable_by(request.membership).filter(pk=source.pk).exists()
    held = source.runs.exclude(held=None).first() if manages and run is None else None
    return {
        "source": source,
        "tab": tab,
        "about": CONNECTORS.get(source.kind),
        "icon_name": kind_icon(source.kind),
        "manages": manages,
        "states": states,
        "run": run,
        "progress": _progress(run, names=manages) if run else None,
        "awaited": source.kind == written.KIND and run is None and source.last_synced is None,
        "held": held,
        "health": health(source, run, states.get(Node.Status.FAILED, 0), states.get(Node.Status.INDEXED, 0)),
        "freshness": freshness_of([source.pk]).get(source.pk),
    }


def _progress(run: SyncRun, *, names: bool) -> dict[str, Any]:
    """``names``: what is read just now may be named; it need not be for everybody who sees the source."""
    told = progress(run)
    if not names:
        told["current"] = ""
    whole = max(1, told["discovered"])
    return {
        **told,
        "bars": [
            (tone, round(100 * told[name] / whole, 2))
            for name, tone in (("indexed", ""), ("unchanged", "quiet"), ("skipped", "warn"), ("failed", "bad"))
        ],
        "left_words": duration(seconds_left(run)),
        "speed": speed(run),
    }


# ---- Contents ----------------------------------------------------------------------------------------------------


@workspace_view("datasource.view")
@require_GET
def contents(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """The tree: opened level by level, searched, filtered by state. ``?parent=`` shows one folder, for where no script runs."""
    source = visible(request, pk)
    if source.state == DataSource.State.DRAFT:
        return HttpResponseRedirect(address(request, source, "data_resume"))
    return _contents(request, source)


def _contents(request: WorkspaceRequest, source: DataSource, status: int = 200, **more: Any) -> HttpResponse:
    text, state = request.GET.get("q", "").strip(), request.GET.get("state", "")
    frame = frame_of(request, source, "contents")
    context: dict[str, Any] = {**frame, "text": text, "state": state, "more": more}
    context["filters"] = [(value, label, frame["states"].get(value, 0)) for value, label, _ in STATES]
    context["documents"] = sum(frame["states"].get(value, 0) for value, _, _ in STATES)
    if text or state:
        found = browsing.find(request.membership, source, text, state)
        context |= {"rows": found.rows, "total": found.total, "most": browsing.MOST_FOUND, "searching": True}
    else:
        folder = _folder(request, source)
        listed = browsing.level(request.membership, source, folder.pk if folder else None)
        context |= {"rows": listed.rows, "next": listed.more, "folder": folder, "above": _above(folder)}
    if frame["manages"] and source.kind == written.KIND and not context["documents"]:
        context["write_address"] = write_address(source)
    context["uploads"] = uploads_among(source, context["rows"]) if frame["manages"] else set()
    return page(request, "datasources/contents.html", context, partial="contents", status=status)


def write_address(source: DataSource) -> str:
    """Where programs write into a source of kind ``api``."""
    return settings.BASE_URL + reverse("api:items", args=[source.workspace.slug, source.pk])


def _folder(request: WorkspaceRequest, source: DataSource) -> Node | None:
    parent = request.GET.get("parent", "")
    if not parent:
        return None
    try:
        key = UUID(parent)
    except ValueError:
        return None
    return browsing.browsable(request.membership, source).filter(pk=key).first()


def _above(folder: Node | None) -> list[Node]:
    """The folders above, from the root down, for the way back."""
    if folder is None:
        return []
    found = Node.objects.in_bulk(folder.parents[1:])
    return [found[key] for key in reversed(folder.parents[1:]) if key in found]


def uploads_among(source: DataSource, rows: list[browsing.Row]) -> set[str]:
    """Which of these rows are files that somebody handed over (rather than members of an archive), by external id."""
    told = CONNECTORS.get(source.kind)
    if told is None or not told.files:
        return set()
    waiting, ids = list(rows), []
    while waiting:
        row = waiting.pop()
        ids.append(row.node.external_id)
        waiting += row.below
    return set(UploadedFile.objects.filter(source=source, path__in=ids).values_list("path", flat=True))


@workspace_view("datasource.manage")
@require_POST
def retry(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Read again what the filter shows: everything that failed or was skipped, or what of it has the words in its name."""
    source = manageable(request, pk)
    state = request.POST.get("state", "")
    if state not in (Node.Status.FAILED, Node.Status.SKIPPED):
        state = Node.Status.FAILED
    nodes = browsing.matching(request.membership, source, request.POST.get("q", "").strip(), state)
    if not nodes.exists():
        return done(request, "There is nothing left to retry.", address(request, source))
    return _act(request, source, lambda: sources.retry_nodes(source, nodes, by=request.user))


# ---- The run under way -------------------------------------------------------------------------------------------


@workspace_view("datasource.view")
@require_GET
def run_card(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """The health and the progress bar alone, asked for each second while a run is open."""
    source = visible(request, pk)
    frame = frame_of(request, source, "")
    response = render(request, "datasources/run_card.html", {**frame, "polled": True})
    if frame["run"] is None and not frame["awaited"]:
        # The pages that show what came in ask for it anew.
        response["HX-Trigger"] = "run-ended"
    return response


@workspace_view("datasource.manage")
@require_POST
def steer(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Sync now, pause, resume, stop; agree to or reject what a run wants to remove; retry what failed in one."""
    source = manageable(request, pk)
    action = request.POST.get("action", "")
    if action == "sync":
        return _act(request, source, lambda: sources.request_sync(source, by=request.user))
    run = get_object_or_404(SyncRun, pk=_uuid(request.POST.get("run", "")), source=source)
    deeds = {
        "pause": sources.pause_run,
        "resume": sources.resume_run,
        "stop": sources.stop_run,
        "retry": sources.retry_failed,
        "approve": sources.approve_deletions,
        "reject": sources.reject_deletions,
    }
    if action not in deeds:
        return _card(request, source, problem="There is no such action.", status=422)
    return _act(request, source, lambda: deeds[action](run, by=request.user))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _act(request: WorkspaceRequest, source: DataSource, deed: Any) -> HttpResponse:
    try:
        deed()
    except ValidationError as error:
        return _card(request, source, problem=sentence(error), status=422)
    if is_fragment(request):
        return _card(request, source)
    return go(request, request.META.get("HTTP_REFERER") or address(request, source))


def _card(request: WorkspaceRequest, source: DataSource, status: int = 200, **more: Any) -> HttpResponse:
    source.refresh_from_db()
    template = "datasources/run_card.html" if is_fragment(request) else "datasources/run_page.html"
    return render(request, template, {**frame_of(request, source, ""), **more}, status=status)


# ---- Runs --------------------------------------------------------------------------------------------------------


@workspace_view("datasource.manage")
@require_GET
def runs(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    source = manageable(request, pk)
    rows = source.runs.select_related("requested_by").order_by("-created")
    context = {**frame_of(request, source, "runs"), "runs": paged(request, rows, 30)}
    return page(request, "datasources/runs.html", context, partial="runs")


@workspace_view("datasource.manage")
@require_GET
def run_account(request: WorkspaceRequest, pk: UUID, run: UUID) -> HttpResponse:
    """Page by page: what came in, what did not, and why."""
    source = manageable(request, pk)
    one = get_object_or_404(source.runs.select_related("requested_by"), pk=run)
    outcome, text = request.GET.get("outcome", ""), request.GET.get("q", "").strip()
    items = one.items.all()
    if text:
        items = items.filter(path__icontains=text)
    numbers = {row["outcome"]: row["number"] for row in items.values("outcome").annotate(number=Count("pk"))}
    if outcome in RunItem.Outcome.values:
        items = items.filter(outcome=outcome)
    context = {
        **frame_of(request, source, "runs"),
        "one": one,
        "account": progress(one),
        "took": duration((one.finished - one.started).total_seconds()) if one.started and one.finished else "",
        "items": paged(request, items.order_by("path", "id"), 100),
        "outcome": outcome,
        "text": text,
        "filters": [(value, label, numbers.get(value, 0)) for value, label, _ in OUTCOMES if numbers.get(value)],
        "all_items": sum(numbers.values()),
        "tones": {value: tone for value, _, tone in OUTCOMES},
    }
    return page(request, "datasources/run_account.html", context, partial="account")
