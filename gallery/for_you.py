"""What fits a person by where they work: assistants that colleagues of their spaces use and they do not yet.

Nobody is named, and how many is told from three on. Colleagues are the people of one's restricted spaces, small spaces first;
of fewer than three of them nothing is concluded. Where these have nothing to tell, as in a workspace that has open spaces
alone, they are the people of the open ones, who are everybody: of these only what three or more used counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from assistants.models import UseDay
from gallery.models import Standing
from gallery.ranking import WINDOW_DAYS
from portal.models import Membership, Space

MOST_SPACES = 12
MOST_COLLEAGUES = 200
MOST_FOUND = 60
FEW = 3
"""Below so many people nothing is told of them."""

_Counted = list[tuple[UUID, int]]


@dataclass(frozen=True, slots=True)
class Nearby:
    """``order``: assistants that colleagues use and this person does not, most used first; ``people``: how many, from FEW on."""

    order: tuple[UUID, ...] = ()
    people: tuple[tuple[UUID, int], ...] = ()


def used_nearby(membership: Membership) -> Nearby:
    """Over the last 30 days. What this person may use of it, the caller's queryset says. At most four queries."""
    people = colleagues(membership)
    found = _of_colleagues(membership, people) if len(people) >= FEW else []
    found = found or _of_everybody(membership)
    return Nearby(tuple(key for key, _ in found), tuple((key, count) for key, count in found if count >= FEW))


def used_by(membership: Membership) -> QuerySet[UseDay, UUID | None]:
    """The assistants that this person asked themselves over the last 30 days, as a subquery."""
    rows = UseDay.objects.filter(workspace=membership.workspace_id, user=membership.user_id, day__gt=_since())
    return rows.filter(assistant__isnull=False).order_by().values_list("assistant", flat=True)


def _since() -> date:
    return timezone.localdate() - timedelta(days=WINDOW_DAYS)


def _of_colleagues(membership: Membership, people: list[int]) -> _Counted:
    mine = Q(user=membership.user_id)
    rows = (
        UseDay.objects.filter(
            workspace=membership.workspace_id,
            assistant__isnull=False,
            user__in=[*people, membership.user_id],
            day__gt=_since(),
        )
        .values("assistant")
        .annotate(others=Count("user", distinct=True, filter=~mine), mine=Count("pk", filter=mine))
        .filter(mine=0, others__gt=0)
        .order_by("-others", "assistant")
        .values_list("assistant", "others")[:MOST_FOUND]
    )
    return list(rows)


def _of_everybody(membership: Membership) -> _Counted:
    """As the ranking has it, which counted people already: a workspace's use is too much to be counted for each page."""
    open_one = Space.objects.filter(workspace=OuterRef("workspace"), kind=Space.Kind.OPEN)
    rows = Standing.objects.filter(Exists(open_one), workspace=membership.workspace_id, people__gte=FEW)
    rows = rows.exclude(assistant__in=used_by(membership))
    return list(rows.order_by("-score", "assistant").values_list("assistant", "people")[:MOST_FOUND])


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
