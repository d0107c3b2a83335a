"""From our filters to Qdrant's, in the JSON shape that both the server's API and the embedded engine's wire use.

The workspace is put in here, from the handle, and every clause that leaves this module has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from datasources.retrieval.types import Branch, Filter, Selector

Clause = dict[str, Any]


def for_reader(workspace: UUID, filter: Filter) -> Clause | None:
    """What a reader may see and asked for, or None where that is certainly nothing."""
    if admits_nothing(filter):
        return None
    must: list[Clause] = [_is("workspace", workspace)]
    must += [group for group in map(_any_branch, _branch_lists(filter)) if group is not None]
    must += [_is("tags", tag) for tag in filter.tags_all]
    if filter.since is not None or filter.until is not None:
        must.append(_within(filter.since, filter.until))
    clause: Clause = {"must": must}
    if filter.tags_none:
        clause["must_not"] = [_any_of("tags", filter.tags_none)]
    return clause


def admits_nothing(filter: Filter) -> bool:
    """Whether no passage of any workspace could pass: no grants, or knowledge or a narrowing that names nothing."""
    return any(_any_branch(branches) is None for branches in _branch_lists(filter))


def _branch_lists(filter: Filter) -> list[tuple[Branch, ...]]:
    """Each of them has to let a passage through."""
    return [branches for branches in (filter.allowed, filter.wanted, filter.narrow) if branches is not None]


def for_selector(workspace: UUID, selector: Selector) -> Clause | None:
    """What a selector names, or None where it names nothing (an empty ``nodes``)."""
    if selector.nodes is not None and not selector.nodes:
        return None
    must: list[Clause] = [_is("workspace", workspace)]
    if selector.source is not None:
        must.append(_is("source", selector.source))
    if selector.node is not None:
        must.append(_is("node", selector.node))
    if selector.nodes is not None:
        must.append(_any_of("node", selector.nodes))
    if selector.parent is not None:
        must.append(_is("parents", selector.parent))
    if selector.from_position is not None:
        must.append({"key": "position", "range": {"gte": selector.from_position}})
    return {"must": must}


def only_workspace(workspace: UUID) -> Clause:
    return {"must": [_is("workspace", workspace)]}


def with_ids(clause: Clause, ids: Iterable[UUID]) -> Clause:
    return {**clause, "must": [*clause["must"], {"has_id": [str(id) for id in ids]}]}


def _any_branch(branches: Iterable[Branch]) -> Clause | None:
    """OR over branches; None where no branch can hold anything."""
    clauses = [
        _branch(branch)
        for branch in branches
        if (branch.parents_in is None or branch.parents_in) and branch.readers != ()
    ]
    if not clauses:
        return None
    return clauses[0] if len(clauses) == 1 else {"should": clauses}


def _branch(branch: Branch) -> Clause:
    clause: Clause = {"must": [_is("source", branch.source)]}
    if branch.parents_in is not None:
        clause["must"].append(_any_of("parents", branch.parents_in))
    if branch.readers is not None:
        clause["must"].append(_any_of("readers", branch.readers))
    if branch.parents_not_in:
        clause["must_not"] = [_any_of("parents", branch.parents_not_in)]
    return clause


def _is(key: str, value: UUID | str) -> Clause:
    return {"key": key, "match": {"value": str(value)}}


def _any_of(key: str, values: Iterable[UUID | str]) -> Clause:
    return {"key": key, "match": {"any": [str(value) for value in values]}}


def _within(since: datetime | None, until: datetime | None) -> Clause:
    bounds = {"gte": _instant(since), "lt": _instant(until)}
    return {"key": "timestamp", "range": {bound: value for bound, value in bounds.items() if value}}


def _instant(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; a time window needs aware datetimes.")
    return moment.astimezone(UTC).isoformat()
