"""What budgets have left, for screens and the API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, Sum

from portal.models import Budget, Membership, Spending, UsageRecord, User, Workspace
from portal.spending import budgets, holding, periods
from portal.spending.accounts import amount, ask_one_of, first_admins, left_of, money, whose_is
from portal.spending.budgets import Applying

NEAR = 0.8
"""Of a budget: from here on people are told."""


class Contacts:
    """Whom people ask for more of some budgets of one workspace. Two queries for all of them, when the first is asked for."""

    def __init__(self, rows: Iterable[Budget]) -> None:
        self._rows = list(rows)

    def of(self, budget: Budget) -> str:
        """In a sentence: whom the budget names, else the admins."""
        named = self._named.get(budget.contact_id) if budget.contact_id else None
        return ask_one_of([named] if named else self._admins)

    @cached_property
    def _named(self) -> dict[int, str]:
        ids = {row.contact_id for row in self._rows if row.contact_id}
        return {user.pk: str(user) for user in User.objects.filter(pk__in=ids)} if ids else {}

    @cached_property
    def _admins(self) -> list[str]:
        return first_admins(self._rows[0].workspace_id)


@dataclass(frozen=True)
class Standing:
    """One budget's share of one subject in the period that runs. ``name``: a person's or an assistant's, where it is one's.

    ``contacts``: of all the budgets that are shown together.
    """

    budget: Budget
    subject: str
    starts: date
    spent: Decimal
    held: Decimal
    name: str = ""
    contacts: Contacts | None = None

    @property
    def left(self) -> Decimal:
        return max(Decimal(0), self.budget.limit - self.spent - self.held)

    @property
    def share(self) -> float:
        """Of the limit, what is spent or held: 0 to 1, and more where a limit was lowered."""
        return float((self.spent + self.held) / self.budget.limit)

    @property
    def percent(self) -> int:
        return min(100, int(100 * self.share))

    @property
    def is_near(self) -> bool:
        return self.share >= NEAR

    @property
    def anew(self) -> datetime:
        return periods.midnight(periods.end_of(self.budget.period, self.starts))

    @property
    def title(self) -> str:
        """ "This workspace, a day", "Each person, a month", "Ada, a month"."""
        every = {"workspace": "The workspace", "person": "Each person", "assistant": "Each assistant"}
        return f"{self.name or every[self.budget.covers]}, {self.budget.get_period_display().lower()}"

    @property
    def whose(self) -> str:
        """The same for whom it holds back: "Your budget for this month"."""
        return whose_is(self.budget)

    @property
    def left_words(self) -> str:
        return left_of(self.budget, self.left)

    @property
    def spent_words(self) -> str:
        return amount(self.budget, self.spent)

    @property
    def ask(self) -> str:
        """Whom to ask for more, in a sentence."""
        return (self.contacts or Contacts([self.budget])).of(self.budget)


def of_person(membership: Membership, assistant: UUID | None = None) -> list[Standing]:
    """The budgets that this person's questions fall under, the fullest first. One query where there are none, else two."""
    found = budgets.applying(membership.workspace_id, membership.user_id, assistant)
    for one in found:
        one.budget.workspace = membership.workspace
    return _standings(found)


def of_assistant(workspace: UUID, assistant: UUID) -> list[Standing]:
    """The budgets of one assistant: for its owners."""
    found = budgets.applying(workspace, None, assistant)
    return _standings([one for one in found if one.budget.covers == Budget.Covers.ASSISTANT])


def _standings(found: Iterable[Applying]) -> list[Standing]:
    wanted = list(found)
    if not wanted:
        return []
    rows = Spending.objects.filter(
        budget__in=[one.budget for one in wanted], starts__in=periods.current(), subject__in={o.subject for o in wanted}
    )
    known = {(row.budget_id, row.subject, row.starts): row for row in rows}
    contacts = Contacts(one.budget for one in wanted)
    made = [_standing(one, known, contacts) for one in wanted]
    return sorted(made, key=lambda standing: -standing.share)


