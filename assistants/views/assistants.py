"""The page of one assistant, and the choices that composers and the builder ask for while a person types."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from assistants.answerers import choose
from assistants.drafts import checked_handle
from assistants.errors import Refused
from assistants.history import seen_by, versions_for
from assistants.models import Assistant, AssistantVersion, Conversation
from assistants.needs import in_words, spaces_needed
from assistants.planning import knowledge_of
from assistants.reads import what_it_reads
from assistants.reads_tree import tree_of
from assistants.rendering import answer_html
from datasources import narrowing
from portal.access import WorkspaceRequest, workspace_view
from portal.models import Membership
from portal.registry import registries

MOST_SUGGESTED = 8
MOST_CHOICES = 60
MOST_VERSIONS = 5
"""On the page of an assistant; the others stand on a page of their own."""


def usable(membership: Membership) -> QuerySet[Assistant]:
    """Assistants that this person may ask, as lists offer them, their own ones first after those that are vetted."""
    first = Case(
        When(scope=Assistant.Scope.WORKSPACE, then=Value(0)),
        When(
            pk__in=Assistant.owners.through.objects.filter(user=membership.user_id).values("assistant"), then=Value(1)
        ),
        default=Value(2),
        output_field=IntegerField(),
    )
    return (
        Assistant.objects.listed_for(membership)
        .filter(live__isnull=False)
        .select_related("live")
        .annotate(first=first)
        .order_by("first", "live__name", "handle")
    )


def first_of(rows: QuerySet[Assistant], number: int) -> list[Assistant]:
    """The first of ``usable`` with their live versions. Two queries: with versions beside them, rows are too wide to sort many."""
    keys = list(rows.values_list("pk", flat=True)[:number])
    found = Assistant.objects.filter(pk__in=keys).select_related("live").defer("live__instructions")
    by_key = {row.pk: row for row in found}
    return [by_key[key] for key in keys if key in by_key]


def choices(membership: Membership, chosen: Assistant | None = None) -> list[Assistant]:
    """What a composer's list offers; the chosen one is always among them. Two queries."""
    found = first_of(usable(membership), MOST_CHOICES)
    if chosen is not None and chosen.live_id and chosen not in found:
        found.insert(0, chosen)
    return found


@workspace_view("assistant.view")
@require_GET
def suggest(request: WorkspaceRequest) -> HttpResponse:
    """For ``@``: assistants whose handle or name has what was typed."""
    typed = request.GET.get("q", "").strip()[:80]
    found = usable(request.membership)
    if typed:
        found = found.filter(Q(handle__icontains=typed) | Q(live__name__icontains=typed))
    shown = first_of(found, MOST_SUGGESTED)
    return JsonResponse(
        {
            "results": [
                {
                    "handle": a.handle,
                    "name": a.live.name,
                    "emoji": a.live.emoji,
                    "picture": _picture_of(request, a.live),
                    "description": a.live.description,
                }
                for a in shown
                if a.live
            ]
        }
    )


def _picture_of(request: WorkspaceRequest, version: AssistantVersion) -> str:
    """Where its uploaded picture is; empty where it has none."""
    return reverse("picture", args=[request.workspace.slug, version.picture_id]) if version.picture_id else ""


@workspace_view("conversation.ask")
@require_GET
def places(request: WorkspaceRequest) -> HttpResponse:
    """For ``#``: sources and folders whose name has what was typed, as far as whoever would answer searches there.

    ``assistant``: the handle that is chosen; without one, whoever the ``conversation`` is with.
    """
    membership, asked = request.membership, request.GET.get("assistant", "")
    try:
        choice = choose(membership, asked or _assistant_of(membership, request.GET.get("conversation", "")))
    except Refused:
        return JsonResponse({"results": []})
    found = narrowing.suggested(membership, request.GET.get("q", "")[:80], knowledge_of(choice.version).branches)
    return JsonResponse({"results": [{"id": str(p.id), "name": p.name, "above": p.above} for p in found]})


def _assistant_of(membership: Membership, conversation: str) -> Assistant | None:
    try:
        key = UUID(conversation)
    except ValueError:
        return None
    row = Conversation.objects.visible_to(membership).select_related("assistant").filter(pk=key).first()
    return row.assistant if row else None


@workspace_view("assistant.edit")
@require_GET
def handle(request: WorkspaceRequest) -> HttpResponse:
    """Whether a handle can be had, as a sentence; checked as it is typed."""
    typed = request.GET.get("handle", "").strip().lower().lstrip("@")
    known = request.GET.get("assistant", "")
    editable = Assistant.objects.editable_by(request.membership)
    current = editable.filter(handle__iexact=known).first() if known else None
    try:
        free = checked_handle(request.workspace, typed, current)
    except ValidationError as error:
        return JsonResponse({"free": False, "words": error.messages[0]})
    return JsonResponse({"free": True, "words": f"@{free} is free."})


@workspace_view("assistant.view")
@require_GET
def assistant(request: WorkspaceRequest, handle: str) -> HttpResponse:
    """Try it at once, what it reads and needs, how it works for those who may know, and what higher floors hang up here."""
    membership = request.membership
    row = get_object_or_404(
        Assistant.objects.visible_to(membership)
        .select_related("live__credential", "live__picture", "latest__credential", "latest__picture", "vetted_by")
        .prefetch_related("owners"),
        handle__iexact=handle,
    )
    seen = seen_by(membership, row)
    version = row.live or row.latest
    reads = what_it_reads(membership, version) if version else None
    panels = [(panel.template, panel.context(request, row)) for panel in registries.panel("assistant")]
    context: dict[str, Any] = {
        "assistant": row,
        "version": version,
        "reads": reads,
        "trees": [(part, tree_of(part)) for part in reads.parts] if reads else [],
        "needs": in_words(spaces_needed(version), membership) if version else [],
        "kept": row.favourites.filter(user=membership.user_id).exists(),
        "may_edit": seen.edits,
        "shows_instructions": seen.instructions,
        "instructions": answer_html(version.instructions, (), version.pk) if version else "",
        "versions": list(versions_for(row, seen)[:MOST_VERSIONS]),
        "owners": list(row.owners.all()),
        "panels": [(template, data) for template, data in panels if data is not None],
    }
    return render(request, "assistants/assistant.html", context)
