"""For whoever drives adoption: where people are missing, what is missing for them, and what to try next.

Each floor hangs up sections (panels of "adoption"); their suggestions are gathered at the top of the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone

from portal.models import Invitation, Membership, Workspace
from portal.registry import Panel, registries

TEMPLATE = "portal/govern/section.html"
MOST = 12
"""Rows that a section names; the others are counted."""
AWAY = timedelta(days=30)
PATIENCE = timedelta(days=3)
"""After which an invitation that nobody took up is worth a word."""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    what: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to try next: a sentence, and a button that leads there. The least ``weight`` comes first."""

    words: str
    button: str
    address: str
    weight: int = 50


def section(
    title: str,
    words: str,
    rows: Sequence[Row],
    *,
    nothing: str,
    number: int | None = None,
    suggestions: Sequence[Suggestion] = (),
    at: datetime | None = None,
) -> dict[str, Any]:
    """The context of TEMPLATE. ``number``: how many there are in all, where ``rows`` are only the first."""
    shown = list(rows[:MOST])
    left = (len(rows) if number is None else number) - len(shown)
    return {
        "title": title,
        "words": words,
        "rows": shown,
        "left": max(left, 0),
        "number": len(rows) if number is None else number,
        "nothing": nothing,
        "suggestions": list(suggestions),
        "at": at,
    }


def found(request: HttpRequest, workspace: Workspace | None) -> dict[str, Any]:
    """The context of the page; it is about one workspace."""
    if workspace is None:
        raise Http404
    gathered = sections(request, workspace)
    return {
        "sections": [(template, context) for _name, template, context in gathered],
        "suggestions": suggestions(context for _name, _template, context in gathered),
    }


def sections(request: Any, workspace: Workspace) -> list[tuple[str, str, dict[str, Any]]]:
    """(name, template, context) of each. Their addresses are of the admin, whose URLconf has to be set.

    ``request``: the reader's, with their ``membership``; without one, a section shows no text that was shared with somebody.
    """
    found = (
        (name, one.template, one.context(request, workspace)) for name, one in registries.panel("adoption").items()
    )
    return [(name, template, context) for name, template, context in found if context is not None]


def suggestions(contexts: Iterable[dict[str, Any]]) -> list[Suggestion]:
    """Of all sections, what is best tried first."""
    return sorted((one for context in contexts for one in context.get("suggestions", ())), key=lambda one: one.weight)


def _invited(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    """Whoever was asked and has not come, by any invitation."""
    now = timezone.now()
    here = Membership.objects.active().filter(workspace=workspace).values("user__email")
    asked = Invitation.objects.filter(workspace=workspace, accepted=None, revoked=None).exclude(email__in=here)
    number = asked.count()
    rows = [
        Row(
            one.name or one.email,
            f"invited on {one.created:%-d %B}, {'open' if one.expires > now else 'ran out'}",
            reverse("admin:portal_invitation_change", args=[one.pk]),
        )
        for one in asked.order_by("created")[:MOST]
    ]
    waited = asked.filter(created__lt=now - PATIENCE).count()
    tries = []
    if waited:
        words = f"{waited} invited {'person has' if waited == 1 else 'people have'} not come for three days or more."
        address = reverse("admin:portal_invitation_changelist")
        tries.append(Suggestion(words, "Look at the invitations", address, weight=20))
    if Membership.objects.active().filter(workspace=workspace).count() < 5:
        address = reverse("admin:portal_membership_import_people")
        tries.append(
            Suggestion(
                "Hardly anybody is here yet. A list of people can come from a file.", "Invite by CSV", address, 5
            )
        )
    return section(
        "Invited, not here yet",
        "They have a link that they did not use.",
        rows,
        number=number,
        nothing="Everybody who was invited is here.",
        suggestions=tries,
    )


def _away(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    before = timezone.now() - AWAY
    # Who joined yesterday is not away.
    rows = Membership.objects.active().filter(
        Q(last_seen__lt=before) | Q(last_seen=None, created__lt=before), workspace=workspace
    )
    listed = rows.select_related("user").order_by(F("last_seen").asc(nulls_first=True), "user__email")[:MOST]
    return section(
        "Not seen for 30 days",
        "They are members, and did not open Atrium.",
        [
            Row(
                str(one.user),
                f"last seen on {one.last_seen:%-d %B %Y}" if one.last_seen else "never seen",
                reverse("admin:portal_membership_change", args=[one.pk]),
            )
            for one in listed
        ],
        number=rows.count(),
        nothing="Everybody was here in the last 30 days.",
    )


registries.panel("adoption").add("invited", Panel(TEMPLATE, _invited, weight=50))
registries.panel("adoption").add("away", Panel(TEMPLATE, _away, weight=60))
