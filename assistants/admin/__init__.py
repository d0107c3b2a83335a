"""Assistants, their versions, and conversations' metadata in the admin. What was asked and answered is not here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin import EmptyFieldListFilter
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import TabularInline

from assistants.admin import adoption as adoption
from assistants.admin import use
from assistants.admin import vetting as vetting
from assistants.admin.deeds import DEEDS, default_of
from assistants.models import Assistant, AssistantVersion, Conversation, Message, UseDay, VettingRequest
from assistants.vetting import open_request
from portal.admin.base import GovernAdmin
from portal.admin.filters import text_filter
from portal.admin.overview import TEMPLATE, panel
from portal.admin.site import site
from portal.models import Membership, Workspace
from portal.registry import Panel, registries

Scope = Assistant.Scope


class OrphanFilter(admin.SimpleListFilter):
    title, parameter_name = "owners", "orphan"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Nobody who is here")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.orphans() if self.value() == "yes" else queryset


class ScopeFilter(admin.SimpleListFilter):
    title, parameter_name = "state", "scope"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(scope, Assistant(scope=scope).scope_words) for scope in Scope.values]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(scope=self.value()) if self.value() in Scope.values else queryset


class VersionInline(TabularInline):
    """Immutable: to look at."""

    model = AssistantVersion
    fk_name = "assistant"
    extra = 0
    fields = ("number", "name", "model", "instructions", "created", "created_by", "went_live")
    readonly_fields = fields
    can_delete = False
    ordering = ("-number",)
    show_change_link = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AssistantVersion]:
        return super().get_queryset(request).select_related("created_by", "assistant")


@admin.register(Assistant, site=site)
class AssistantAdmin(GovernAdmin):
    """Those that were offered to others, archived ones, too, and those that nobody here owns any more. A personal one is its
    owner's business as long as they are here."""

    section, icon, weight = "Assistants", "smart_toy", 70
    list_display = ("handle", "name", "state", "stage", "remarks", "people", "updated")
    list_filter = (
        ScopeFilter,
        "stage",
        "is_default",
        OrphanFilter,
        ("hidden", EmptyFieldListFilter),
        ("archived", EmptyFieldListFilter),
    )
    search_fields = ("handle", "live__name")
    list_select_related = ("workspace",)
    ordering = ("handle",)
    fields = (
        *("handle", "name", "state", "stage", "remarks", "answers_for", "owned_by", "created"),
        *("vetted", "vetted_by", "vetted_until", "hidden", "archived"),
    )
    readonly_fields = fields
    change_form_outer_before_template = "assistants/govern/deeds.html"
    inlines = (VersionInline,)
    deeds = DEEDS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assistant]:
        since = timezone.localdate() - timedelta(days=29)
        asked = (
            UseDay.objects.filter(assistant=OuterRef("pk"), day__gte=since)
            .order_by()
            .values("assistant")
            .annotate(number=Count("user", distinct=True))
            .values("number")
        )
        orphans = Assistant.objects.orphans().values("pk")
        rows = super().get_queryset(request).filter(~Q(scope=Scope.PERSONAL) | Q(pk__in=orphans))
        requests = VettingRequest.objects.filter(assistant=OuterRef("pk"), state=VettingRequest.State.OPEN)
        rows = rows.annotate(
            asked_by=Coalesce(Subquery(asked), 0), asked_for=Exists(requests), orphaned=Q(pk__in=orphans)
        )
        # Versions are wide: joined, those of ten thousand would be sorted to show fifty.
        return rows.prefetch_related("live", "latest")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        version = request.POST.get("version", "")
        if row is not None and version.isdecimal():
            row.seen = int(version)
        return row

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Nothing is vetted by the dozen and unseen; several requests are decided in their own list."""
        actions = super().get_actions(request)
        actions.pop("vet", None)
        return actions

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id or "")
        asked = open_request(row) if row is not None else None
        address = reverse("admin:assistants_vettingrequest_change", args=[asked.pk]) if asked else ""
        more = {"open_request": asked, "open_request_address": address, "links": _links(request, row)}
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **more})

    @admin.display(ordering="live__name")
    def name(self, row: Assistant) -> str:
        version = row.live or row.latest
        return version.name if version else ""

    @admin.display(ordering="scope")
    def state(self, row: Assistant) -> str:
        return row.scope_words

    @admin.display(description="to know", empty_value="")
    def remarks(self, row: Any) -> str:
        """What a list of handles would hide: whom it waits for, where it answers, why nobody finds it."""
        told = {
            "waits for vetting": row.asked_for,
            "a draft waits": row.scope == Scope.WORKSPACE and row.has_draft and not row.asked_for,
            "the default": row.is_default,
            "nobody owns it": row.orphaned,
            "hidden": row.hidden,
            "archived": row.archived,
        }
        return ", ".join(words for words, holds in told.items() if holds)

    @admin.display(ordering="asked_by", description="people in 30 days")
    def people(self, row: Any) -> int:
        return int(row.asked_by)

    @admin.display(description="default of")
    def answers_for(self, row: Assistant) -> str:
        return ", ".join(default_of(row)) or "nobody"

    @admin.display(description="owners")
    def owned_by(self, row: Assistant) -> str:
        owners = list(row.owners.order_by("email"))
        here = Membership.objects.active().filter(workspace=row.workspace_id, user__in=owners)
        still = set(here.values_list("user", flat=True))
        return ", ".join(str(user) if user.pk in still else f"{user} (left)" for user in owners)


def _links(request: HttpRequest, row: Assistant | None) -> list[tuple[str, str]]:
    """Its pages in the portal, as far as they are this admin's; an operator who is not in the workspace has none."""
    membership: Membership | None = request.membership  # type: ignore[attr-defined]
    if row is None or membership is None or membership.workspace_id != row.workspace_id:
        return []
    of = [membership.workspace.slug, row.handle]
    links = [("Publish and vet", reverse("assistant_publishing", args=of))]
    if Assistant.objects.editable_by(membership).filter(pk=row.pk).exists():
        pages = {"Edit": "assistant_edit", "Versions": "assistant_versions", "How it is used": "assistant_insight"}
        links += [(words, reverse(name, args=of)) for words, name in pages.items()]
    return links


