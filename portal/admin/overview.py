"""The first page: a few numbers and what waits for a person. Higher floors hang up panels of the same shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from portal.models import ApiKey, Invitation, Membership, Workspace
from portal.registry import Panel, registries

TEMPLATE = "portal/govern/panel.html"


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
    """The context of portal/govern/panel.html. ``nothing``: what it says when nothing waits."""
    return {"title": title, "numbers": numbers, "waiting": waiting, "nothing": nothing}


def _people(request: HttpRequest, workspace: Workspace | None) -> dict[str, Any]:
    here = {} if workspace is None else {"workspace": workspace}
    now = timezone.now()
    members = Membership.objects.active().filter(**here)
    invited = Invitation.objects.filter(accepted=None, revoked=None, expires__gt=now, **here).order_by("expires")
    keys = ApiKey.objects.filter(revoked=None, **({} if workspace is None else {"membership__workspace": workspace}))
    numbers = [
        Number("People", members.count(), reverse("admin:portal_membership_changelist")),
        Number("Seen this week", members.filter(last_seen__gte=now - timedelta(days=7)).count()),
        Number("API keys", keys.count(), reverse("admin:portal_apikey_changelist")),
    ]
    waiting = [
        Waiting(
            one.email,
            f"was invited and has until {one.expires:%-d %B}",
            reverse("admin:portal_invitation_change", args=[one.pk]),
        )
        for one in invited[:10]
    ]
    return panel("People", numbers, waiting, "No invitation is open.")


registries.panel("govern").add("people", Panel(TEMPLATE, _people, weight=0))
