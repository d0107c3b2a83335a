"""What was spent: days that are over are added up once, and reading gives what adding up every call would."""

import random
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal import charts, usage_days
from portal.models import UsageDay, UsageRecord
from tests import factories

BY = UsageDay.By


def call(cast, days_ago, **more):
    row = UsageRecord.objects.create(
        **{"workspace": cast.workspace, "purpose": "answer", "vendor": "v", "model": "m", "input_tokens": 1} | more
    )
    UsageRecord.objects.filter(pk=row.pk).update(at=timezone.now() - timedelta(days=days_ago))
    return row


def test_reading_gives_what_every_call_adds_up_to(cast):
    chance = random.Random(7)
    people = [cast.admin.user, cast.member.user, None]
    helper = factories.source(cast.workspace).pk  # any id
    for _ in range(60):
        call(
            cast,
            chance.randrange(12),
            user=chance.choice(people),
            assistant=chance.choice([helper, None]),
            model=chance.choice(["large", "small"]),
            input_tokens=chance.randrange(1000),
            output_tokens=chance.randrange(1000),
            cost=chance.choice([None, Decimal("0.0125")]),
        )
    call(cast, 3, workspace=cast.elsewhere, model="theirs", input_tokens=5)

    def read():
        since = timezone.localdate() - timedelta(days=9)
        return {by: {one.key: one for one in usage_days.spent(cast.workspace, by, since)} for by in BY}

    before = read()
    for one in before[BY.MODEL].values():
        rows = UsageRecord.objects.filter(
            workspace=cast.workspace, model=one.key, at__date__gte=timezone.localdate() - timedelta(days=9)
        )
        assert one.calls == rows.count()
        assert one.tokens == sum(row.input_tokens + row.output_tokens for row in rows)
        assert one.cost == sum((row.cost or Decimal(0) for row in rows), Decimal(0))
        assert one.unpriced == rows.filter(cost=None).count()
    assert set(before[BY.PERSON]) == {str(cast.admin.user_id), str(cast.member.user_id), ""}
    assert usage_days.roll_up() > 5
    assert read() == before
    rolled = Counter(UsageDay.objects.values_list("by", flat=True))
    call(cast, 0, model="large", input_tokens=7)
    assert read()[BY.MODEL]["large"].calls == before[BY.MODEL]["large"].calls + 1
    assert usage_days.roll_up() == 0
    assert Counter(UsageDay.objects.values_list("by", flat=True)) == rolled
    assert "theirs" not in read()[BY.MODEL]


def test_a_day_is_added_up_only_an_hour_after_it_ended(cast):
    call(cast, 1)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    assert usage_days.roll_up(midnight + timedelta(minutes=30)) == 0
    assert usage_days.roll_up(midnight + timedelta(minutes=90)) == 1


def test_reading_asks_three_questions(cast):
    for day in range(5):
        call(cast, day, model=f"m{day}")
    with CaptureQueriesContext(connection) as asked:
        usage_days.spent(cast.workspace, BY.MODEL, timezone.localdate() - timedelta(days=30))
    assert len(asked) == 3


@pytest.mark.parametrize(("most", "top"), [(0, "1"), (1, "1"), (3, "5"), (10, "10"), (11, "20"), (1234, "2\u202f000")])
def test_columns_end_at_a_number_that_reads_well(most, top):
    drawn = charts.columns("Questions", ["Mon", "Tue"], [charts.Series("Asked", [0, most])])
    assert drawn.top == top
    assert drawn.is_empty == (most == 0)
    assert drawn.rows == [("Tue", [charts.thin(most)]), ("Mon", ["0"])]
    assert all(0 <= bar.y <= 100 and bar.y + bar.height <= 100.01 for bar in drawn.bars)
