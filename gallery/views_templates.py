"""The marketplace, the page of one template, stars, and what whoever offered one can still do about it."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_GET, require_POST

from assistants.errors import Refused
from assistants.models import Assistant
from assistants.rendering import answer_html
from gallery.marketplace import approving, meaning, rating, shelf
from gallery.marketplace.blueprint import DEPARTMENTS, TASKS, Blueprint
from gallery.marketplace.updating import update_of
from gallery.models import Installation, Rating, Template
from portal.access import WorkspaceRequest, may, workspace_view
from portal.models import Membership
from portal.pages import is_fragment, paged, sentence

PAGE = 48
_MARKER = re.compile(r"\[(\d{1,2})\]")


@workspace_view("template.view")
@require_GET
def templates(request: WorkspaceRequest) -> HttpResponse:
    """By department and task, as one types. The featured row and one's own offers stand above while nothing is looked for."""
    wanted = {
        "q": request.GET.get("q", "").strip()[:200],
        "department": _one_of(request.GET.get("department", ""), DEPARTMENTS),
        "task": _one_of(request.GET.get("task", ""), TASKS),
        "order": _one_of(request.GET.get("order", ""), shelf.ORDERS) or "rated",
    }
    rows = shelf.found(
        request.membership,
        wanted["q"],
        department=wanted["department"],
        task=wanted["task"],
        order=wanted["order"],
        alike=meaning.alike(request.membership, wanted["q"]),
    )
    page = paged(request, rows, PAGE)
    plain = not (wanted["q"] or wanted["department"] or wanted["task"]) and page.number == 1
    context: dict[str, Any] = {
        **wanted,
        "departments": DEPARTMENTS.items(),
        "tasks": TASKS.items(),
        "orders": shelf.ORDERS.items(),
        "page": page,
        "cards": [shelf.card(row) for row in page.object_list],
        "featured": [shelf.card(row) for row in shelf.featured(request.membership)] if plain else [],
        "offered": [shelf.card(row) for row in shelf.offered_by(request.membership) if row.shown] if plain else [],
        "may_manage": may(request.membership, "template.manage"),
    }
    response = render(request, "gallery/templates/templates.html" + ("#cards" if is_fragment(request) else ""), context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _one_of(value: str, known: dict[str, str]) -> str:
    return value if value in known else ""


@workspace_view("template.view")
@require_GET
def template(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """What it does, with its sample, what it needs, its instructions, and what people think of it."""
    membership = request.membership
    row = shown(membership, pk)
    card = shelf.card(row)
    given = Rating.objects.filter(template=row, user=membership.user_id).first()
    mine = Installation.objects.filter(template=row, assistant__in=Assistant.objects.visible_to(membership))
    context: dict[str, Any] = {
        "card": card,
        "template": row,
        "blueprint": card.blueprint,
        "version": row.shown,
        "answer": sample_html(card.blueprint),
        "instructions": answer_html(card.blueprint.instructions, (), row.pk),
        "steps": range(5, 0, -1),
        "may_rate": rating.may_rate(membership, row),
        "given": given.stars if given else 0,
        "installed": list(mine.filter(by=membership.user_id).select_related("assistant__live")[:10]),
        # Of others' templates, some versions were never on the shelf, and what they say is not for everybody.
        "versions": list(row.versions.all()[:10]) if row.workspace_id is None else [],
        "is_offerer": row.offered_by_id == membership.user_id and row.workspace_id == membership.workspace_id,
        "decide_url": decide_url(membership, row),
    }
    return render(request, "gallery/templates/template.html", context)


def shown(membership: Membership, pk: UUID) -> Template:
    """The template as far as this person may see it, with its stars; else a 404."""
    rows = shelf.rated(Template.objects.shown_to(membership)).select_related("latest", "offered", "offered_by")
    return get_object_or_404(rows.exclude(latest=None, offered=None), pk=pk)


def decide_url(membership: Membership, row: Template) -> str:
    """Where an admin decides about it, where something is to decide here."""
    if row.workspace_id != membership.workspace_id or not may(membership, "template.manage"):
        return ""
    return f"{reverse('govern', args=[membership.workspace.slug])}gallery/template/{row.pk}/change/"


def sample_html(blueprint: Blueprint) -> SafeString:
    """The sample's answer as answers look. Its numbers lead nowhere: the documents are made up."""
    html = answer_html(blueprint.sample_answer, (), f"sample-{blueprint.slug}")
    return mark_safe(_MARKER.sub(r'<span class="cite">\1</span>', html))  # noqa: S308  cleaned, and digits put in


@workspace_view("template.rate")
@require_POST
def rate(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """``stars`` one to five; empty takes them back."""
    row = shown(request.membership, pk)
    given = request.POST.get("stars", "")
    try:
        rating.rate(row, request.membership, int(given) if given.isdecimal() else None)
    except (Refused, ValidationError) as error:
        messages.error(request, sentence(error) if isinstance(error, ValidationError) else str(error))
    else:
        messages.success(request, "Thank you. Your stars count." if given else "Your stars are taken back.")
    return redirect("template", request.workspace.slug, pk)


@workspace_view("template.offer")
@require_POST
def settle(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """What whoever offered it changes their mind about: ``do`` is take_back (what waits) or withdraw (all of it)."""
    row = shown(request.membership, pk)
    withdraws = request.POST.get("do") == "withdraw"
    try:
        (approving.withdraw if withdraws else approving.take_back)(row, request.user)
    except Refused as error:
        messages.error(request, str(error))
        return redirect("template", request.workspace.slug, pk)
    messages.success(request, "It is off the shelf." if withdraws else "It waits no more.")
    return redirect("templates", request.workspace.slug)


# ---- On other pages ----------------------------------------------------------------------------------------------


def to_start_from(request: HttpRequest, _page: Any) -> dict[str, Any]:
    """For the page on which a new assistant is begun: the featured templates, else the best rated."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    rows = list(shelf.featured(membership)) or list(shelf.found(membership)[:6])
    return {"cards": [shelf.card(row) for row in rows[:6]]}


def origin(request: HttpRequest, assistant: Assistant) -> dict[str, Any] | None:
    """For an assistant's page: which template it came from, a newer version for its owners, and offering it."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    owns = any(owner.pk == membership.user_id for owner in assistant.owners.all())
    came_from = None
    if assistant.template:
        rows = Template.objects.shown_to(membership).exclude(latest=None, offered=None)
        came_from = rows.select_related("latest", "offered").filter(pk=assistant.template).first()
    if came_from is None and not owns:
        return None
    update = update_of(assistant) if owns and came_from is not None else None
    return {"template": came_from, "update": update, "owns": owns}
