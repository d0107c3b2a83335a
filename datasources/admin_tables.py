"""Tables in the admin, to see: names and sizes. Rows and samples are for those who may read them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from datasources.models import Table
from portal.admin.base import GovernAdmin
from portal.admin.site import site


@admin.register(Table, site=site)
class TableAdmin(GovernAdmin):
    section, icon, weight = "Data", "table", 45
    to_workspace = "node__source__workspace"
    list_display = ("name", "source", "path", "rows", "left_out", "width", "size", "updated")
    search_fields = ("label", "node__title", "node__path")
    list_select_related = ("node__source",)
    fields = ("name", "source", "path", "rows", "left_out", "width", "size", "updated")
    readonly_fields = fields

    @admin.display(ordering="node__title")
    def name(self, row: Table) -> str:
        return row.title

    @admin.display(ordering="node__source__name")
    def source(self, row: Table) -> str:
        return row.node.source.name

    @admin.display(ordering="node__path")
    def path(self, row: Table) -> str:
        return row.node.path

    @admin.display(description="Columns")
    def width(self, row: Table) -> int:
        return len(row.columns)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("stored", "content_hash", "node__source__cursor")
