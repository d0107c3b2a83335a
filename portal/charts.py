"""Charts that the server draws: shapes for templates/portal/chart.html and ranking.html. Each has its numbers in a table.

Columns are SVG without any text, stretched to the width that there is; words stand around them in HTML, so that they stay
readable on a phone. Nothing here needs a script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

THIN = "\u202f"
HEIGHT = 100
STEP = 10
"""Units of the drawing for one column, the gap included."""
GAP = 2


@dataclass(frozen=True, slots=True)
class Series:
    """``tone``: main, second or bad. Values in the order of the columns."""

    name: str
    values: Sequence[int]
    tone: str = "main"

    @property
    def total(self) -> int:
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Stacked columns over days or weeks. ``axis``: the first, the middle and the last label. ``rows``: the table behind it."""

    title: str
    words: str
    series: Sequence[Series]
    labels: Sequence[str]
    bars: Sequence[Bar]
    top: str
    heading: str = "Day"
    total: str = ""

    @property
    def width(self) -> int:
        return len(self.labels) * STEP

    @property
    def axis(self) -> list[str]:
        if len(self.labels) < 3:
            return list(self.labels)
        return [self.labels[0], self.labels[len(self.labels) // 2], self.labels[-1]]

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The newest first."""
        columns = zip(self.labels, *(one.values for one in self.series), strict=True)
        return [(str(label), [thin(value) for value in values]) for label, *values in reversed(list(columns))]

    @property
    def is_empty(self) -> bool:
        return not self.bars


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a ranking. ``share``: of the longest, 0 to 100."""

    name: str
    cells: Sequence[str]
    share: float
    address: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    """A table whose first number is drawn as well. ``rest``: what the lines that are not shown come to."""

    title: str
    heading: str
    columns: Sequence[str]
    lines: Sequence[Line] = field(default_factory=list)
    empty: str = "Nothing yet."
    rest: str = ""
    words: str = ""


def thin(number: int | Decimal) -> str:
    return f"{number:,}".replace(",", THIN)


def money(amount: Decimal, currency: str) -> str:
    """Two digits, or for less than one of the currency as many as tell something."""
    shown = (
        f"{amount:,.2f}" if amount >= 1 or not amount else f"{amount:.2g}" if amount >= Decimal("0.0001") else "<0.0001"
    )
    return f"{shown.replace(',', THIN)} {currency}"


def day_label(day: date) -> str:
    return f"{day.day} {day:%b}"


def columns(
    title: str, labels: Sequence[str], series: Sequence[Series], *, heading: str = "Day", total: str = ""
) -> Columns:
    """Series are stacked, the first at the bottom. ``total``: a number in words beside the title."""
    heights = [sum(values) for values in zip(*(one.values for one in series), strict=True)] or [0]
    top = _round_up(max(heights))
    bars = []
    for place, label in enumerate(labels):
        below = 0.0
        told = f"{label}: " + ", ".join(f"{one.name.lower()} {thin(one.values[place])}" for one in series)
        for one in series:
            height = one.values[place] / top * HEIGHT
            if height:
                y = round(HEIGHT - below - height, 2)
                bars.append(Bar(place * STEP + GAP / 2, y, STEP - GAP, round(height, 2), one.tone, told))
            below += height
    sums = ", ".join(f"{thin(one.total)} {one.name.lower()}" for one in series)
    highest = heights.index(max(heights)) if bars else None
    words = f"{title}: {sums}. Most on {labels[highest]}." if highest is not None else f"{title}: nothing yet."
    return Columns(title, words, series, labels, bars, thin(top), heading, total)


def _round_up(most: int) -> int:
    """The next number that reads well at the end of a scale."""
    size = 1
    while True:
        for step in (1, 2, 5):
            if most <= step * size:
                return step * size
        size *= 10


def lines(rows: Sequence[tuple[str, int | Decimal, Sequence[str], str]]) -> list[Line]:
    """``rows``: name, the number that is drawn, what stands in the columns, and an address or nothing."""
    longest = max((amount for _name, amount, _cells, _address in rows), default=0)
    return [
        Line(name, cells, round(float(amount / longest * 100), 1) if longest else 0, address)
        for name, amount, cells, address in rows
    ]
