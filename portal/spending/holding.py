"""Reserving before a call and settling after it, so that any number at once overshoot by nothing.

A reservation is one conditional UPDATE for each budget, ``spent + held + amount <= limit``, in the order of the budgets, all in
one transaction: the database serialises those that meet on a row, and the one that finds no room takes nothing anywhere.
Settling locks the rows in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, Q, Sum
from django.utils import timezone

from portal.models import Budget, Hold, Spending, UsageRecord
from portal.prepared import statement
from portal.spending import periods

LASTS = timedelta(minutes=20)
"""How long a call can take at most; a hold that is older belonged to a process that died."""

# The reservation need not outlive a crash of the database, which the call would not either: nobody waits for the disk.
_TAKE = """
WITH taken AS (
    UPDATE portal_spending s SET held = s.held + $4
    FROM portal_budget b, (SELECT set_config('synchronous_commit', 'off', true)) AS at_once
    WHERE s.budget_id = $1 AND s.subject = $2 AND s.starts = $3 AND b.id = s.budget_id
      AND s.spent + s.held + $4 <= b."limit"
    RETURNING s.id
)
INSERT INTO portal_hold (spending_id, call, amount, until) SELECT id, $5, $4, $6 FROM taken RETURNING spending_id
"""
_LOCK = """
SELECT s.id FROM portal_spending s
WHERE s.id IN (SELECT h.spending_id FROM portal_hold h WHERE h.call = ANY($1))
ORDER BY s.budget_id, s.id FOR UPDATE
"""
# What can't be told is charged as it was held: no price any more, or a process that died.
_SETTLE = """
WITH gone AS (
    DELETE FROM portal_hold h USING unnest($1::uuid[], $2::numeric[], $3::numeric[]) AS w (call, tokens, cost)
    WHERE h.call = w.call RETURNING h.spending_id, h.amount, w.tokens, w.cost
), summed AS (
    SELECT g.spending_id, sum(g.amount) AS held,
           sum(COALESCE(CASE b.unit WHEN 'tokens' THEN g.tokens ELSE g.cost END, g.amount)) AS spent
    FROM gone g JOIN portal_spending s ON s.id = g.spending_id JOIN portal_budget b ON b.id = s.budget_id
    GROUP BY g.spending_id
)
UPDATE portal_spending s SET held = s.held - summed.held, spent = s.spent + summed.spent
FROM summed WHERE s.id = summed.spending_id
"""


@dataclass(frozen=True, slots=True)
class Taking:
    """``amount``: an upper bound, in the budget's unit."""

    budget: Budget
    subject: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Settling:
    """What the call that holds carry as their key spent; None where nobody knows."""

    call: UUID
    tokens: int | None
    cost: Decimal | None


class NoRoom(Exception):
    """A budget that the call does not fit. ``left``: what is neither spent nor held."""

    def __init__(self, taking: Taking, left: Decimal, starts: date) -> None:
        super().__init__(str(taking.budget))
        self.taking, self.left, self.starts = taking, left, starts


def reserve(takings: Sequence[Taking]) -> UUID:
    """Take the amounts off all of these budgets, or off none. Gives the key to settle with. Raises NoRoom."""
    ordered = sorted(takings, key=lambda taking: taking.budget.pk)
    while True:
        try:
            return _reserve(ordered)
        except NoRoom as full:
            budget, subject = full.taking.budget, full.taking.subject
            row = Spending.objects.filter(budget=budget, subject=subject, starts=full.starts).first()
            if row is not None:
                full.left = max(Decimal(0), budget.limit - row.spent - row.held)
                raise
            if not Budget.objects.filter(pk=budget.pk).exists():
                # It was removed meanwhile.
                ordered = [taking for taking in ordered if taking.budget.pk != budget.pk]
            else:
                open_spending(budget, subject)


def _reserve(takings: Sequence[Taking]) -> UUID:
    call, until = uuid4(), timezone.now() + LASTS
    # One statement needs no transaction around it.
    with transaction.atomic() if len(takings) > 1 else nullcontext():
        for taking in takings:
            starts = periods.start_of(taking.budget.period)
            given = [taking.budget.pk, taking.subject, starts, taking.amount, call, until]
            if not statement(_TAKE, given):
                raise NoRoom(taking, Decimal(0), starts)
    return call


def open_spending(budget: Budget, subject: str) -> None:
    """The row of this period, where there is none yet. In the period that the budget was made in, what was spent before counts."""
    starts = periods.start_of(budget.period)
    Spending.objects.bulk_create(
        [Spending(budget=budget, subject=subject, starts=starts, spent=spent_before(budget, subject, starts))],
        ignore_conflicts=True,
    )


def spent_before(budget: Budget, subject: str, starts: date) -> Decimal:
    """What the usage has of this period; zero for periods that began under the budget. One query at most."""
    if budget.created < periods.midnight(starts):
        return Decimal(0)
    kind, _, key = subject.partition(":")
    whose = Q() if not kind else Q(user=int(key)) if kind == "user" else Q(assistant=UUID(key))
    rows = UsageRecord.objects.filter(whose, workspace=budget.workspace_id, at__gte=periods.midnight(starts))
    amount = F("cost") if budget.unit == Budget.Unit.CURRENCY else F("input_tokens") + F("output_tokens")
    return Decimal(rows.aggregate(spent=Sum(amount))["spent"] or 0)


def settle(calls: Sequence[Settling]) -> None:
    """Let go of what was held for these calls, and count what they spent. A call whose holds are gone changes nothing.

    In the transaction of the usage's rows.
    """
    if not calls:
        return
    keys = [settling.call for settling in calls]
    with transaction.atomic():
        statement(_LOCK, [keys])
        statement(_SETTLE, [keys, [s.tokens for s in calls], [s.cost for s in calls]])


def release(call: UUID) -> None:
    """The call was never made: nothing is charged."""
    settle([Settling(call, 0, Decimal(0))])


def sweep(*, everything: bool = False) -> int:
    """Charge and let go of what processes held that died; gives how many calls. ``everything``: no call is under way at all."""
    now = timezone.now()
    dead = Hold.objects.all() if everything else Hold.objects.filter(until__lt=now)
    calls = list(dead.order_by().values_list("call", flat=True).distinct()[:10_000])
    settle([Settling(call, None, None) for call in calls])
    return len(calls)
