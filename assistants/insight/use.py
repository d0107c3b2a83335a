"""How much is asked, by how many people and of whom: out of UseDay, so that nothing here counts messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from assistants.models import Assistant, Feedback
from portal.models import Workspace

LEAST_WEEKS = 8


@dataclass(frozen=True, slots=True)
class Days:
    """By day, in the order of ``days``; ``everybody``: distinct people over all of them.

    ``weeks``: distinct people of each of the last weeks by its Monday, this one included; eight, or as many as the days hold.
    """

    days: Sequence[date]
    people: Sequence[int]
    questions: Sequence[int]
    unanswered: Sequence[int]
    everybody: int
    weeks: Sequence[tuple[date, int]]


@dataclass(frozen=True, slots=True)
class OfOne:
    """What one assistant was asked. ``kind``: offered (``assistant`` names it), personal (all of them), or none was chosen."""

    kind: str
    assistant: UUID | None
    people: int
    questions: int
    unanswered: int


# Rows of one person and day first, by hashing: counting distinct people straight away would sort all of them, once a column.
_USE = """
    WITH kept AS MATERIALIZED (
        SELECT day, user_id, sum(questions) AS questions, sum(unanswered) AS unanswered FROM assistants_useday
        WHERE {column} = %(of)s AND day >= LEAST(%(first)s, %(monday)s) AND day <= %(last)s GROUP BY day, user_id
    )
    SELECT 'day', day, count(*), sum(questions), sum(unanswered) FROM kept WHERE day >= %(first)s GROUP BY day
    UNION ALL
    SELECT 'week', week, count(*), 0, 0
    FROM (SELECT DISTINCT date_trunc('week', day)::date AS week, user_id FROM kept WHERE day >= %(monday)s) weeks GROUP BY week
    UNION ALL
    SELECT 'all', NULL, count(*), 0, 0 FROM (SELECT DISTINCT user_id FROM kept WHERE day >= %(first)s) everybody
"""
_TOTALS = """
    SELECT count(*), COALESCE(sum(questions), 0), COALESCE(sum(unanswered), 0)
    FROM (
        SELECT user_id, sum(questions) AS questions, sum(unanswered) AS unanswered
        FROM assistants_useday WHERE workspace_id = %(workspace)s AND day >= %(since)s GROUP BY user_id
    ) people
"""
_BY_ASSISTANT = """
    SELECT kind, shown, count(*), sum(questions), sum(unanswered)
    FROM (
        SELECT CASE WHEN used.assistant_id IS NULL THEN 'none' WHEN a.scope = 'personal' THEN 'personal' ELSE 'offered' END AS kind,
               CASE WHEN a.scope <> 'personal' THEN used.assistant_id END AS shown,
               user_id, sum(questions) AS questions, sum(unanswered) AS unanswered
        FROM (
            SELECT assistant_id, user_id, sum(questions) AS questions, sum(unanswered) AS unanswered
            FROM assistants_useday WHERE workspace_id = %(workspace)s AND day >= %(since)s GROUP BY assistant_id, user_id
        ) used LEFT JOIN assistants_assistant a ON a.id = used.assistant_id
        GROUP BY kind, shown, user_id
    ) people
    GROUP BY kind, shown ORDER BY count(*) DESC, sum(questions) DESC LIMIT %(most)s
"""


def of_workspace(workspace: Workspace, days: Sequence[date]) -> Days:
    return _days("workspace_id", workspace.pk, days)


def totals(workspace: Workspace, since: date) -> tuple[int, int, int]:
    """Distinct people, questions, and those that found nothing, from ``since`` on. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, {"workspace": workspace.pk, "since": since})
        people, questions, unanswered = cursor.fetchone() or (0, 0, 0)
        return int(people), int(questions), int(unanswered)


def of_assistant(assistant: Assistant, days: Sequence[date]) -> Days:
    return _days("assistant_id", assistant.pk, days)


def _days(column: str, of: UUID, days: Sequence[date]) -> Days:
    """One query."""
    mondays = _mondays(max(LEAST_WEEKS, len(days) // 7))
    found: dict[str, dict[date | None, tuple[int, int, int]]] = {"day": {}, "week": {}, "all": {}}
    with connection.cursor() as cursor:
        wanted: Any = {"of": of, "first": days[0], "monday": mondays[0], "last": days[-1]}
        cursor.execute(_USE.format(column=column), wanted)  # the column is one of two written above
        for kind, day, *numbers in cursor.fetchall():
            found[kind][day] = (int(numbers[0]), int(numbers[1]), int(numbers[2]))
    nothing = (0, 0, 0)
    daily = [found["day"].get(day, nothing) for day in days]
    return Days(
        days=days,
        people=[people for people, _questions, _unanswered in daily],
        questions=[questions for _people, questions, _unanswered in daily],
        unanswered=[unanswered for _people, _questions, unanswered in daily],
        everybody=found["all"].get(None, nothing)[0],
        weeks=[(monday, found["week"].get(monday, nothing)[0]) for monday in mondays],
    )


def _mondays(number: int) -> list[date]:
    """Of the last so many weeks, this one included, oldest first."""
    today = timezone.localdate()
    monday = today - timedelta(days=today.weekday())
    return [monday - timedelta(weeks=back) for back in reversed(range(number))]


def by_assistant(workspace: Workspace, since: date, most: int) -> list[OfOne]:
    """The most used first. Personal ones count together: they are their owners' business. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_ASSISTANT, {"workspace": workspace.pk, "since": since, "most": most})
        return [OfOne(kind, shown, int(p), int(q), int(u)) for kind, shown, p, q, u in cursor.fetchall()]


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
