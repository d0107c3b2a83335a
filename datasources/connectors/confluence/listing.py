"""What Confluence's changes are: spaces and pages that are chosen, what was edited since, and single things."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from datasources.connectors.base import (
    Change,
    Checkpoint,
    Chosen,
    Complete,
    Cursor,
    Delete,
    RemoteNode,
    Skipped,
    Upsert,
)
from datasources.connectors.confluence.client import IDS, Confluence, quoted
from datasources.connectors.confluence.contents import Item, container_of, id_of, item_of, space_node
from datasources.connectors.confluence.readers import NOBODY, Readers
from datasources.connectors.confluence.restricted import Restricted, nameless
from datasources.connectors.lines import Lines, moment

OVERLAP = timedelta(minutes=15)
"""The search index follows edits with some delay, and clocks differ."""
BELOW = "below:"
"""Before an external id that a webhook names: it, and all that is below it (whose readers may have changed with it)."""
_MARKS = ("page:", "blog:", "folder:", "attachment:")


class Listing:
    """One run."""

    def __init__(
        self,
        confluence: Confluence,
        chosen: Sequence[Chosen],
        readers: Readers | None,
        site: str,
        *,
        attachments: bool,
        restricted: Restricted | None = None,
    ) -> None:
        """``restricted``: finds what is left out, where neither readers are told nor restricted pages are wanted."""
        self.confluence = confluence
        self.lines = Lines(chosen)
        self.readers = readers
        self.restricted = restricted
        self.site = site
        self.attachments = attachments
        self.newest = ""
        self.told: set[str] = set()
        self.spaces: dict[str, Mapping[str, Any]] = {}

    def whole(self, cursor: Cursor) -> Iterator[Change]:
        state: dict[str, Any] = dict(cursor.get("whole") or {})
        self.newest = str(state.get("newest") or "")
        began = datetime.now(UTC).isoformat()
        for scope in self._scopes():
            if scope < str(state.get("scope") or ""):
                continue
            here = state if scope == state.get("scope") else {}
            yield from self._scope(scope, int(here.get("step") or 0), str(here.get("next") or ""))
            self._next_scope()
        yield Checkpoint({"since": self.newest or began})
        yield Complete(None)

    def since(self, since: str) -> Iterator[Change]:
        """By CQL, in minutes before now: its dates would be read in the time zone of the account, which is not told."""
        for space in self.confluence.spaces():
            self.spaces[str(space["key"])] = space
        minutes = math.ceil((datetime.now(UTC) - (moment(since) or datetime.now(UTC)) + OVERLAP) / timedelta(minutes=1))
        kinds = "page, blogpost, attachment" if self.attachments else "page, blogpost"
        cql = f'lastmodified >= now("-{minutes}m") and type in ({kinds}){self._where()} order by lastmodified'
        token, (path, asked) = "", self.confluence.query(cql)
        while True:
            results, token = self.confluence.page(path, asked, token)
            yield from self._edited(results)
            if not token:
                break
        yield Checkpoint({"since": max(self.newest, since)})

    def look(self, external_ids: Sequence[str]) -> Iterator[Change]:
        wanted = [key.removeprefix(BELOW) for key in external_ids]
        ids = [id_of(key) for key in wanted if key.startswith(_MARKS)]
        found = list(self.confluence.by_ids(ids)) if ids else []
        yield from self._edited(found, attachments=True)
        there = {str(content["id"]) for content in found}
        for key in wanted:
            if key.startswith(_MARKS) and id_of(key) not in there and not self.confluence.is_there(key):
                yield Delete(key)
        for key in external_ids:
            if key.startswith(BELOW) and id_of(key.removeprefix(BELOW)) in there:
                one = quoted(id_of(key.removeprefix(BELOW)))
                yield from self._edited(list(self.confluence.search(f"ancestor = {one} order by created")))

    # what is asked for

    def _scopes(self) -> list[str]:
        """Spaces that are chosen, and pages that are chosen in spaces that are not."""
        self.spaces = {str(space["key"]): space for space in self.confluence.spaces()}
        chosen = {f"space:{key}" for key in self.spaces if self.lines.takes(f"space:{key}")}
        named = [id_of(key) for mark in _MARKS for key in self.lines.named(mark, include=True)]
        for content in self.confluence.by_ids(named) if named else ():
            item = self._item(content)
            if item.chain[-1] not in chosen:
                chosen.add(item.node.external_id)
        return sorted(chosen)

    def _where(self) -> str:
        keys = [key for key in self.spaces if self.lines.takes(f"space:{key}")]
        named = any(self.lines.named(mark, include=True) for mark in _MARKS)
        if named or not keys or len(keys) > 100 or len(keys) == len(self.spaces):
            return ""
        return f" and space in ({', '.join(quoted(key) for key in sorted(keys))})"

    def _queries(self, scope: str) -> list[tuple[str, dict[str, Any]]]:
        one = id_of(scope)
        if scope.startswith("space:"):
            return self.confluence.listed(one)
        return [self.confluence.query(f"id = {quoted(one)} or ancestor = {quoted(one)} order by created")]

    def _scope(self, scope: str, first: int, token: str) -> Iterator[Change]:
        if scope.startswith("space:"):
            yield from self._space(id_of(scope))
        for step, (path, asked) in enumerate(self._queries(scope)):
            if step < first:
                continue
            while True:
                results, token = self.confluence.page(path, asked, token)
                yield from self._edited(results, attachments=True)
                if not token:
                    break
                yield self._checkpoint(scope, step, token)
            yield self._checkpoint(scope, step + 1, "")

    def _checkpoint(self, scope: str, step: int, token: str) -> Checkpoint:
        return Checkpoint({"whole": {"scope": scope, "step": step, "next": token, "newest": self.newest}})

    def _next_scope(self) -> None:
        self.told.clear()
        if self.readers is not None:
            self.readers.forget()
        if self.restricted is not None:
            self.restricted.forget()

    # what is told

    def _edited(self, contents: list[dict[str, Any]], *, attachments: bool = False) -> Iterator[Change]:
        """Pages, and attachments for which what they are attached to has to be asked about."""
        pages = [content for content in contents if content.get("type") != "attachment"]
        yield from self._batch(pages, attachments=attachments)
        held = [content for content in contents if content.get("type") == "attachment" and container_of(content)]
        ids = list(dict.fromkeys(map(container_of, held)))
        containers = {str(page["id"]): self._item(page) for page in self.confluence.by_ids(ids)} if ids else {}
        for content in held:
            container = containers.get(container_of(content))
            if container is not None:
                yield from self._attached([content], container)

    def _batch(self, contents: list[dict[str, Any]], *, attachments: bool = True) -> Iterator[Change]:
        items = [self._item(content) for content in contents]
        taken = [item for item in items if self._takes(item)]
        yield from self._above(taken, {item.node.external_id: item for item in items})
        for item in taken:
            yield from self._tell(item)
        holders = {id_of(i.node.external_id): i for i in items if i.node.kind in ("page", "article") and not i.reason}
        if not self.attachments or not attachments:
            return
        for at in range(0, len(holders), IDS):
            some = list(holders)[at : at + IDS]
            for content in self.confluence.attachments(some):
                if holder := holders.get(container_of(content)):
                    yield from self._attached([content], holder)

    def _attached(self, contents: list[dict[str, Any]], holder: Item) -> Iterator[Change]:
        for content in contents:
            item = self._item(content, holder)
            if self._takes(item):
                yield from self._above([item], {holder.node.external_id: holder})
                yield from self._tell(item)

    def _above(self, items: list[Item], known: dict[str, Item]) -> Iterator[Change]:
        """What is above these and not told yet, outermost first. What is not chosen itself comes as a mere container."""
        missing = dict.fromkeys(key for item in items for key, _ in item.above if key not in self.told)
        asked = [id_of(key) for key in missing if key not in known]
        found = known | {i.node.external_id: i for i in map(self._item, self.confluence.by_ids(asked) if asked else ())}
        for item in items:
            yield from self._space(id_of(item.chain[-1]))
            for at, (key, title) in enumerate(item.above):
                if key in self.told:
                    continue
                if (above := found.get(key)) is not None and self._takes(above):
                    yield from self._tell(above)
                    continue
                parent = item.above[at - 1][0] if at else item.chain[-1]
                readers = self._readers(above) if above else (() if self.readers else None)
                self.told.add(key)
                node = above.node if above else RemoteNode(key, "page", title, parent)
                if self.restricted and self.restricted.holds(key, (one for one, _ in item.above[:at])):
                    node = nameless(node)
                yield Upsert(
                    replace(node, parent=parent, has_text=False, has_children=True, version="", readers=readers)
                )

    def _tell(self, item: Item) -> Iterator[Change]:
        if item.node.external_id in self.told:
            return
        self.told.add(item.node.external_id)
        node = replace(item.node, readers=self._readers(item))
        if self.restricted and (withheld := self.restricted.reason(item)):
            yield Skipped(nameless(node), withheld)
        else:
            yield Skipped(node, item.reason) if item.reason else Upsert(node)

    def _space(self, key: str) -> Iterator[Change]:
        if f"space:{key}" in self.told:
            return
        if key not in self.spaces:
            self.spaces |= {str(space["key"]): space for space in self.confluence.spaces([key])}
        self.told.add(f"space:{key}")
        space = self.spaces.get(key, {"key": key, "name": key})
        readers = self.readers.of_space(space) if self.readers else None
        yield Upsert(replace(space_node(space, self.site), readers=None if readers is None else tuple(sorted(readers))))

    def _readers(self, item: Item) -> tuple[str, ...] | None:
        if self.readers is None or item.node.external_id.startswith("attachment:"):
            return None
        space = self.readers.of_space(self.spaces.get(id_of(item.chain[-1]), {}))
        found = self.readers.effective(item, space or NOBODY)
        return None if found is None else tuple(sorted(found))

    def _takes(self, item: Item) -> bool:
        return self.lines.takes(*item.chain, created=item.node.created)

    def _item(self, content: Mapping[str, Any], container: Item | None = None) -> Item:
        item = item_of(content, self.site, container)
        if item.node.modified is not None:
            self.newest = max(self.newest, item.node.modified.astimezone(UTC).isoformat())
        return item
