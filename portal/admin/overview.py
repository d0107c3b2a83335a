"""The first page: what waits for a person, a few numbers, and charts. Higher floors hang up panels of the same shapes.

Panels of "govern" whose template is TEMPLATE (contexts of ``panel``) are not shown each for itself: what waits stands in one
queue, and their numbers in one box. Panels of "govern_charts" are drawn for the days that ``period`` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from portal.models import ApiKey, Invitation, Membership, Workspace
from portal.registry import Panel, registries

TEMPLATE = "portal/govern/numbers.html"
CHARTS = "portal/govern/charts.html"
PERIODS = (7, 30, 90)


@dataclass(frozen=True, slots=True)
class Number:
    """``address``: where the rows behind it are listed."""

    label: str
    value: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    name: str
    what: str
    address: str


def panel(title: str, numbers: Sequence[Number], waiting: Sequence[Waiting], nothing: str) -> dict[str, Any]:
    """The context of a panel. ``nothing``: what it says when nothing waits."""
    return {"title": title, "numbers": numbers, "waiting": waiting, "nothing": nothing}


def charts(title: str, drawn: Sequence[Any], at: datetime | None = None, words: str = "") -> dict[str, Any]:
    """The context of CHARTS: Columns and Rankings of portal/charts.py. ``at``: when they were worked out."""
    return {"title": title, "charts": drawn, "at": at, "words": words}


def period(request: HttpRequest) -> int:
    """How many days the charts show, by ``?days=``."""
    return period_of(request.GET.get("days", ""))


def period_of(asked: str) -> int:
    """One of PERIODS; 30 where it is none of them."""
    return int(asked) if asked in {str(days) for days in PERIODS} else PERIODS[1]


def days_of(number: int) -> list[date]:
    """The last so many days, today included, oldest first."""
    today = timezone.localdate()
    return [today - timedelta(days=back) for back in reversed(range(number))]


def front(request: HttpRequest, workspace: Workspace | None) -> dict[str, Any]:
    """The context of the first page."""
    waiting: list[tuple[str, Sequence[Waiting]]] = []
    numbers: list[tuple[str, Sequence[Number]]] = []
    others: list[tuple[str, dict[str, Any]]] = []
    for one in registries.panel("govern"):
        context = one.context(request, workspace)
        if context is None:
            continue
        if one.template != TEMPLATE:
            others.append((one.template, context))
            continue
        numbers.append((context["title"], context["numbers"]))
        if context["waiting"]:
            waiting.append((context["title"], context["waiting"]))
    drawn = []
    if workspace is not None:
        found = ((one.template, one.context(request, workspace)) for one in registries.panel("govern_charts"))
        drawn = [(template, context) for template, context in found if context is not None]
    return {
        "waiting": waiting,
        "numbers": numbers,
        "panels": others,
        "drawn": drawn,
        "days": period(request),
        "periods": PERIODS,
    }


def _people(request: HttpRequest, workspace: Workspace | None) -> dict[str, Any]:
    here = {} if workspace is None else {"workspace": workspace}
    now = timezone.now()
    members = Membership.objects.active().filter(**here)
    invited = Invitation.objects.filter(accepted=None, revoked=None, expires__gt=now, **here)
    keys = ApiKey.objects.filter(revoked=None, **({} if workspace is None else {"membership__workspace": workspace}))
    numbers = [
        Number("People", members.count(), reverse("admin:portal_membership_changelist")),
        Number("Seen this week", members.filter(last_seen__gte=now - timedelta(days=7)).count()),
        Number("Invited, not here yet", invited.count(), reverse("admin:portal_invitation_changelist")),
        Number("API keys", keys.count(), reverse("admin:portal_apikey_changelist")),
    ]
    ending = invited.filter(expires__lt=now + timedelta(days=3)).order_by("expires")
    waiting = [
        Waiting(
            one.email,
            f"was invited and has only until {one.expires:%-d %B}",
            reverse("admin:portal_invitation_change", args=[one.pk]),
        )
        for one in ending[:10]
    ]
    return panel("People", numbers, waiting, "No invitation is about to end.")


registries.panel("govern").add("people", Panel(TEMPLATE, _people, weight=0))
