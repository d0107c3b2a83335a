"""Assistants, their versions, and conversations' metadata in the admin. What was asked and answered is not here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin import EmptyFieldListFilter
from django.core.exceptions import ValidationError
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import TabularInline

from assistants import lifecycle
from assistants.admin import adoption as adoption
from assistants.admin import use
from assistants.admin import vetting as vetting
from assistants.errors import Refused
from assistants.models import Assistant, AssistantVersion, Conversation, Message, UseDay, VettingRequest
from assistants.vetting import open_request
from portal.admin.base import GovernAdmin
from portal.admin.deeds import Deed
from portal.admin.filters import text_filter
from portal.admin.overview import TEMPLATE, panel
from portal.admin.site import site
from portal.models import User, Workspace
from portal.registry import Panel, registries

Scope = Assistant.Scope


def _step(verb: Callable[[Assistant, User], Any], words: str) -> Callable[[Assistant, User], str]:
    """A verb of lifecycle.py as a deed: what it refuses is told the way that the admin tells it."""

    def run(row: Assistant, by: User) -> str:
        try:
            verb(row, by)
        except Refused as error:
            raise ValidationError(str(error)) from error
        return f"{row} {words}"

    return run


def _vet(row: Assistant, by: User) -> None:
    """The version that stood on the page where the button was pressed."""
    lifecycle.vet(row, by, getattr(row, "seen", None))


def _is_orphan(row: Assistant) -> bool:
    return Assistant.objects.orphans().filter(pk=row.pk).exists()


class OrphanFilter(admin.SimpleListFilter):
    title, parameter_name = "owners", "orphan"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Nobody who is here")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.orphans() if self.value() == "yes" else queryset


def _make_default(row: Assistant, by: User) -> None:
    lifecycle.set_default(row.workspace, row, by)


def _lost_by_archiving(row: Assistant) -> list[str]:
    asked = Message.objects.filter(assistant=row, role=Message.Role.ASSISTANT)
    people = asked.values("author").distinct().count()
    return [
        f"{row}: nobody finds it any more. {people} people have asked it {asked.count()} questions.",
        "Their conversations stay. It can be restored.",
    ]


class VersionInline(TabularInline):
    """Immutable: to look at."""

    model = AssistantVersion
    fk_name = "assistant"
    extra = 0
    fields = ("number", "name", "model", "instructions", "created", "created_by")
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
    list_display = ("handle", "name", "scope", "stage", "waits", "is_default", "people", "updated")
    list_filter = (
        "scope",
        "stage",
        "is_default",
        OrphanFilter,
        ("hidden", EmptyFieldListFilter),
        ("archived", EmptyFieldListFilter),
    )
    search_fields = ("handle", "live__name")
    list_select_related = ("live", "latest", "workspace")
    ordering = ("handle",)
    fields = (
        *("handle", "name", "scope", "stage", "waits", "is_default", "owned_by", "created"),
        *("vetted", "vetted_by", "vetted_until", "hidden", "archived"),
    )
    readonly_fields = fields
    change_form_outer_before_template = "assistants/govern/deeds.html"
    inlines = (VersionInline,)
    deeds = (
        Deed(
            "vet",
            "Vet its latest version",
            _step(_vet, "is vetted and offered to everybody."),
            lambda row: not row.archived and (row.scope == Scope.PUBLISHED or row.in_review),
        ),
        Deed(
            "unvet",
            "Take vetting back",
            _step(lifecycle.unvet, "is an ordinary published assistant again."),
            lambda row: row.scope == Scope.WORKSPACE,
        ),
        Deed(
            "default",
            "Make it the default",
            _step(_make_default, "answers where no assistant was chosen."),
            lambda row: row.scope == Scope.WORKSPACE and not row.is_default and not row.archived,
        ),
        Deed(
            "hide",
            "Hide",
            _step(lifecycle.hide, "is in no list any more; whoever knows it still asks it."),
            lambda row: row.hidden is None and row.scope != Scope.PERSONAL and not row.archived,
        ),
        Deed(
            "unhide",
            "Show again",
            _step(lifecycle.unhide, "is in the gallery again."),
            lambda row: row.hidden is not None and row.scope != Scope.PERSONAL and not row.archived,
        ),
        Deed(
            "take_over",
            "Take over",
            _step(lifecycle.take_over, "is yours now."),
            _is_orphan,
        ),
        Deed(
            "unpublish",
            "Unpublish",
            _step(lifecycle.unpublish, "is its owners' alone again."),
            lambda row: row.scope == Scope.PUBLISHED and not row.archived,
            lambda row: [f"{row}: only its owners have it from now on, and it leaves this list."],
        ),
        Deed(
            "archive",
            "Archive",
            _step(lifecycle.archive, "is archived."),
            lambda row: not row.archived and row.scope != Scope.PERSONAL,
            _lost_by_archiving,
        ),
        Deed(
            "restore",
            "Bring back",
            _step(lifecycle.restore, "is back, as its owners' own."),
            lambda row: row.archived is not None,
        ),
    )

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
        return rows.annotate(asked_by=Coalesce(Subquery(asked), 0), asked_for=Exists(requests))

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
        more = {"open_request": asked, "open_request_address": address}
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **more})

    @admin.display(ordering="live__name")
    def name(self, row: Assistant) -> str:
        version = row.live or row.latest
        return version.name if version else ""

    @admin.display(boolean=True, description="waits for vetting")
    def waits(self, row: Any) -> bool:
        return bool(row.asked_for)

    @admin.display(ordering="asked_by", description="people in 30 days")
    def people(self, row: Any) -> int:
        return int(row.asked_by)

    @admin.display(description="owners")
    def owned_by(self, row: Assistant) -> str:
        return ", ".join(str(user) for user in row.owners.all())


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

    @admin.display(boolean=True, description="shared with everybody")
    def shared(self, row: Conversation) -> bool:
        return row.shared_with_workspace

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *_: Any, **__: Any) -> HttpResponse:
        raise Http404

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        raise Http404


def _overview(request: HttpRequest, workspace: Workspace | None) -> dict[str, Any]:
    return panel("Assistants", use.numbers(workspace), [], "")


registries.panel("govern").add("assistants", Panel(TEMPLATE, _overview, weight=20))
