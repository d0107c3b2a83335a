"""All workspaces and all people, for platform operators alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from portal.admin.base import GovernAdmin
from portal.admin.site import site
from portal.models import Membership, User, Workspace


@admin.register(Workspace, site=site)
class WorkspaceAdmin(GovernAdmin):
    section, icon, weight = "Platform", "domain", 210
    operators_only = True
    to_workspace = "pk"
    list_display = ("name", "slug", "active_people", "default_model", "created")
    search_fields = ("name", "slug")
    fields = ("name", "slug", "default_model", "embedding_model", "created")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workspace]:
        return super().get_queryset(request).annotate(inside=Count("memberships", filter=Q(memberships__active=True)))

    @admin.display(description="people", ordering="inside")
    def active_people(self, row: Any) -> int:
        return int(row.inside)


@admin.register(User, site=site)
class UserAdmin(GovernAdmin):
    """To look at: addresses and passwords are changed by their owners, in Me."""

    section, icon, weight = "Platform", "person", 220
    operators_only = True
    to_workspace = "memberships__workspace"
    list_display = ("email", "name", "is_active", "is_superuser", "date_joined", "last_login")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("email", "name")
    fields = ("email", "name", "is_active", "is_superuser", "date_joined", "last_login")
    readonly_fields = fields
    ordering = ("email",)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Names of people lead here. Who governs one workspace sees them as its members."""
        if request.user.is_superuser:
            return super().change_view(request, object_id, form_url, extra_context)
        workspace: Workspace = request.workspace  # type: ignore[attr-defined]
        person = int(object_id) if object_id.isdecimal() and len(object_id) < 19 else 0
        found = get_object_or_404(Membership, workspace=workspace, user=person)
        return redirect("admin:portal_membership_change", found.pk)
