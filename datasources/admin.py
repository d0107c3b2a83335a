"""Sources and runs in the admin. Every change is a verb of sources.py."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from datasources import admin_health as admin_health
from datasources import sources
from datasources.admin_grants import GrantAdmin as GrantAdmin
from datasources.admin_tables import TableAdmin as TableAdmin
from datasources.losing import losses_of
from datasources.models import DataSource, Node, SyncRun
from datasources.uses import Uses, used_by
from portal.admin.base import GovernAdmin
from portal.admin.deeds import Deed
from portal.admin.overview import TEMPLATE, Number, Waiting, panel
from portal.admin.site import site
from portal.models import User, Workspace
from portal.registry import Panel, registries

State = DataSource.State
_KEPT = ~Q(nodes__gone=Node.Gone.AGREED) & Q(nodes__isnull=False)
_DOCUMENT = ~Q(nodes__status=Node.Status.CONTAINER) & _KEPT


def _living(row: DataSource) -> bool:
    return row.state != State.DELETING


def _open_run(row: DataSource) -> SyncRun | None:
    return row.runs.filter(state__in=SyncRun.OPEN).first()


def _running(row: DataSource) -> bool:
    return any(run.state in SyncRun.RUNNABLE for run in row.runs.filter(state__in=SyncRun.OPEN))


def _sync(row: DataSource, by: User) -> str:
    sources.request_sync(row, by=by)
    return f"{row.name} is being synced."


def _pause(row: DataSource, by: User) -> str | None:
    run = _open_run(row)
    return _pause_run(run, by) if run else None


def _resume(row: DataSource, by: User) -> str | None:
    run = _open_run(row)
    return _resume_run(run, by) if run else None


def _stop(row: DataSource, by: User) -> str | None:
    run = _open_run(row)
    return _stop_run(run, by) if run else None


def _pause_run(run: SyncRun, by: User) -> str:
    sources.pause_run(run, by=by)
    return f"{run.source.name}: the sync pauses after the document that it is reading."


def _resume_run(run: SyncRun, by: User) -> str:
    sources.resume_run(run, by=by)
    return f"{run.source.name}: the sync goes on."


def _stop_run(run: SyncRun, by: User) -> str:
    sources.stop_run(run, by=by)
    return f"{run.source.name}: the sync ends; what came in stays."


def _told(found: Uses) -> list[str]:
    """What reads a source, line by line."""
    lines = []
    if found.named:
        handles = ", ".join(f"@{use.handle}" for use in found.named)
        lines.append(f"{_counted(len(found.named), 'assistant reads', 'assistants read')} it: {handles}.")
    if found.personal:
        lines.append(f"{_counted(found.personal, 'personal assistant reads', 'personal assistants read')} it.")
    if everything := [f"@{use.handle}" for use in found.seen if use.everything]:
        lines.append(f"Searched too by those that search all that whoever asks may read: {', '.join(everything)}.")
    return lines


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


@admin.register(DataSource, site=site)
class DataSourceAdmin(GovernAdmin):
    section, icon, weight = "Data", "database", 40
    may_change = may_delete = True
    list_display = ("name", "kind", "state", "documents", "failed", "schedule", "last_synced")
    list_filter = ("kind", "state", "schedule")
    search_fields = ("name",)
    list_select_related = ("workspace", "credential")
    fieldsets = (
        (None, {"fields": ("name", "schedule")}),
        ("What it is", {"fields": ("kind", "config", "credential", "created", "created_by")}),
        ("How it is", {"fields": ("state", "state_detail", "documents", "failed", "last_synced", "next_run")}),
        ("Used by", {"fields": ("assistants",)}),
    )
    readonly_fields = (
        "kind",
        "config",
        "credential",
        "created",
        "created_by",
        "state",
        "state_detail",
        "documents",
        "failed",
        "last_synced",
        "next_run",
        "assistants",
    )
    deeds = (
        Deed("sync", "Sync now", _sync, lambda row: _living(row) and not _running(row)),
        Deed("pause", "Pause", _pause, _running),
        Deed("resume", "Resume", _resume, lambda row: row.runs.filter(state=SyncRun.State.PAUSED).exists()),
        Deed("stop", "Stop", _stop, lambda row: _open_run(row) is not None),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataSource]:
        rows = super().get_queryset(request)
        return rows.annotate(
            document_count=Count("nodes", filter=_DOCUMENT),
            failed_count=Count("nodes", filter=Q(nodes__status=Node.Status.FAILED) & _KEPT),
        )

    @admin.display(ordering="document_count")
    def documents(self, row: Any) -> int:
        return int(row.document_count)

    @admin.display(ordering="failed_count")
    def failed(self, row: Any) -> int:
        return int(row.failed_count)

    @admin.display
    def assistants(self, row: Any) -> str:
        return "\n".join(_told(used_by(None, [row])[row.pk])) or "Nothing yet"

    def save_row(self, request: HttpRequest, row: Any, data: dict[str, Any], *, change: bool) -> DataSource:
        by: Any = request.user
        return sources.update_source(row, by=by, name=data["name"], schedule=data["schedule"])

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        sources.delete_source(row, by=request.user)  # type: ignore[arg-type]

    def losses(self, row: Any) -> list[str]:
        lost = losses_of(row, None)
        return [
            f"{lost.documents:,} documents with {lost.passages:,} passages: nobody finds them any more.",
            *([f"{lost.uploads:,} uploaded files, of which Atrium may hold the only copy."] if lost.uploads else []),
            *_told(lost.used_by),
            *([f"{lost.tables:,} tables, and what SQL finds in them."] if lost.tables else []),
            f"{len(lost.spaces)} grants, and the record of {lost.syncs} syncs.",
            "Citations in old answers stay, and say that the document is gone.",
        ]


def _retry(run: SyncRun, by: User) -> str:
    sources.retry_failed(run, by=by)
    return f"{run.source.name}: what failed is read again."


def _agree(run: SyncRun, by: User) -> str:
    sources.approve_deletions(run, by=by)
    return f"{run.source.name}: what is gone at the source is being removed."


def _keep(run: SyncRun, by: User) -> str:
    sources.reject_deletions(run, by=by)
    return f"{run.source.name}: it stays; the next sync looks again."


def _held(run: SyncRun) -> list[str]:
    held = run.held or {}
    examples = ", ".join(held.get("examples", [])[:5])
    return [f"{run.source.name}: {held.get('documents', 0)} of {held.get('of', 0)} documents: {examples}"]


@admin.register(SyncRun, site=site)
class SyncRunAdmin(GovernAdmin):
    section, label, icon, weight = "Data", "Syncs", "sync", 45
    to_workspace = "source__workspace"
    list_display = ("source", "state", "trigger", "discovered", "indexed", "skipped", "failed", "removed", "created")
    list_filter = ("source", "state", "trigger")
    list_select_related = ("source__workspace", "requested_by")
    ordering = ("-created",)
    fields = (
        "source",
        "state",
        "trigger",
        "requested_by",
        ("discovered", "indexed", "unchanged"),
        ("skipped", "failed", "removed"),
        "passages",
        "held",
        "error",
        ("created", "started", "finished"),
    )
    readonly_fields = (
        "source",
        "state",
        "trigger",
        "requested_by",
        "discovered",
        "indexed",
        "unchanged",
        "skipped",
        "failed",
        "removed",
        "passages",
        "held",
        "error",
        "created",
        "started",
        "finished",
    )
    deeds = (
        Deed("pause", "Pause", _pause_run, lambda run: run.state in SyncRun.RUNNABLE),
        Deed("resume", "Resume", _resume_run, lambda run: run.state == SyncRun.State.PAUSED),
        Deed("stop", "Stop", _stop_run, lambda run: run.state in SyncRun.OPEN),
        Deed("retry", "Retry what failed", _retry, lambda run: run.failed > 0 and run.state not in SyncRun.OPEN),
        Deed("agree", "Remove what is gone", _agree, lambda run: run.held is not None, _held),
        Deed("keep", "Keep it", _keep, lambda run: run.held is not None),
    )


def _overview(request: HttpRequest, workspace: Workspace | None) -> dict[str, Any]:
    here = {} if workspace is None else {"workspace": workspace}
    living = DataSource.objects.filter(**here).exclude(state=State.DELETING)
    runs = SyncRun.objects.filter(source__in=living).select_related("source")
    numbers = [
        Number("Data sources", living.count(), reverse("admin:datasources_datasource_changelist")),
        Number("Syncs under way", runs.filter(state__in=SyncRun.OPEN).count()),
    ]
    waiting = [
        Waiting(
            one.name,
            one.state_detail or "needs attention",
            reverse("admin:datasources_datasource_change", args=[one.pk]),
        )
        for one in living.filter(state=State.NEEDS_ATTENTION)[:10]
    ]
    waiting += [
        Waiting(
            run.source.name,
            f"has {(run.held or {}).get('documents', 0)} documents that are gone at the source: remove them?",
            reverse("admin:datasources_syncrun_change", args=[run.pk]),
        )
        for run in runs.exclude(held=None)[:10]
    ]
    return panel("Data", numbers, waiting, "No source needs attention.")


registries.panel("govern").add("data", Panel(TEMPLATE, _overview, weight=10))
