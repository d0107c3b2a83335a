"""Assistants that a person has at hand: those that they keep, and those that they asked last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Max
from django.utils import timezone

from assistants.models import Assistant, AssistantVersion, Favourite, UseDay
from portal.models import Membership

MOST_KEPT, MOST_RECENT = 12, 4
RECENT_DAYS = 30
_SHOWN = [f"{version}__{field}" for version in ("live", "latest") for field in ("name", "emoji", "colour", "picture")]
"""Of either version; no more is read, as it is on every page."""


@dataclass(frozen=True, slots=True)
class AtHand:
    """``recent`` has none of the ``kept``; both with the version that answers."""

    kept: list[tuple[Assistant, AssistantVersion]]
    recent: list[tuple[Assistant, AssistantVersion]]


def keep(membership: Membership, assistant: Assistant) -> None:
    """Keep it at hand. Twice is once."""
    Favourite.objects.get_or_create(user_id=membership.user_id, assistant=assistant)


def let_go(membership: Membership, assistant: Assistant) -> None:
    Favourite.objects.filter(user=membership.user_id, assistant=assistant).delete()


def at_hand(membership: Membership) -> AtHand:
    """As far as this person may use them today. Two queries, and those of visibility and one more where there are any."""
    favourites = Favourite.objects.filter(user=membership.user_id, assistant__workspace=membership.workspace_id)
    kept = list(favourites.order_by("created").values_list("assistant", flat=True)[:MOST_KEPT])
    asked = UseDay.objects.filter(
        user=membership.user_id,
        workspace=membership.workspace_id,
        assistant__isnull=False,
        day__gt=timezone.localdate() - timedelta(days=RECENT_DAYS),
    )
    last = asked.values("assistant").annotate(last=Max("day"), latest=Max("pk")).order_by("-last", "-latest")
    recent = [key for key in last.values_list(F("assistant"), flat=True)[: MOST_KEPT + MOST_RECENT] if key not in kept]
    if not kept and not recent:
        return AtHand([], [])
    rows = Assistant.objects.visible_to(membership, among=[*kept, *recent])
    found = {row.pk: row for row in rows.select_related("live", "latest").only("handle", *_SHOWN)}
    shown = {key: (row, version) for key, row in found.items() if (version := row.runs_for(membership)) is not None}
    return AtHand(
        [shown[key] for key in kept if key in shown], [shown[key] for key in recent if key in shown][:MOST_RECENT]
    )
