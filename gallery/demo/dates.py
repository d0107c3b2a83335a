"""Days of the demo: all are told as so many days ago, so that "last week" stays last week."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from unittest.mock import patch

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from portal.models import Notice, Workspace

WORKING_DAYS = range(5)
DEPLOY_DAYS = (1, 3)
"""Tuesday and Thursday, as the handbook has it."""
_PLACE = re.compile(r"\[\[(d|deploy|m)([+-]\d+)\]\]")


@dataclass(frozen=True, slots=True)
class Calendar:
    today: date

    def day(self, ago: int, days: Collection[int] = WORKING_DAYS) -> date:
        """The last of these weekdays that is at least so many days ago; negative is in days to come."""
        found = self.today - timedelta(days=ago)
        while found.weekday() not in days:
            found -= timedelta(days=1)
        return found

    def moment(self, ago: int, at: str, days: Collection[int] = WORKING_DAYS) -> datetime:
        """``at``: "hour:minute". Never later than now."""
        made = timezone.make_aware(datetime.combine(self.day(ago, days), time.fromisoformat(at)))
        return min(made, timezone.now() - timedelta(minutes=5))

    def filled(self, text: str) -> str:
        """With ``[[d-12]]`` as a day, ``[[deploy-6]]`` as a day on which one deploys, and ``[[m-1]]`` as a month."""

        def told(match: re.Match[str]) -> str:
            kind, number = match[1], int(match[2])
            if kind == "m":
                months = self.today.year * 12 + self.today.month - 1 + number
                return f"{date(months // 12, months % 12 + 1, 1):%B %Y}"
            day = self.day(-number, DEPLOY_DAYS if kind == "deploy" else WORKING_DAYS)
            return f"{day.day} {day:%B %Y}"

        return _PLACE.sub(told, text)


@contextmanager
def on(when: datetime) -> Iterator[None]:
    """What verbs write meanwhile, they write as of then: versions, requests, audit entries, notices alike."""
    # Verbs know no other now, and a row of their own for each that is moved back afterwards would be forgotten with the next verb.
    with patch("django.utils.timezone.now", lambda: when):
        yield


# Above all that there are, so that no number is taken while rows change theirs.
_IN_ORDER = """
    UPDATE {table} AS row SET id = told.most + told.place
    FROM (
        SELECT id, (SELECT max(id) FROM {table}) AS most, row_number() OVER (ORDER BY {moment}, id) AS place
        FROM {table} WHERE workspace_id = %s
    ) AS told
    WHERE told.id = row.id
"""
_NEXT = "SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
_NEWS = timedelta(days=7)


def in_order(workspace: Workspace) -> None:
    """The audit log and notices are read in the order in which they were written: here, in that of the days that were told. What
    people were told more than a week ago they have read."""
    now = timezone.now()
    Notice.objects.filter(workspace=workspace, created__lt=now - _NEWS).update(read=now - _NEWS)
    with transaction.atomic(), connection.cursor() as cursor:
        for table, moment in (("portal_auditevent", "at"), ("portal_notice", "created")):
            cursor.execute(_IN_ORDER.format(table=table, moment=moment), [workspace.pk])
            cursor.execute(_NEXT.format(table=table))


@contextmanager
def no_mail() -> Iterator[None]:
    """What verbs would mail to people who don't exist goes nowhere; notices in the portal stay."""
    with patch.object(settings, "EMAIL_BACKEND", "django.core.mail.backends.dummy.EmailBackend"):
        yield
