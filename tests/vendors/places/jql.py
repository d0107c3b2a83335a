"""As much of JQL as is asked of the loopback Jira: clauses joined by AND, parentheses, and an order."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

Issue = dict[str, Any]


class BadQuery(Exception):
    """What Jira says to a query that it does not take."""


def select(issues: list[Issue], jql: str, projects: set[str]) -> list[Issue]:
    """``projects``: ids that exist; naming another is an error, as at Jira."""
    where, _, order = re.sub(r"\s+", " ", jql).partition(" ORDER BY ")
    if not where.strip() and not order:
        raise BadQuery("Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
    found = [issue for issue in issues if _holds(where, issue, projects)]
    for part in reversed([one.strip() for one in order.split(",") if one.strip()]):
        name, _, direction = part.partition(" ")
        found.sort(key=_sorter(name), reverse=direction == "DESC")
    return found


def _sorter(name: str) -> Callable[[Issue], Any]:
    if name == "key":
        return lambda issue: (issue["project"], int(issue["key"].rpartition("-")[2]))
    return lambda issue: issue[name]


def _holds(where: str, issue: Issue, projects: set[str]) -> bool:
    return all(_clause(clause, issue, projects) for clause in _split(where))


def _split(where: str) -> list[str]:
    parts, depth, begin = [], 0, 0
    for found in re.finditer(r"[()]| AND ", where):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if found[0] == " AND " and depth == 0:
            parts.append(where[begin : found.start()])
            begin = found.end()
    return [part.strip() for part in [*parts, where[begin:]] if part.strip()]


def _clause(clause: str, issue: Issue, projects: set[str]) -> bool:
    if clause.startswith("(") and clause.endswith(")"):
        return _holds(clause[1:-1], issue, projects)
    found = re.fullmatch(r"(\w+) (=|!=|in|not in|>=) (.+)", clause)
    if found is None:
        raise BadQuery(f"Error in the JQL Query: Expecting operator but got '{clause}'.")
    name, sign, text = found.groups()
    values = [one.strip().strip('"') for one in text.strip("()").split(",")]
    if name == "updated":
        return issue["updated"] >= _moment(values[0])
    if name == "project" and (unknown := [one for one in values if one not in projects]):
        raise BadQuery(f"The value '{unknown[0]}' does not exist for the field 'project'.")
    held = {
        "project": [issue["project"]],
        "id": [issue["id"]],
        "labels": issue["labels"],
        "status": [issue["status"]],
    }.get(name)
    if held is None:
        raise BadQuery(f"Field '{name}' does not exist or you do not have permission to view it.")
    matches = any(value in held for value in values)
    return not matches if sign in ("!=", "not in") else matches


def _moment(text: str) -> datetime:
    """``-15m`` counts back from now; a day begins at midnight."""
    if back := re.fullmatch(r"-(\d+)m", text):
        return datetime.now(UTC) - timedelta(minutes=int(back[1]))
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
