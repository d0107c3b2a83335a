"""Days and months of budgets: by the calendar of the server's time zone (ATRIUM_TIME_ZONE), the same for every workspace."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.utils import timezone

from portal.models import Budget


def start_of(period: str, day: date | None = None) -> date:
    """The first day of the period that holds ``day``, today unless told otherwise."""
    day = day or timezone.localdate()
    return day if period == Budget.Period.DAY else day.replace(day=1)


def end_of(period: str, starts: date) -> date:
    """The first day of the period after the one that begins on ``starts``."""
    if period == Budget.Period.DAY:
        return starts + timedelta(days=1)
    return (starts + timedelta(days=32)).replace(day=1)


def midnight(day: date) -> datetime:
    """When that day begins, as a moment."""
    return timezone.make_aware(datetime.combine(day, time.min))


def current() -> tuple[date, date]:
    """The first days of today's day and of today's month."""
    return start_of(Budget.Period.DAY), start_of(Budget.Period.MONTH)
