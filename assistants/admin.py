"""Assistants, their versions, and conversations' metadata in the admin. What was asked and answered is not here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import TabularInline

from assistants import lifecycle
from assistants.errors import Refused
from assistants.models import Assistant, AssistantVersion, Conversation, Feedback, Message
from portal.admin.base import GovernAdmin
from portal.admin.deeds import Deed
from portal.admin.overview import TEMPLATE, Number, Waiting, panel
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
    """Those that were offered to others. A personal one is its owner's business."""

    section, icon, weight = "Assistants", "smart_toy", 70
    list_display = ("handle", "name", "scope", "stage", "waits", "is_default", "answers", "updated")
    list_filter = ("scope", "stage", "is_default")
    search_fields = ("handle", "live__name")
    list_select_related = ("live", "latest", "workspace")
    ordering = ("handle",)
    fields = ("handle", "name", "scope", "stage", "waits", "is_default", "owned_by", "created", "archived")
    readonly_fields = fields
    inlines = (VersionInline,)
    deeds = (
        Deed(
            "vet",
            "Vet its latest version",
            _step(lifecycle.vet, "is vetted and offered to everybody."),
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
            lambda row: row.scope == Scope.WORKSPACE and not row.is_default,
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
            lambda row: not row.archived,
            _lost_by_archiving,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assistant]:
        answers = (
            Message.objects.filter(assistant=OuterRef("pk"), role=Message.Role.ASSISTANT)
            .order_by()
            .values("assistant")
            .annotate(number=Count("pk"))
            .values("number")
        )
        rows = super().get_queryset(request).exclude(scope=Scope.PERSONAL)
        return rows.annotate(answer_count=Coalesce(Subquery(answers), 0))

    @admin.display(ordering="live__name")
    def name(self, row: Assistant) -> str:
        version = row.live or row.latest
        return version.name if version else ""

    @admin.display(boolean=True, description="waits for vetting")
    def waits(self, row: Assistant) -> bool:
        return row.in_review

    @admin.display(ordering="answer_count")
    def answers(self, row: Any) -> int:
        return int(row.answer_count)

    @admin.display(description="owners")
    def owned_by(self, row: Assistant) -> str:
        return ", ".join(str(user) for user in row.owners.all())


@admin.register(Conversation, site=site)
class ConversationAdmin(GovernAdmin):
    """Who asked whom, how much and when. Titles are made of what was asked, so that they are not shown either."""

    section, icon, weight = "Assistants", "forum", 80
    list_display = ("owner", "assistant", "messages_count", "shared", "created", "updated")
    list_display_links = None
    list_filter = ("owner", "assistant", "shared_with_workspace")
    list_select_related = ("owner", "assistant", "workspace")
    ordering = ("-updated",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return super().get_queryset(request).annotate(message_count=Count("messages"))

    @admin.display(description="messages", ordering="message_count")
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
    here = {} if workspace is None else {"workspace": workspace}
    within = {f"conversation__{name}": value for name, value in here.items()}
    week = timezone.now() - timedelta(days=7)
    answers = Message.objects.filter(role=Message.Role.ASSISTANT, created__gte=week, **within)
    thumbs = Feedback.objects.filter(created__gte=week, **{f"message__{name}": value for name, value in within.items()})
    offered = Assistant.objects.filter(archived=None, **here).exclude(scope=Scope.PERSONAL)
    numbers = [
        Number("Assistants offered", offered.count(), reverse("admin:assistants_assistant_changelist")),
        Number("Answers this week", answers.count()),
        Number("Nothing found", answers.filter(found=False).count()),
        Number("Ended in an error", answers.filter(status=Message.Status.ERROR).count()),
        Number("Thumbs up", thumbs.filter(up=True).count()),
        Number("Thumbs down", thumbs.filter(up=False).count()),
    ]
    in_review = offered.filter(scope=Scope.WORKSPACE).exclude(live=F("latest"))
    waiting = [
        Waiting(
            str(one),
            "has a new version that waits for vetting",
            reverse("admin:assistants_assistant_change", args=[one.pk]),
        )
        for one in in_review[:10]
    ]
    return panel("Assistants", numbers, waiting, "No assistant waits for vetting.")


registries.panel("govern").add("assistants", Panel(TEMPLATE, _overview, weight=20))
