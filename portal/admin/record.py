"""What was done and what was spent, to read: API keys, usage, the audit log."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin import AllValuesFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from unfold.contrib.filters.admin import RangeDateTimeFilter

from portal import keys
from portal.admin.base import GovernAdmin
from portal.admin.deeds import Deed
from portal.admin.site import site
from portal.models import ApiKey, AuditEvent, UsageRecord, User
from portal.spreadsheets import as_cell


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
    list_filter = ("user", "credential", ("at", RangeDateTimeFilter))
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


class _Lines:
    """A file that gives each line back, so that a CSV writer can feed a stream."""

    def write(self, line: str) -> str:
        return line


_COLUMNS = ("at", "actor_name", "via", "action", "object_type", "object_id", "object_name", "before", "after")


@admin.register(AuditEvent, site=site)
class AuditAdmin(GovernAdmin):
    section, label, icon, weight = "Record", "Audit log", "history", 130
    list_display = ("at", "actor_name", "via", "action", "object_name", "object_type")
    list_filter = (
        "actor",
        ("action", AllValuesFieldListFilter),
        ("via", AllValuesFieldListFilter),
        ("at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("action", "object_name", "actor_name")
    list_select_related = ("workspace",)
    ordering = ("-id",)
    fields = _COLUMNS
    readonly_fields = _COLUMNS
    actions = ("export",)

    @admin.action(description="Download as CSV")
    def export(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> HttpResponseBase:
        """What is chosen, or with "select all" everything that the filters let through."""
        response = StreamingHttpResponse(_csv(queryset), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="audit-log.csv"'
        return response


def _csv(rows: QuerySet[AuditEvent]) -> Iterator[str]:
    writer: Any = csv.writer(_Lines())
    yield writer.writerow(_COLUMNS)
    for row in rows.order_by("-id").iterator(chunk_size=1000):
        values = [row.at.isoformat(), *(getattr(row, name) for name in _COLUMNS[1:])]
        yield writer.writerow([as_cell(value) for value in values])