@admin.register(Conversation, site=site)
class ConversationAdmin(GovernAdmin):
    """Who asked whom, how much and when. Titles are made of what was asked, so that they are not shown either."""

    section, icon, weight = "Assistants", "forum", 80
    list_display = ("owner", "assistant", "messages_count", "shared", "created", "updated")
    list_display_links = None
    list_filter = (
        text_filter("who", "owner", "owner__name", "owner__email"),
        text_filter("handle", "assistant", "assistant__handle"),
        "shared_with_workspace",
    )
    list_select_related = ("owner", "assistant", "workspace")
    ordering = ("-updated",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        # Counted for the rows of one page alone: a join would count every message of the workspace first.
        within = Message.objects.filter(conversation=OuterRef("pk")).order_by().values("conversation")
        number = within.annotate(number=Count("pk")).values("number")
        return super().get_queryset(request).annotate(message_count=Coalesce(Subquery(number), 0))

    @admin.display(description="messages")
    def messages_count(self, row: Any) -> int:
        return int(row.message_count)

    @admin.display(description="shared with everybody", empty_value="")
    def shared(self, row: Conversation) -> str:
        return "yes" if row.shared_with_workspace else ""

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *_: Any, **__: Any) -> HttpResponse:
        raise Http404

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        raise Http404


def _overview(request: HttpRequest, workspace: Workspace | None) -> dict[str, Any]:
    return panel("Assistants", use.numbers(workspace), [], "")


registries.panel("govern").add("assistants", Panel(TEMPLATE, _overview, weight=20))
