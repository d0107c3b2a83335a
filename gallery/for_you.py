"""What fits a person by where they work: assistants that colleagues of their spaces use and they do not yet.

Nobody is named, and how many is told from three on. Colleagues are the people of one's restricted spaces, small spaces first;
of fewer than three of them nothing is concluded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Count, Q
from django.utils import timezone

from assistants.models import UseDay
from gallery.ranking import WINDOW_DAYS
from portal.models import Membership, Space

MOST_SPACES = 12
MOST_COLLEAGUES = 200
MOST_FOUND = 60
FEW = 3
"""Below so many people nothing is told of them."""


@dataclass(frozen=True, slots=True)
class Nearby:
    """``order``: assistants that colleagues use and this person does not, most used first; ``people``: how many, from FEW on."""

    order: tuple[UUID, ...] = ()
    people: tuple[tuple[UUID, int], ...] = ()


def used_nearby(membership: Membership) -> Nearby:
    """Over the last 30 days. What this person may use of it, the caller's queryset says. At most three queries."""
    people = colleagues(membership)
    if len(people) < FEW:
        return Nearby()
    mine = Q(user=membership.user_id)
    rows = (
        UseDay.objects.filter(
            workspace=membership.workspace_id,
            assistant__isnull=False,
            user__in=[*people, membership.user_id],
            day__gt=timezone.localdate() - timedelta(days=WINDOW_DAYS),
        )
        .values("assistant")
        .annotate(others=Count("user", distinct=True, filter=~mine), mine=Count("pk", filter=mine))
        .filter(mine=0, others__gt=0)
        .order_by("-others", "assistant")
        .values_list("assistant", "others")[:MOST_FOUND]
    )
    found = list(rows)
    return Nearby(tuple(key for key, _ in found), tuple((key, count) for key, count in found if count >= FEW))


def colleagues(membership: Membership) -> list[int]:
    """Other people of this person's restricted spaces, of the smallest first. Two queries."""
    mine = Space.objects.filter(
        workspace=membership.workspace_id, kind=Space.Kind.RESTRICTED, members=membership.user_id
    ).values("pk")
    sized = Space.objects.filter(pk__in=mine).annotate(size=Count("members")).order_by("size", "pk")
    near = list(sized.values_list("pk", flat=True)[:MOST_SPACES])
    if not near:
        return []
    listed = Space.members.through._default_manager.filter(space__in=near, user__is_active=True)
    rows = listed.exclude(user=membership.user_id).values_list("space", "user")[: 20 * MOST_COLLEAGUES]
    place = {space: number for number, space in enumerate(near)}
    ordered = dict.fromkeys(user for _, user in sorted(rows, key=lambda row: (place[row[0]], row[1])))
    return list(ordered)[:MOST_COLLEAGUES]