def _standing(one: Applying, known: dict[tuple[Any, str, date], Spending], contacts: Contacts) -> Standing:
    starts = periods.start_of(one.budget.period)
    row = known.get((one.budget.pk, one.subject, starts))
    spent = row.spent if row is not None else holding.spent_before(one.budget, one.subject, starts)
    held = row.held if row is not None else Decimal(0)
    return Standing(one.budget, one.subject, starts, spent, held, contacts=contacts)


def fullest(rows: Iterable[Budget]) -> dict[UUID, Spending]:
    """Of each budget, the subject that has spent most in the period that runs. One query; none for no budgets."""
    wanted = list(rows)
    if not wanted:
        return {}
    found = (
        Spending.objects.filter(budget__in=wanted)
        .filter(_running())
        .order_by("budget_id", -(F("spent") + F("held")))
        .distinct("budget_id")
    )
    return {row.budget_id: row for row in found}


def near_end(workspace: UUID | None, most: int = 10) -> list[Standing]:
    """What is nearly or wholly spent now, the fullest first; of all workspaces for None. Three queries at most."""
    rows = (
        Spending.objects.filter(_running(), **({} if workspace is None else {"budget__workspace": workspace}))
        .filter(spent__gte=F("budget__limit") * Decimal(str(NEAR)) - F("held"))
        .select_related("budget__workspace")
        .order_by(-(F("spent") + F("held")) / F("budget__limit"))[:most]
    )
    return named([Standing(row.budget, row.subject, row.starts, row.spent, row.held) for row in rows])


def spendings_of(budget: Budget, most: int = 50) -> list[Standing]:
    """Who spent how much of one budget in the period that runs, most first. Three queries at most."""
    rows = budget.spendings.filter(starts=periods.start_of(budget.period)).order_by(-(F("spent") + F("held")))[:most]
    return named([Standing(budget, row.subject, row.starts, row.spent, row.held) for row in rows])


def named(found: list[Standing]) -> list[Standing]:
    """The same with names of people and assistants. Two queries at most, and one for each workspace."""
    keys = [one.subject.partition(":") for one in found]
    people = {str(u.pk): str(u) for u in User.objects.filter(pk__in=[k for kind, _, k in keys if kind == "user"])}
    handles: dict[str, str] = {}
    for workspace in {one.budget.workspace for one in found}:
        ids = [UUID(k) for (kind, _, k), one in zip(keys, found, strict=True) if kind == "assistant"]
        handles |= {str(key): name for key, name in budgets.names_of(workspace, ids).items()}
    return [
        Standing(one.budget, one.subject, one.starts, one.spent, one.held, people.get(key) or handles.get(key) or "")
        for one, (_, _, key) in zip(found, keys, strict=True)
    ]


def _running() -> Q:
    day, month = periods.current()
    return Q(budget__period="day", starts=day) | Q(budget__period="month", starts=month)


@dataclass(frozen=True, slots=True)
class Used:
    """What the usage of one month adds up to. ``cost`` is of what has a price; ``unpriced`` calls have none."""

    calls: int
    tokens: int
    cost: Decimal
    unpriced: int
    currency: str

    @property
    def cost_words(self) -> str:
        return money(self.cost, self.currency)


def used(workspace: Workspace, user: User | None = None) -> Used:
    """This month's calls of the workspace, or of one person in it. One query."""
    rows = UsageRecord.objects.filter(
        workspace=workspace, at__gte=periods.midnight(periods.start_of(Budget.Period.MONTH))
    )
    if user is not None:
        rows = rows.filter(user=user)
    sums = rows.aggregate(
        calls=Count("pk"),
        tokens=Sum(F("input_tokens") + F("output_tokens")),
        total=Sum("cost"),
        unpriced=Count("pk", filter=Q(cost=None)),
    )
    return Used(sums["calls"], sums["tokens"] or 0, Decimal(sums["total"] or 0), sums["unpriced"], workspace.currency)
