"""Days of the demo: all are told as so many days ago, so that "last week" stays last week."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from unittest.mock import patch

from django.conf import settings
from django.utils import timezone

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


@contextmanager
def no_mail() -> Iterator[None]:
    """What verbs would mail to people who don't exist goes nowhere; notices in the portal stay."""
    with patch.object(settings, "EMAIL_BACKEND", "django.core.mail.backends.dummy.EmailBackend"):
        yield
