"""What Notion's changes are: a whole listing that can go on where it was broken off, what was edited since, and single nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from datasources.connectors.base import (
    Change,
    Checkpoint,
    Chosen,
    Complete,
    Cursor,
    Delete,
    NodeError,
    RemoteNode,
    Skipped,
    Upsert,
)
from datasources.connectors.lines import Lines, moment
from datasources.connectors.notion.client import Json, Notion, Rejected
from datasources.connectors.notion.places import (
    UNSHARED,
    UNSHARED_NODE,
    Found,
    Places,
    database_version,
    is_gone,
)

OVERLAP = timedelta(minutes=10)
"""Search lags behind edits, and their times are rounded: what was edited so shortly before the last run is told again."""
Waiting = tuple[Found, str | None]


class Listing:
    """One run. Knows what it has told; ``newest`` is the latest edit that it has seen (ISO, as Notion writes it)."""

    def __init__(self, notion: Notion, chosen: Sequence[Chosen]) -> None:
        self.notion = notion
        self.chosen = chosen
        self.lines = Lines(chosen)
        self.places = Places(notion)
        self.newest = ""
        self.told: set[str] = set()
        self.done: set[str] = set()

    def whole(self, cursor: Cursor) -> Iterator[Change]:
        state: dict[str, Any] = dict(cursor.get("whole") or {})
        self.newest = str(state.get("newest") or "")
        began = datetime.now(UTC).isoformat()
        at = state.get("at")
        try:
            if state.get("step") != "pages":
                yield from self._databases(at)
                at = None
            yield from self._pages(at)
        except Rejected:
            if not state:
                raise
            yield from Listing(self.notion, self.chosen).whole({})
            return
        yield Checkpoint({"since": self.newest or began})
        yield Complete(None)

    def since(self, since: str) -> Iterator[Change]:
        """What was edited since, oldest first. Of a database whose rows changed, all rows are looked at but only these are told."""
        floor = (moment(since) or datetime.now(UTC)) - OVERLAP
        edited: list[Found] = []
        databases: dict[str, None] = {}
        for thing in self.notion.searched(newest_first=True):
            at = moment(thing.get("last_edited_time"))
            if at is None or at < floor:
                break
            self._note(thing)
            if is_gone(thing):
                continue
            if thing.get("object") == "page":
                edited.append(self.places.page(thing))
            else:
                self.places.know_schema(thing)
                databases[str((thing.get("parent") or {}).get("database_id") or "")] = None

        def recent(row: RemoteNode) -> bool:
            return row.modified is None or row.modified >= floor

        for one in databases:
            yield from self._database(one, recent)
        for found in reversed(edited):
            yield from self._tell(found, recent)
        yield Checkpoint({"since": max(self.newest, since)})

    def look(self, external_ids: Sequence[str]) -> Iterator[Change]:
        for external_id in external_ids:
            if external_id == UNSHARED:
                continue
            found = self.places.get(external_id)
            if found is None:
                yield Delete(external_id)
            elif external_id.startswith("database:"):
                yield from self._database(external_id.partition(":")[2], lambda row: False)
            else:
                yield from self._tell(found, partial(_is, external_id))

    # a whole listing

    def _databases(self, at: str | None) -> Iterator[Change]:
        while True:
            found = self.notion.search("data_source", at=at)
            for source in found.get("results") or ():
                self._note(source)
                if is_gone(source):
                    continue
                self.places.know_schema(source)
                yield from self._database(str((source.get("parent") or {}).get("database_id") or ""))
            at = found.get("next_cursor") if found.get("has_more") else None
            yield Checkpoint({"whole": {"step": "databases" if at else "pages", "at": at, "newest": self.newest}})
            if not at:
                return

    def _pages(self, at: str | None) -> Iterator[Change]:
        """Pages come in the order of their edits: those that come before what they lie in wait for it."""
        waiting: dict[str, list[Waiting]] = {}
        while True:
            here, found = at, self.notion.search("page", at=at)
            for page in found.get("results") or ():
                self._note(page)
                if not is_gone(page):
                    yield from self._arrived(self.places.page(page), here, waiting)
            at = found.get("next_cursor") if found.get("has_more") else None
            if not at:
                break
            oldest = next((cursor for held in waiting.values() for _, cursor in held), at)
            yield Checkpoint({"whole": {"step": "pages", "at": oldest, "newest": self.newest}})
        while waiting:
            yield from self._forced(waiting)

    def _arrived(self, found: Found, cursor: str | None, waiting: dict[str, list[Waiting]]) -> Iterator[Change]:
        kind, one = self.places.owner(found.above) or ("", "")
        if kind == "page" and f"page:{one}" not in self.told and f"page:{one}" not in self.done:
            waiting.setdefault(f"page:{one}", []).append((found, cursor))
            return
        ready = [found]
        while ready:
            next_one = ready.pop()
            yield from self._tell(next_one)
            self.done.add(next_one.node.external_id)
            ready += [held for held, _ in waiting.pop(next_one.node.external_id, ())]

    def _forced(self, waiting: dict[str, list[Waiting]]) -> Iterator[Change]:
        """Search did not give what these lie in: it is asked for by its id, and where it can't be seen they are told all the same."""
        held = {found.node.external_id for many in waiting.values() for found, _ in many}
        key = next((key for key in waiting if key not in held), next(iter(waiting)))
        ready = [found for found, _ in waiting.pop(key)]
        while ready:
            found = ready.pop()
            yield from self._tell(found)
            self.done.add(found.node.external_id)
            ready += [one for one, _ in waiting.pop(found.node.external_id, ())]

    # one thing

    def _tell(self, found: Found, rows: Callable[[RemoteNode], bool] = lambda row: True) -> Iterator[Change]:
        """A page after what is above it, where it is chosen. A row brings its database along."""
        if found.node.external_id in self.told:
            return
        owner = self.places.owner(found.above)
        if owner is not None and owner[0] == "database":
            yield from self._database(owner[1], rows)
        if found.node.external_id not in self.told and self._takes(found):
            yield from self._above(found)
            yield self._upsert(self.places.placed(found))

    def _database(self, one: str, rows: Callable[[RemoteNode], bool] = lambda row: True) -> Iterator[Change]:
        """A chosen database and those of its rows that ``rows`` wants. What is chosen below another one, pages bring along."""
        if not one or f"database:{one}" in self.done:
            return
        self.done.add(f"database:{one}")
        found = self.places.get(f"database:{one}")
        if found is None or not self._takes(found):
            return
        yield from self._above(found)
        try:
            schemas = list(self.places.schemas(one))
            pages = [self.places.page(row) for schema in schemas for row in self._rows(str(schema["id"]))]
        except NodeError as error:
            self.told.add(found.node.external_id)
            yield Skipped(self.places.placed(found), str(error))
            return
        version = database_version(found, schemas, [page.node for page in pages])
        yield self._upsert(replace(self.places.placed(found), version=version))
        for page in pages:
            if rows(page.node) and self._takes(page):
                yield self._upsert(self.places.placed(page))

    def _rows(self, source: str) -> Iterator[Json]:
        return (row for row in self.notion.rows(source) if row.get("object") == "page" and not is_gone(row))

    def _above(self, found: Found) -> Iterator[Change]:
        """What is above it and not told yet, outermost first. What is not chosen itself comes as a mere container."""
        for external_id in reversed(self.places.chain(found)[1:]):
            if external_id in self.told:
                continue
            if external_id == UNSHARED:
                yield self._upsert(UNSHARED_NODE)
                continue
            above = self.places.get(external_id)
            if above is None:
                continue
            if self._takes(above) and external_id.startswith("database:"):
                yield from self._database(external_id.partition(":")[2], lambda row: False)
            elif self._takes(above):
                yield self._upsert(self.places.placed(above))
            if external_id not in self.told:
                yield self._upsert(replace(self.places.placed(above), has_text=False, version=""))

    def _takes(self, found: Found) -> bool:
        return self.lines.takes(*self.places.chain(found), created=found.node.created)

    def _upsert(self, node: RemoteNode) -> Upsert:
        self.told.add(node.external_id)
        return Upsert(node)

    def _note(self, thing: Json) -> None:
        self.newest = max(self.newest, str(thing.get("last_edited_time") or ""))


def _is(external_id: str, row: RemoteNode) -> bool:
    return row.external_id == external_id
