"""Why an assistant stands where it does, with its own numbers; and its use over the last 30 days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count, F, Q
from django.utils import timezone

from assistants.models import Assistant, UseDay
from gallery import ranking
from gallery.cards import Told, told
from gallery.listing import listed
from gallery.models import Standing
from portal.models import Membership


@dataclass(frozen=True, slots=True)
class Day:
    """How many people asked on a day."""

    day: date
    people: int


@dataclass(frozen=True, slots=True)
class Why:
    """``place`` of ``among``: in the order of the gallery, as far as this person sees it. ``standing`` is None where nobody
    asked it yet, or where so few did that its numbers are not told to this person."""

    told: Told
    place: int
    among: int
    standing: Standing | None
    days: tuple[Day, ...]
    prior: float = ranking.PRIOR
    prior_thumbs: int = ranking.PRIOR_THUMBS
    window: int = ranking.WINDOW_DAYS
    half_life: int = ranking.HALF_LIFE_DAYS


def why(membership: Membership, assistant: Assistant) -> Why:
    """Of an assistant that this person may use. Four queries and those of visibility."""
    standing = Standing.objects.filter(assistant=assistant).first()
    # A page that names its owners has them already.
    owner = any(one.pk == membership.user_id for one in assistant.owners.all())
    shown = told(standing, owner=owner)
    score = standing.score if standing else 0.0
    vetted = assistant.scope == Assistant.Scope.WORKSPACE
    before = Q(score__gt=score) | Q(score=score, rank__lt=0 if vetted else 1)
    before |= Q(score=score, rank=0 if vetted else 1, created__gt=assistant.created)
    around = listed(membership).filter(hidden__isnull=True).order_by()
    counted = around.aggregate(among=Count("pk"), before=Count("pk", filter=before & ~Q(pk=assistant.pk)))
    open_numbers = standing is not None and shown.people is not None
    return Why(
        told=shown,
        place=counted["before"] + 1,
        among=counted["among"],
        standing=standing if open_numbers else None,
        days=_days(assistant) if open_numbers else (),
    )


def _days(assistant: Assistant) -> tuple[Day, ...]:
    """People on each of the last 30 days, the oldest first."""
    today = timezone.localdate()
    first = today - timedelta(days=ranking.WINDOW_DAYS - 1)
    rows = UseDay.objects.filter(assistant=assistant, day__gte=first, day__lte=today).values("day")
    people = dict(rows.annotate(people=Count("user", distinct=True)).values_list("day", F("people")))
    days = (first + timedelta(days=number) for number in range(ranking.WINDOW_DAYS))
    return tuple(Day(day, people.get(day, 0)) for day in days)
