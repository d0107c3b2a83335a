"""What was spent, day by day: days that are over are added up once, and reading adds the calls since then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import CharField, Count, F, Max, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast, Coalesce, TruncDate
from django.utils import timezone

from portal.models import UsageDay, UsageRecord, Workspace

LATE = timedelta(hours=1)
"""After midnight, until a day counts as over: a call is dated before its transaction ends."""

_KEYS: dict[str, Any] = {
    UsageDay.By.MODEL: F("model"),
    UsageDay.By.ASSISTANT: Cast("assistant", CharField()),
    UsageDay.By.PERSON: Cast("user", CharField()),
}
_SUMS: dict[str, Any] = {
    "number": Count("pk"),
    "input": Sum("input_tokens"),
    "output": Sum("output_tokens"),
    "priced": Coalesce(Sum("cost"), Decimal(0)),
    "without": Count("pk", filter=Q(cost=None)),
}


@dataclass(slots=True)
class Spent:
    """What one model, assistant or person spent. ``cost``: of the calls whose price is known; ``unpriced``: how many are not."""

    key: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def add(self, calls: int, input_tokens: int, output_tokens: int, cost: Decimal, unpriced: int) -> None:
        self.calls += calls
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.cost += cost
        self.unpriced += unpriced


def roll_up(now: datetime | None = None) -> int:
    """Add up every day that is over and not added up yet; gives how many. Each day in one transaction, oldest first."""
    until = timezone.localdate((now or timezone.now()) - LATE)
    done = 0
    for workspace in Workspace.objects.values_list("pk", flat=True):
        for day in _open_days(workspace, until):
            _roll_up(workspace, day)
            done += 1
    return done


def spent(workspace: Workspace, by: str, since: date) -> list[Spent]:
    """By each model, assistant or person from ``since`` on, today included; the dearest first. Three queries."""
    found: dict[str, Spent] = {}
    after = _added_up_to(workspace.pk)
    days = UsageDay.objects.filter(workspace=workspace, by=by, day__gte=since).values("key")
    sums = days.annotate(
        number=Sum("calls"), input=Sum("input_tokens"), output=Sum("output_tokens"),
        priced=Sum("cost"), without=Sum("unpriced"),
    )  # fmt: skip
    first = max(since, after + timedelta(days=1)) if after else since
    for row in (*sums, *_keyed(_records(workspace.pk, first), by)):
        one = found.setdefault(row["key"] or "", Spent(row["key"] or ""))
        one.add(row["number"], row["input"], row["output"], row["priced"], row["without"])
    return sorted(found.values(), key=lambda one: (one.cost, one.tokens), reverse=True)


def _added_up_to(workspace: Any) -> date | None:
    """The last day whose calls are in UsageDay, all of them."""
    rows = UsageDay.objects.filter(workspace=workspace, by=UsageDay.By.MODEL)
    return rows.aggregate(last=Max("day"))["last"]


def _open_days(workspace: Any, until: date) -> list[date]:
    after = _added_up_to(workspace)
    rows = _records(workspace, after + timedelta(days=1) if after else None, until)
    days = rows.annotate(day=TruncDate("at")).order_by().values_list("day", flat=True).distinct()
    return sorted(days)


def _records(workspace: Any, first: date | None, before: date | None = None) -> QuerySet[UsageRecord]:
    rows = UsageRecord.objects.filter(workspace=workspace)
    if first is not None:
        rows = rows.filter(at__gte=_midnight(first))
    return rows if before is None else rows.filter(at__lt=_midnight(before))


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _keyed(rows: QuerySet[UsageRecord], by: str) -> Iterable[Any]:
    keyed = rows.order_by().annotate(key=Coalesce(_KEYS[by], Value(""), output_field=CharField()))
    return keyed.values("key").annotate(**_SUMS)


@transaction.atomic
def _roll_up(workspace: Any, day: date) -> None:
    rows = _records(workspace, day, day + timedelta(days=1))
    for by in UsageDay.By:
        UsageDay.objects.bulk_create(_days(rows, workspace, by, day), batch_size=1000, ignore_conflicts=True)


def _days(rows: QuerySet[UsageRecord], workspace: Any, by: str, day: date) -> Iterator[UsageDay]:
    for row in _keyed(rows, by):
        yield UsageDay(
            workspace_id=workspace,
            by=by,
            day=day,
            key=row["key"],
            calls=row["number"],
            input_tokens=row["input"],
            output_tokens=row["output"],
            cost=row["priced"],
            unpriced=row["without"],
        )
