"""One pass over articles, then conversations, which goes on where it was broken off.

The cursor, between runs: ``updated`` (Unix seconds of the newest conversation that was seen). In the middle also ``page`` and
``total`` of the articles, or ``after`` (how far the conversations are told), and ``whole``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasources.connectors.base import (
    Change,
    Checkpoint,
    Complete,
    ConnectorError,
    Cursor,
    Delete,
    RemoteNode,
    Skipped,
    Upsert,
)
from datasources.connectors.intercom import telling
from datasources.connectors.intercom.client import Client, Filter, Gone
from datasources.connectors.intercom.telling import NO_TEAM, Shelves
from datasources.connectors.lines import Lines, moment

OVERLAP = 300
"""Seconds that are asked for again: the search index shows a change a moment after it was made."""
_MOST_RESTARTS = 5


@dataclass
class Position:
    updated: int = 0
    whole: bool = True
    page: int = 1
    total: int = -1
    after: int = -1
    """-1: the articles come first."""

    @classmethod
    def of(cls, cursor: Cursor) -> Position:
        if "whole" in cursor:
            return cls(**{name: cursor[name] for name in ("updated", "whole", "page", "total", "after")})
        return cls(int(cursor.get("updated", 0)), whole="updated" not in cursor)

    def checkpoint(self) -> Checkpoint:
        names = ("updated", "whole", "page", "total", "after")
        return Checkpoint({name: getattr(self, name) for name in names})


class Walk:
    def __init__(self, client: Client, lines: Lines, config: Mapping[str, Any]) -> None:
        self.client, self.lines = client, lines
        self.notes = bool(config.get("notes"))
        begin = moment(config.get("since"))
        self.begin = int(begin.timestamp()) if begin else 0
        self._link = ""
        self.teams: dict[str, RemoteNode] = {}
        self.shelves = Shelves()
        self._authors: dict[str, str] = {}
        self._told: set[str] = set()

    # what is there

    def open_teams(self) -> None:
        self.teams = telling.team_nodes(self.client.teams())

    def open_shelves(self) -> None:
        self.shelves = Shelves.of(self.client.collections())

    def wants_teams(self) -> bool:
        lines = self.lines
        below = lines.named("team:", include=True) or lines.named("conversation:", include=True)
        return bool(below) or lines.takes("team:")

    def wants_shelves(self) -> bool:
        lines = self.lines
        below = lines.named("collection:", include=True) or lines.named("article:", include=True)
        return bool(below) or lines.takes("collection:")

    def filters(self, after: int, *, everywhere: bool = False) -> list[Filter] | None:
        """The search for what may be chosen, changed since ``after``; None where no team is.

        ``everywhere``: of all teams, so that a conversation that left a chosen team is seen, too. So it is where those
        without a team are chosen: Intercom does not say whether "not in these teams" finds them.
        """
        found: list[Filter] = [("updated_at", ">", max(after, self.begin) - 1)]
        taken = [key for key in self.teams if self.lines.takes(key)]
        if not taken:
            return None
        if everywhere or NO_TEAM in taken:
            return found
        return [*found, ("team_assignee_id", "IN", [key.removeprefix("team:") for key in taken])]

    # articles

    def articles(self, at: Position) -> Iterator[Change]:
        """Every page, whatever changed: Intercom has no feed of articles. If their number changes meanwhile, from the start."""
        self._authors = {str(admin.id): admin.name for admin in self.client.admins()}
        pages, restarts = at.page, 0
        while at.page <= pages:
            items, pages, total = self.client.articles(at.page)
            if at.total not in (-1, total):
                restarts += 1
                if restarts > _MOST_RESTARTS:
                    raise ConnectorError("The articles change faster than they can be listed")
                at.page, at.total = 1, total
                continue
            at.total = total
            for item in items:
                yield from self.told_article(item)
            at.page += 1
            yield at.checkpoint()

    def told_article(self, item: Any) -> Iterator[Change]:
        shelf = self.shelves.of_article(item)
        chain = self.shelves.chain(shelf)
        node = telling.article_node(item, shelf, self._authors, self.link(f"articles/articles/{item.id}/show"))
        if not self.lines.takes(node.external_id, *chain, created=node.created):
            return
        yield from self._above([self.shelves.nodes[key] for key in reversed(chain)])
        yield Skipped(node, telling.DRAFT) if item.state != "published" else Upsert(node)

    # conversations

    def conversations(self, at: Position) -> Iterator[Change]:
        begin = 0 if at.whole else max(0, at.updated - OVERLAP)
        filters = self.filters(max(begin, at.after), everywhere=not at.whole)
        for page in self.client.search(filters) if filters else ():
            for item in page:
                yield from self.told_conversation(item, leaving=not at.whole)
                at.after = max(at.after, int(item.updated_at or 0))
            at.updated = max(at.updated, at.after)
            yield at.checkpoint()
        for key in self.lines.named("conversation:", include=True):
            if at.whole or not filters:
                yield from self.look_at_conversation(key)

    def told_conversation(self, item: Any, *, leaving: bool) -> Iterator[Change]:
        """``leaving``: say so of one that is not chosen; it may have been."""
        node = telling.conversation_node(
            item, self.teams, self.link(f"inbox/inbox/conversation/{item.id}"), notes=self.notes
        )
        team = str(node.parent)
        chosen = self.lines.takes(node.external_id, team, created=node.created)
        if chosen and int(item.updated_at or 0) >= self.begin:
            yield from self._above([self.teams[team]])
            yield Upsert(node)
        elif leaving:
            yield Delete(node.external_id)

    def look_at_conversation(self, key: str) -> Iterator[Change]:
        try:
            item = self.client.conversation(key.removeprefix("conversation:"))
        except Gone:
            yield Delete(key)
            return
        yield from self.told_conversation(item, leaving=True)

    def look_at_article(self, key: str) -> Iterator[Change]:
        try:
            item = self.client.article(key.removeprefix("article:"))
        except Gone:
            yield Delete(key)
            return
        yield from list(self.told_article(item)) or [Delete(key)]

    # both

    def complete(self, at: Position) -> Iterator[Change]:
        if at.whole:
            yield Complete(None)
            return
        for key, node in self.shelves.nodes.items():
            if node.parent is None and self.lines.takes(key):
                yield Complete(key)

    def containers(self) -> Iterator[Change]:
        """Chosen branches, also where nothing is in them."""
        for node in self.shelves.nodes.values():
            if self.lines.takes(*self.shelves.chain(node.external_id)):
                yield from self._above([self.shelves.nodes[key] for key in self.shelves.chain(node.external_id)][::-1])
        for key, node in self.teams.items():
            if self.lines.takes(key):
                yield from self._above([node])

    def link(self, path: str) -> str:
        if not self._link:
            app = getattr(self.client.me(), "app", None)
            self._link = f"{self.client.app_url}/a/apps/{getattr(app, 'id_code', '') or '_'}"
        return f"{self._link}/{path}"

    def _above(self, nodes: Sequence[RemoteNode]) -> Iterator[Change]:
        for node in nodes:
            if node.external_id not in self._told:
                self._told.add(node.external_id)
                yield Upsert(node)
