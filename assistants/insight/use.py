"""How much is asked, by how many people and of whom: out of UseDay, so that nothing here counts messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, CharField, Count, F, Q, QuerySet, Sum, UUIDField, Value, When
from django.db.models.functions import TruncDate, TruncWeek
from django.utils import timezone

from assistants.models import Assistant, Feedback, UseDay
from portal.models import Workspace


@dataclass(frozen=True, slots=True)
class Days:
    """By day, in the order of ``days``; ``everybody``: distinct people over all of them."""

    days: Sequence[date]
    people: Sequence[int]
    questions: Sequence[int]
    unanswered: Sequence[int]
    everybody: int


@dataclass(frozen=True, slots=True)
class OfOne:
    """What one assistant was asked. ``kind``: offered (``assistant`` names it), personal (all of them), or none was chosen."""

    kind: str
    assistant: UUID | None
    people: int
    questions: int
    unanswered: int


def of_workspace(workspace: Workspace) -> QuerySet[UseDay]:
    return UseDay.objects.filter(workspace=workspace)


def of_assistant(assistant: Assistant) -> QuerySet[UseDay]:
    return UseDay.objects.filter(assistant=assistant)


def by_day(rows: QuerySet[UseDay], days: Sequence[date]) -> Days:
    """Two queries."""
    within = rows.filter(day__gte=days[0], day__lte=days[-1]).order_by()
    found = {
        row["day"]: row
        for row in within.values("day").annotate(
            people=Count("user", distinct=True), asked=Sum("questions"), empty=Sum("unanswered")
        )
    }

    def column(name: str) -> list[int]:
        return [found[day][name] if day in found else 0 for day in days]

    everybody = within.aggregate(number=Count("user", distinct=True))["number"]
    return Days(days, column("people"), column("asked"), column("empty"), everybody)


def by_week(rows: QuerySet[UseDay], weeks: int) -> list[tuple[date, int]]:
    """Distinct people of each of the last so many weeks, this one included, by its Monday. One query."""
    today = timezone.localdate()
    monday = today - timedelta(days=today.weekday())
    mondays = [monday - timedelta(weeks=back) for back in reversed(range(weeks))]
    within = rows.filter(day__gte=mondays[0]).order_by().annotate(week=TruncWeek("day")).values("week")
    found = dict(within.annotate(people=Count("user", distinct=True)).values_list("week", "people"))
    return [(day, found.get(day, 0)) for day in mondays]


def by_assistant(workspace: Workspace, since: date, most: int) -> list[OfOne]:
    """The most used first. Personal ones count together: they are their owners' business. One query."""
    personal = Q(assistant__scope=Assistant.Scope.PERSONAL)
    kind = Case(
        When(assistant=None, then=Value("none")),
        When(personal, then=Value("personal")),
        default=Value("offered"),
        output_field=CharField(),
    )
    shown = Case(When(personal, then=None), default=F("assistant"), output_field=UUIDField(null=True))
    rows = (
        of_workspace(workspace)
        .filter(day__gte=since)
        .order_by()
        .annotate(kind=kind, shown=shown)
        .values("kind", "shown")
        .annotate(people=Count("user", distinct=True), asked=Sum("questions"), empty=Sum("unanswered"))
        .order_by("-people", "-asked")[:most]
    )
    return [OfOne(row["kind"], row["shown"], row["people"], row["asked"], row["empty"]) for row in rows]


def thumbs_of_workspace(workspace: Workspace) -> QuerySet[Feedback]:
    return Feedback.objects.filter(message__conversation__workspace=workspace)


def thumbs_of_assistant(assistant: Assistant) -> QuerySet[Feedback]:
    return Feedback.objects.filter(version__assistant=assistant)


def thumbs(rows: QuerySet[Feedback], days: Sequence[date]) -> tuple[list[int], list[int]]:
    """Ups and downs by day. One query."""
    since = timezone.make_aware(datetime.combine(days[0], time.min))
    counted: dict[date, Any] = {
        row["day"]: row
        for row in rows.filter(created__gte=since)
        .order_by()
        .annotate(day=TruncDate("created"))
        .values("day")
        .annotate(ups=Count("pk", filter=Q(up=True)), downs=Count("pk", filter=Q(up=False)))
    }
    none = {"ups": 0, "downs": 0}
    return [counted.get(day, none)["ups"] for day in days], [counted.get(day, none)["downs"] for day in days]
