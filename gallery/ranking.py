"""The order of the gallery: how many people ask an assistant lately, times how well its answers are thought of.

    score = (sum over the people who asked in the last 30 days of 0.5 ** (days since each last asked / 10)) * approval
    approval = (thumbs up + 0.8 * 5) / (thumbs + 5)

A person counts once, by the last day on which they asked by hand; a thousand questions move it no more than one. Of a
person's thumbs on an assistant's answers only the newest counts. Its owners count as anybody does: each as one person.
API, evaluation, schedules and trials are in no row that this reads (see assistants/uses.py).

Here the formula stands in plain Python and computes from scratch; ``gallery.standing`` keeps the same numbers up in SQL. A
test holds them equal. In words for people: docs/user-guide/find-an-assistant.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from assistants.models import Feedback, UseDay
from portal.models import Workspace

WINDOW_DAYS = 30
HALF_LIFE_DAYS = 10
"""Who asked so many days ago counts half as much as who asked today."""
PRIOR, PRIOR_THUMBS = 0.8, 5
"""An assistant begins as if five people had judged it, four of them well: one thumb more does not make it first or last."""
SPANS, SPAN_DAYS = 10, 3
"""The small line on a card: people in each of ten spans of three days."""


@dataclass(frozen=True, slots=True)
class Rank:
    """``people``: distinct, within the window. ``damped``: what they count for together. ``trend``: oldest span first."""

    people: int = 0
    damped: float = 0.0
    trend: tuple[int, ...] = (0,) * SPANS
    ups: int = 0
    downs: int = 0

    @property
    def approval(self) -> float:
        return approval(self.ups, self.downs)

    @property
    def score(self) -> float:
        return self.damped * self.approval


def weight(age: int) -> float:
    """What a person counts for who asked last ``age`` days ago, today being 0."""
    return 0.5 ** (age / HALF_LIFE_DAYS) if 0 <= age < WINDOW_DAYS else 0.0


def approval(ups: int, downs: int) -> float:
    """The share of good thumbs, drawn towards PRIOR while they are few (a Bayesian average)."""
    return (ups + PRIOR * PRIOR_THUMBS) / (ups + downs + PRIOR_THUMBS)


def compute(workspace: Workspace, on: date) -> dict[UUID, Rank]:
    """The rank of every assistant of a workspace that was used or judged, from scratch, row by row."""
    days: dict[UUID, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    used = UseDay.objects.filter(
        workspace=workspace, assistant__isnull=False, day__gt=on - timedelta(days=WINDOW_DAYS), day__lte=on
    )
    for assistant, user, day in used.values_list("assistant", "user", "day"):
        days[assistant][user].add((on - day).days)
    thumbs = _thumbs(workspace)
    return {key: _rank(days.get(key, {}), thumbs.get(key, {}).values()) for key in days.keys() | thumbs.keys()}


def _rank(days: dict[int, set[int]], thumbs: Iterable[bool]) -> Rank:
    spans = [sum(any(age // SPAN_DAYS == span for age in ages) for ages in days.values()) for span in range(SPANS)]
    judged = list(thumbs)
    return Rank(
        people=len(days),
        damped=sum(weight(min(ages)) for ages in days.values()),
        trend=tuple(reversed(spans)),
        ups=sum(judged),
        downs=len(judged) - sum(judged),
    )


def _thumbs(workspace: Workspace) -> dict[UUID, dict[int, bool]]:
    """Each person's newest thumb on each assistant's answers to questions that were asked in the portal."""
    newest: dict[UUID, dict[int, bool]] = defaultdict(dict)
    rows = Feedback.objects.filter(version__assistant__workspace=workspace, message__via="portal")
    for assistant, user, up in rows.order_by("created", "pk").values_list("version__assistant", "user", "up"):
        newest[assistant][user] = up
    return newest
