"""Where Notion's pages and databases hang, and what is told of them.

External ids: ``page:<id>``, ``database:<id>``; ``unshared`` is the place for pages whose parent the integration can't see.
A page may lie in a block of a page (a column, a toggle), and a row in a data source of a database: both count as lying
in that page or database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from datasources.connectors.base import NodeError, RemoteNode
from datasources.connectors.lines import moment
from datasources.connectors.notion.client import Notion
from datasources.connectors.notion.rows import columns, tags_of, title_of
from datasources.connectors.notion.words import plain

Json = Mapping[str, Any]
UNSHARED = "unshared"
_UNSETTLED = timedelta(minutes=2)
"""Notion rounds the time of an edit to the minute: so soon after it, another may come that bears the same time."""
_DEEPEST = 100

UNSHARED_NODE = RemoteNode(
    UNSHARED, "folder", "Pages whose parent is not shared", has_text=False, has_children=True, ordinal="~"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A page or a database, and what it lies in: ``above`` is (``page``, ``database``, ``block`` or ``workspace``, id)."""

    node: RemoteNode
    above: tuple[str, str]


def page_id(external_id: str) -> str:
    return external_id.partition(":")[2]


def is_gone(thing: Json) -> bool:
    return bool(thing.get("in_trash") or thing.get("archived"))


def above_of(thing: Json, key: str = "parent") -> tuple[str, str]:
    parent = thing.get(key) or {}
    kind = str(parent.get("type") or "")
    if kind in ("data_source_id", "database_id"):
        return ("database", str(parent["database_id"])) if parent.get("database_id") else ("data_source", _id(parent))
    if kind in ("page_id", "block_id"):
        return kind.removesuffix("_id"), _id(parent)
    return "workspace", ""


def _id(parent: Json) -> str:
    return str(parent.get(str(parent.get("type"))) or "")


def version_of(edited: str, now: datetime) -> str:
    at = moment(edited)
    settled = at is None or now - at > _UNSETTLED
    return edited if settled else f"{edited}+{now:%Y%m%dT%H%M}"


def page_found(page: Json, authors: Mapping[str, str], now: datetime) -> Found:
    edited = str(page.get("last_edited_time") or "")
    above = above_of(page)
    node = RemoteNode(
        f"page:{page['id']}",
        "page",
        title_of(page),
        version=version_of(edited, now),
        has_children=True,
        url=str(page.get("url") or ""),
        author=authors.get(str((page.get("created_by") or {}).get("id")), ""),
        created=moment(page.get("created_time")),
        modified=moment(edited),
        tags=tags_of(page) if above[0] in ("database", "data_source") else (),
    )
    return Found(node, above)


class Places:
    """Finds parents, asking Notion for each of them once. ``authors``: names of people by their id."""

    def __init__(self, notion: Notion, now: datetime | None = None) -> None:
        self.notion = notion
        self.now = now or datetime.now(UTC)
        self._authors: dict[str, str] | None = None
        self._above: dict[tuple[str, str], tuple[str, str] | None] = {}
        self._found: dict[str, Found] = {}
        self._schemas: dict[str, Json] = {}
        self._sources: dict[str, list[str]] = {}

    @property
    def authors(self) -> Mapping[str, str]:
        if self._authors is None:
            try:
                self._authors = {str(u["id"]): str(u.get("name") or "") for u in self.notion.users()}
            except NodeError:
                self._authors = {}
        return self._authors

    def page(self, page: Json) -> Found:
        found = page_found(page, self.authors, self.now)
        self._above[("page", str(page["id"]))] = found.above
        return found

    def know_schema(self, source: Json) -> None:
        self._schemas[str(source["id"])] = source

    def schemas(self, database: str) -> Iterator[Json]:
        """The data sources of a database that was got, in its order. Raises NodeError."""
        for source in self._sources.get(database, ()):
            if source not in self._schemas:
                self._schemas[source] = self.notion.data_source(source)
            yield self._schemas[source]

    def get(self, external_id: str) -> Found | None:
        """The page or database itself; None where it can't be seen, or is in the trash. A database comes without its rows' version."""
        if external_id not in self._found:
            kind, _, one = external_id.partition(":")
            try:
                thing = self.notion.page(one) if kind == "page" else self.notion.database(one)
            except NodeError:
                return None
            if is_gone(thing):
                return None
            self._found[external_id] = self.page(thing) if kind == "page" else self.database(thing)
        return self._found[external_id]

    def database(self, database: Json) -> Found:
        self._above[("database", str(database["id"]))] = above_of(database)
        self._sources[str(database["id"])] = [str(source["id"]) for source in database.get("data_sources") or ()]
        node = RemoteNode(
            f"database:{database['id']}",
            "database",
            " ".join(plain(database.get("title")).split()) or "Untitled database",
            has_children=True,
            url=str(database.get("url") or ""),
            created=moment(database.get("created_time")),
            modified=moment(database.get("last_edited_time")),
        )
        return Found(node, above_of(database))

    @property
    def known(self) -> Container[tuple[str, str]]:
        return self._above

    def owner(self, above: tuple[str, str]) -> tuple[str, str] | None:
        """The page, database or workspace that this is in, through blocks and data sources; None where these can't be seen."""
        for _ in range(_DEEPEST):
            if above[0] in ("workspace", "page", "database"):
                return above
            inner = self._inner(above)
            if inner is None:
                return None
            above = inner
        return None

    def parent(self, above: tuple[str, str]) -> str | None:
        """The external id that this is in, None at the top; ``unshared`` where that can't be seen."""
        owner = self.owner(above)
        if owner is None:
            return UNSHARED
        if owner[0] == "workspace":
            return None
        external_id = f"{owner[0]}:{owner[1]}"
        return external_id if owner in self._above or self.get(external_id) is not None else UNSHARED

    def _inner(self, above: tuple[str, str]) -> tuple[str, str] | None:
        """What a block or a data source lies in."""
        if above not in self._above:
            kind, one = above
            try:
                thing = self.notion.block(one) if kind == "block" else self.notion.data_source(one)
            except NodeError:
                self._above[above] = None
            else:
                self._above[above] = above_of(thing)
        return self._above[above]

    def chain(self, found: Found) -> list[str]:
        """Its own external id, then each one above it."""
        chain = [found.node.external_id]
        above = found.above
        while len(chain) < _DEEPEST:
            parent = self.parent(above)
            if parent is None or parent in chain:
                break
            chain.append(parent)
            if parent == UNSHARED:
                break
            kind, _, one = parent.partition(":")
            above = self._above[(kind, one)] or ("workspace", "")
        return chain

    def placed(self, found: Found) -> RemoteNode:
        return replace(found.node, parent=self.parent(found.above))


def database_version(database: Found, schemas: list[Json], rows: list[RemoteNode]) -> str:
    """Changes with a column, with any row's edit, and when a row comes or goes."""
    digest = hashlib.sha256(database.node.title.encode())
    for schema in schemas:
        digest.update(f"|{schema.get('id')}|{plain(schema.get('title'))}|{plain(schema.get('description'))}".encode())
        digest.update(repr(columns(schema)).encode())
    for row in sorted(rows, key=lambda row: row.external_id):
        digest.update(f"|{row.external_id}={row.version}".encode())
    return digest.hexdigest()[:24]
