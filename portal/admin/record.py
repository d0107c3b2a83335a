"""What was done and what was spent, to read: API keys, usage, the audit log."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import path
from django.utils import timezone
from unfold.contrib.filters.admin import RangeDateTimeFilter, TextFilter

from portal import audit_log, keys
from portal.admin.base import GovernAdmin
from portal.admin.deeds import Deed
from portal.admin.filters import text_filter
from portal.admin.site import site
from portal.models import ApiKey, AuditEvent, UsageRecord, User


def _revoke(row: ApiKey, by: User) -> str:
    keys.revoke_key(row, by=by)
    return f"{row.name} is revoked: it opens nothing from now on."


@admin.register(ApiKey, site=site)
class ApiKeyAdmin(GovernAdmin):
    """Metadata alone; the key itself is stored nowhere."""

    section, label, icon, weight = "Record", "API keys", "vpn_key", 110
    to_workspace = "membership__workspace"
    list_display = ("name", "owner", "scope_list", "state", "created", "expires", "last_used")
    search_fields = ("name", "membership__user__email", "prefix")
    list_select_related = ("membership__user", "membership__workspace")
    ordering = ("-created",)
    fields = ("name", "owner", "prefix", "scope_list", "state", "created", "expires", "revoked", "last_used")
    readonly_fields = fields
    deeds = (
        Deed(
            "revoke",
            "Revoke",
            _revoke,
            lambda row: row.revoked is None,
            lambda row: [f"{row.name} of {row.membership.user} stops working at once. This can't be undone."],
        ),
    )

    @admin.display(ordering="membership__user__email")
    def owner(self, row: ApiKey) -> str:
        return row.membership.user.email

    @admin.display(description="scopes")
    def scope_list(self, row: ApiKey) -> str:
        return ", ".join(row.scopes)

    @admin.display
    def state(self, row: ApiKey) -> str:
        if row.revoked:
            return "Revoked"
        return "Live" if row.is_live else "Expired"


@admin.register(UsageRecord, site=site)
class UsageAdmin(GovernAdmin):
    section, label, icon, weight = "Record", "Usage", "monitoring", 120
    list_display = ("at", "user", "purpose", "vendor", "model", "input_tokens", "output_tokens", "cost")
    list_filter = (
        text_filter("who", "who", "user__name", "user__email"),
        text_filter("model", "model", "model"),
        "credential",
        ("at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("user", "workspace")
    ordering = ("-at",)
    fields = (
        "at",
        "user",
        "purpose",
        "vendor",
        "model",
        "credential",
        "input_tokens",
        "output_tokens",
        "exact",
        "cost",
    )
    readonly_fields = fields


class ActionFilter(admin.SimpleListFilter):
    """The kinds of deeds that were done here."""

    title = "what"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        workspace: Any = request.workspace  # type: ignore[attr-defined]
        known = audit_log.actions(workspace) if workspace is not None else []
        nouns = sorted({name.partition(".")[0] for name in known})
        return [*((noun, f"Anything with {noun}") for noun in nouns), *((name, name) for name in known)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return audit_log.found(queryset, action=self.value() or "")


class SurfaceFilter(admin.SimpleListFilter):
    title = "through"
    parameter_name = "via"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(audit_log.SURFACES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return audit_log.found(queryset, via=self.value() or "")


class WhoFilter(TextFilter):
    """A text, not a list: a workspace may have thousands of people, and those who left count too."""

    title = "who"
    parameter_name = "who"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return audit_log.found(queryset, who=(self.value() or "").strip())


@admin.register(AuditEvent, site=site)
class AuditAdmin(GovernAdmin):
    section, label, icon, weight = "Record", "Audit log", "history", 130
    list_display = ("when", "who", "action", "object", "what_changed", "through")
    list_filter = (
        WhoFilter,
        ActionFilter,
        text_filter("object", "object (its name or id)", "object_name", "object_id"),
        SurfaceFilter,
        ("at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("action", "object_name", "actor_name", "object_id")
    list_select_related = ("workspace",)
    ordering = ("-id",)
    fields = ("at", "actor_name", "via", "action", "object_name", "object_type", "object_id")
    readonly_fields = fields
    change_form_after_template = "portal/govern/changes.html"
    actions = ("export",)
    list_before_template = "portal/govern/audit_export.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name="portal_auditevent_export"), *super().get_urls()]

    @admin.display(ordering="id")
    def when(self, row: AuditEvent) -> str:
        return f"{timezone.localtime(row.at):%-d %b %Y, %H:%M:%S}"

    @admin.display
    def who(self, row: AuditEvent) -> str:
        return row.actor_name

    @admin.display
    def object(self, row: AuditEvent) -> str:
        return row.object_name

    @admin.display
    def through(self, row: AuditEvent) -> str:
        return audit_log.SURFACES.get(row.via, row.via)

    @admin.display(description="from and to")
    def what_changed(self, row: AuditEvent) -> str:
        told = [one for one in audit_log.changes(row.before, row.after) if one.changed]
        words = [
            f"{one.name}: {one.before} → {one.after or 'nothing'}" if one.before else f"{one.name}: {one.after}"
            for one in told
        ]
        return "; ".join(words)[:160]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        told = audit_log.changes(row.before, row.after) if row is not None else []
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), "changes": told})

    @admin.action(description="Download as CSV")
    def export(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> HttpResponseBase:
        """What is chosen."""
        return csv_response(queryset)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """All that the filters in the address let through."""
        return csv_response(self.get_changelist_instance(request).queryset)


def csv_response(rows: QuerySet[AuditEvent]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(audit_log.as_csv(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit-log.csv"'
    return response
