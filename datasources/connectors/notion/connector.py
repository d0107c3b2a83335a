"""Notion: what is shared with an integration, as the tree that people know from its sidebar.

A whole listing reads databases first (each with all of its rows), then every page that search gives, oldest edit first:
what is edited meanwhile turns up again at the end. Search tells no deletions, so only a whole listing shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from time import monotonic
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Chosen,
    Content,
    Cursor,
    Delivery,
    Estimate,
    Heard,
    NodeError,
    RemoteNode,
    TableData,
    TestResult,
    Upsert,
)
from datasources.connectors.markup import escaped, paragraph
from datasources.connectors.notion import blocks, hooks, rows
from datasources.connectors.notion.about import ABOUT
from datasources.connectors.notion.client import Json, Notion
from datasources.connectors.notion.listing import Listing
from datasources.connectors.notion.naming import Titles
from datasources.connectors.notion.places import UNSHARED, UNSHARED_NODE, Places, is_gone, page_id
from datasources.connectors.notion.words import plain, words

_ESTIMATE_SECONDS = 5.0
_PARENTS_TRIED = 200
"""How many parents are looked for before the tree says that all of them are shared."""


class NotionConnector:
    """Config: ``base_url`` (may be left out). Secret: ``token``, or OAuth through ``around.tokens``."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.notion = Notion(config, secret, around)
        self.titles = Titles(self.notion)

    def test(self) -> TestResult:
        me = self.notion.me()
        found = self.notion.search()
        number, more = len(found.get("results") or ()), found.get("has_more")
        where = (me.get("bot") or {}).get("workspace_name") or "the workspace"
        if not number:
            return TestResult(
                False,
                f"Notion takes the key, but nothing in {where} is shared with the integration yet: "
                "open a page, choose ••• → Connections and add the integration",
            )
        return TestResult(
            True, f"Connected to {where}: {'over ' if more else ''}{number} pages and databases are shared"
        )

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        places = Places(self.notion)
        if parent is None:
            return self._top(places)
        if parent == UNSHARED:
            return (places.placed(found) for found in self._searched(places) if places.parent(found.above) == UNSHARED)
        if parent.startswith("database:"):
            return self._rows_of(parent, places)
        return self._inside(page_id(parent), parent, places)

    def find(self, text: str) -> Iterator[RemoteNode]:
        """By title: Notion's search looks at nothing else."""
        places, wanted = Places(self.notion), text.casefold()
        for found in self._searched(places, text=text):
            if wanted in found.node.title.casefold():
                yield places.placed(found)

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        begun, seen = monotonic(), set()
        for change in Listing(self.notion, chosen).whole({}):
            if isinstance(change, Upsert) and change.node.has_text:
                seen.add(change.node.external_id)
            if monotonic() - begun > _ESTIMATE_SECONDS:
                return Estimate(len(seen), exact=False)
        return Estimate(len(seen))

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        listing = Listing(self.notion, chosen)
        return listing.since(str(cursor["since"])) if "since" in cursor else listing.whole(cursor)

    def look(self, external_ids: Sequence[str], chosen: Sequence[Chosen]) -> Iterator[Change]:
        return Listing(self.notion, chosen).look(external_ids)

    def webhook(self, delivery: Delivery) -> Heard:
        return hooks.heard(delivery)

    def fetch(self, node: RemoteNode) -> Content:
        one = page_id(node.external_id)
        if node.external_id.startswith("database:"):
            return self._database(one)
        page = self.notion.page(one)
        if is_gone(page):
            raise NodeError("It is in Notion's trash", skip=True)
        body = blocks.markdown(one, self.notion.blocks)
        properties = rows.lines(self._completed(page), self.titles.of)
        parts = (f"# {escaped(rows.title_of(page))}", properties, body)
        return Content(markdown="\n\n".join(part for part in parts if part) + "\n")

    def _database(self, one: str) -> Content:
        database = self.notion.database(one)
        if is_gone(database):
            raise NodeError("It is in Notion's trash", skip=True)
        title = " ".join(plain(database.get("title")).split()) or "Untitled database"
        said, tables = [f"# {escaped(title)}", paragraph(words(database.get("description")))], []
        sources = database.get("data_sources") or ()
        for named in sources:
            schema = self.notion.data_source(named["id"])
            name = " ".join(plain(schema.get("title")).split()) or str(named.get("name") or "")
            titled = self.titles.known_to(schema)
            heads, cells = rows.as_table(schema, _pages(self.notion.rows(named["id"])), titled)
            tables.append(TableData(heads, cells, name if len(sources) > 1 else title))
            heading = f"## {escaped(name)}\n\n" if len(sources) > 1 else ""
            number = f"{len(cells)} row{'s' * (len(cells) != 1)}"
            said.append(f"{heading}A database with {number} and these columns:\n\n{rows.described(schema)}")
        return Content(markdown="\n\n".join(part for part in said if part) + "\n", tables=tuple(tables))

    def _completed(self, page: Json) -> Json:
        """With all the pages of relations of which Notion gives the first only."""
        for value in (page.get("properties") or {}).values():
            if value.get("type") == "relation" and value.get("has_more"):
                items = self.notion.property_items(str(page["id"]), str(value.get("id")))
                value["relation"] = [item["relation"] for item in items if item.get("relation")]
        return page

    def _searched(self, places: Places, text: str = "") -> Iterator[Any]:
        """Pages and databases, each once, without those in the trash."""
        databases: set[str] = set()
        for thing in self.notion.searched(newest_first=True, text=text):
            if is_gone(thing):
                continue
            if thing.get("object") == "page":
                yield places.page(thing)
                continue
            database = str((thing.get("parent") or {}).get("database_id") or "")
            if database and database not in databases:
                databases.add(database)
                if found := places.get(f"database:{database}"):
                    yield found

    def _top(self, places: Places) -> Iterator[RemoteNode]:
        later, tried = [], 0
        for found in self._searched(places):
            if found.above[0] == "workspace":
                yield found.node
            else:
                later.append(found.above)
        for above in dict.fromkeys(later):
            asks = above not in places.known
            if places.parent(above) == UNSHARED:
                yield UNSHARED_NODE
                return
            tried += asks
            if tried > _PARENTS_TRIED:
                return

    def _rows_of(self, parent: str, places: Places) -> Iterator[RemoteNode]:
        if places.get(parent) is None:
            raise NodeError("This database is not (or no longer) shared with the integration")
        for schema in places.schemas(page_id(parent)):
            for page in _pages(self.notion.rows(str(schema["id"]))):
                yield places.placed(places.page(page))

    def _inside(self, block: str, parent: str, places: Places, depth: int = 0) -> Iterator[RemoteNode]:
        """Pages and databases in a page, also in its columns and toggles. A view of a database elsewhere is not one of them."""
        for inner in self.notion.blocks(block):
            kind = inner.get("type")
            if kind == "child_page":
                yield _child_page(inner, parent, places)
            elif kind == "child_database":
                found = places.get(f"database:{inner['id']}")
                if found is not None and places.parent(found.above) == parent:
                    yield places.placed(found)
            elif inner.get("has_children") and depth < 10 and not _is_copy(inner):
                yield from self._inside(str(inner["id"]), parent, places, depth + 1)


def _child_page(block: Json, parent: str, places: Places) -> RemoteNode:
    """As the tree needs it, from what its parent tells of it."""
    page = {**block, "created_by": block.get("created_by") or {}, "parent": {}, "properties": {}}
    title = str((block.get("child_page") or {}).get("title") or "Untitled")
    node = places.page(page).node
    return RemoteNode(
        node.external_id,
        "page",
        title,
        parent,
        node.version,
        has_children=True,
        created=node.created,
        modified=node.modified,
    )


def _is_copy(block: Json) -> bool:
    return bool((block.get("synced_block") or {}).get("synced_from"))


def _pages(found: Iterator[Json]) -> Iterator[Json]:
    return (thing for thing in found if thing.get("object") == "page" and not is_gone(thing))


CONNECTOR = NotionConnector
