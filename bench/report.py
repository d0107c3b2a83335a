"""What was measured, as a page of Markdown: goals first, then each part's own table."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Goal:
    """``found`` against ``limit``; ``below`` says on which side of it is good."""

    name: str
    found: float
    limit: float
    unit: str
    below: bool = True

    @property
    def met(self) -> bool:
        return self.found < self.limit if self.below else self.found >= self.limit

    def row(self) -> str:
        sign = "<" if self.below else "≥"
        return f"| {self.name} | {sign} {_number(self.limit, self.unit)} | {_number(self.found, self.unit)} | {'yes' if self.met else '**no**'} |"


def _number(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.0f} %"
    return f"{value:,.1f} {unit}" if abs(value) < 100 else f"{value:,.0f} {unit}"


@dataclass(slots=True)
class Part:
    """One part of the report. ``load``: the machine's, each time something was measured."""

    title: str
    words: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        self.loads.append(os.getloadavg()[0])
        self.rows.append(cells)
        print("  " + " · ".join(cells), flush=True)

    def goal(self, name: str, found: float, limit: float, unit: str, *, below: bool = True) -> None:
        self.goals.append(Goal(name, found, limit, unit, below))

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", self.words, "", _line(self.head), _line(["---"] * len(self.head))]
        lines += [_line(row) for row in self.rows]
        if self.loads:
            lines += ["", f"Load of the machine meanwhile (1 minute): {min(self.loads):.1f} to {max(self.loads):.1f}."]
        return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def page(parts: Sequence[Part], seconds: float) -> str:
    goals = [goal.row() for part in parts for goal in part.goals]
    head = [
        "# Bench",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} processors, {platform.machine()}, Python "
        f"{platform.python_version()}, {seconds / 60:.0f} minutes. What each figure means: bench/README.md.",
        "",
        "| Goal | wanted | found | met |",
        "|---|---|---|---|",
        *goals,
        "",
    ]
    return "\n".join(head) + "\n" + "\n\n".join(part.markdown() for part in parts) + "\n"


def write(parts: Sequence[Part], seconds: float, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(parts, seconds))


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def both(values: Sequence[float]) -> str:
    """p50/p95 of seconds, in ms."""
    return f"{1000 * percentile(values, 0.5):.0f}/{1000 * percentile(values, 0.95):.0f}"
