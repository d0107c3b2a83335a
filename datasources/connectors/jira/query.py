"""The questions in JQL: which issues of which projects, with what was entered for them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from datasources.connectors.lines import moment

OVERLAP = 5
"""Minutes that each run looks back beyond the last: JQL counts in minutes, and Jira's index comes a little late."""
TOGETHER = 50
"""Projects in one question."""
_ORDER = re.compile(r"\border\s+by\b(?=(?:[^\"']*[\"'][^\"']*[\"'])*[^\"']*$).*$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Narrow:
    """What a selection and the source's settings demand besides the project. ``jql`` may be empty."""

    jql: str = ""
    date_from: str = ""

    @property
    def empty(self) -> bool:
        return not (self.jql or self.date_from)

    def clauses(self) -> list[str]:
        found = [f"({self.jql})"] if self.jql else []
        return [*found, f'updated >= "{self.date_from}"'] if self.date_from else found


def narrow(settings_jql: str, options: Mapping[str, Any]) -> Narrow:
    parts = [_clean(settings_jql), _clean(str(options.get("jql") or ""))]
    day = moment(options.get("date_from"))
    return Narrow(") AND (".join(part for part in parts if part), day.date().isoformat() if day else "")


def _clean(jql: str) -> str:
    """Without an order of its own, which is ours to choose."""
    return _ORDER.sub("", jql).strip()


def of_projects(ids: Sequence[str], narrowed: Narrow, *more: str) -> str:
    """``ids`` may be empty where every project is meant."""
    where = [f"project in ({', '.join(ids)})"] if len(ids) > 1 else [f"project = {one}" for one in ids]
    return " AND ".join([*where, *more, *narrowed.clauses()])


def minutes_since(since: datetime, now: datetime | None = None) -> int:
    """Counted back from Jira's own clock, so that neither clocks nor the account's time zone matter."""
    passed = ((now or datetime.now(UTC)) - since).total_seconds()
    return max(0, math.ceil(passed / 60)) + OVERLAP
