"""Notion on loopback: the API of version 2025-09-03 over a small workspace that tests change.

``python -m tests.vendors.places.notion`` prints its address and runs until it is stopped; the key is ``ntn_loopback``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.vendors.places.loopback import Loopback
from tests.vendors.places.sign_ins import NotionSignIn

TOKEN = "ntn_loopback"
VERSION = "2025-09-03"
_BEGAN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_CODES = {
    400: "validation_error",
    401: "unauthorized",
    403: "restricted_resource",
    404: "object_not_found",
    409: "conflict_error",
    429: "rate_limited",
    500: "internal_server_error",
    503: "service_unavailable",
}
Json = dict[str, Any]


def uid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"notion/{name}"))


def rich(text: str, **annotations: Any) -> list[Json]:
    return [{"type": "text", "text": {"content": text}, "plain_text": text, "annotations": annotations, "href": None}]


def block(kind: str, text: str | None = None, /, **inner: Any) -> Json:
    """``below``: the blocks inside it; ``id``: where a page is to lie in it."""
    own = {name: inner.pop(name) for name in ("below", "id") if name in inner}
    return {"type": kind, kind: ({} if text is None else {"rich_text": rich(text)}) | inner} | own


def title(text: str) -> Json:
    return {"Name": {"id": "title", "type": "title", "title": rich(text)}}


class NotionServer(Loopback):
    """``pages``, ``databases``, ``sources`` and ``blocks`` by id. ``hidden``: ids that are not shared with the integration.

    ``unindexed``: shared, but search does not give them.
    """

    def __init__(self, port: int = 0, *, page_size: int = 100, filled: bool = True) -> None:
        super().__init__(port)
        self.page_size = page_size
        self.token = TOKEN
        self.sign_in = NotionSignIn()
        self.clock = _BEGAN
        self.pages: dict[str, Json] = {}
        self.databases: dict[str, Json] = {}
        self.sources: dict[str, Json] = {}
        self.blocks: dict[str, list[Json]] = {}
        self.block_of: dict[str, Json] = {}
        self.people = {uid("ann"): "Ann Okafor", uid("ben"): "Ben Castillo"}
        self.hidden: set[str] = set()
        self.unindexed: set[str] = set()
        self.people_are_told = True
        if filled:
            fill(self)

    # what tests and the one who fills it use

    def tick(self, **by: int) -> str:
        self.clock += timedelta(**(by or {"hours": 1}))
        return self.clock.strftime("%Y-%m-%dT%H:%M:00.000Z")

    def add_page(
        self, name: str, parent: Json, *blocks: Json, properties: Json | None = None, author: str = "ann"
    ) -> str:
        key, at = uid(name), self.tick()
        self.pages[key] = {
            "object": "page",
            "id": key,
            "created_time": at,
            "last_edited_time": at,
            "created_by": {"object": "user", "id": uid(author)},
            "last_edited_by": {"object": "user", "id": uid(author)},
            "parent": parent,
            "in_trash": False,
            "archived": False,
            "properties": title(name) | (properties or {}),
            "url": f"https://www.notion.so/{key.replace('-', '')}",
        }
        self.put_blocks(key, list(blocks))
        if parent["type"] in ("page_id", "block_id"):
            self._child(parent[parent["type"]], "child_page", key, name)
        return key

    def add_database(self, name: str, parent: Json, sources: dict[str, Json], description: str = "") -> str:
        """``sources``: name of each data source → its properties besides the title."""
        key, at = uid(name), self.tick()
        made = []
        for source, properties in sources.items():
            one = uid(f"{name}/{source}")
            made.append({"id": one, "name": source})
            self.sources[one] = {
                "object": "data_source",
                "id": one,
                "title": rich(source),
                "description": [],
                "properties": {"Name": {"id": "title", "type": "title", "title": {}}} | properties,
                "parent": {"type": "database_id", "database_id": key},
                "database_parent": parent,
                "created_time": at,
                "last_edited_time": at,
                "in_trash": False,
            }
        self.databases[key] = {
            "object": "database",
            "id": key,
            "title": rich(name),
            "description": rich(description),
            "parent": parent,
            "data_sources": made,
            "created_time": at,
            "last_edited_time": at,
            "in_trash": False,
            "is_inline": True,
            "url": f"https://www.notion.so/{key.replace('-', '')}",
        }
        if parent["type"] == "page_id":
            self._child(parent["page_id"], "child_database", key, name)
        return key

    def add_row(self, database: str, name: str, properties: Json, *blocks: Json, source: int = 0) -> str:
        one = self.databases[database]["data_sources"][source]["id"]
        parent = {"type": "data_source_id", "data_source_id": one, "database_id": database}
        return self.add_page(name, parent, *blocks, properties=properties, author="ben")

    def put_blocks(self, parent: str, blocks: list[Json]) -> None:
        """``below`` in a block holds those inside it."""
        kept = []
        for number, made in enumerate(blocks):
            below = made.pop("below", [])
            key = made.get("id") or uid(f"{parent}/{number}/{len(self.block_of)}")
            whole = {
                "object": "block",
                "id": key,
                "has_children": bool(below),
                **made,
                "parent": self._parent_of(parent),
            }
            self.block_of[key] = whole
            kept.append(whole)
            self.put_blocks(key, below)
        self.blocks[parent] = kept

    def touch(self, page: str, **by: int) -> None:
        self.pages[page]["last_edited_time"] = self.tick(**(by or {"days": 1}))

    def trash(self, page: str) -> None:
        self.pages[page]["in_trash"] = self.pages[page]["archived"] = True

    def signed(self, event: Json, secret: str) -> tuple[bytes, dict[str, str]]:
        """The body and headers of a delivery as Notion sends it."""
        body = json.dumps(event).encode()
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return body, {"content-type": "application/json", "x-notion-signature": f"sha256={digest}"}

    # the wire

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/users/me", self._checked(self._me)),
            web.get("/v1/users", self._checked(self._users)),
            web.post("/v1/search", self._checked(self._search)),
            web.get("/v1/pages/{id}", self._checked(self._page)),
            web.get("/v1/pages/{id}/properties/{name}", self._checked(self._property)),
            web.get("/v1/databases/{id}", self._checked(self._database)),
            web.get("/v1/data_sources/{id}", self._checked(self._source)),
            web.post("/v1/data_sources/{id}/query", self._checked(self._query)),
            web.get("/v1/blocks/{id}", self._checked(self._block)),
            web.get("/v1/blocks/{id}/children", self._checked(self._children)),
            web.get("/v1/oauth/authorize", self.sign_in.authorize),
            web.post("/v1/oauth/token", self.handle(self.sign_in.token)),
        ]

    def error(self, status: int, headers: dict[str, str]) -> web.Response:
        said = {"object": "error", "status": status, "code": _CODES.get(status, "validation_error")}
        said |= {"message": f"Loopback says {status}.", "request_id": str(uuid.uuid4())}
        return web.json_response(said, status=status, headers=headers)

    def _checked(self, handler: Any) -> Any:
        async def checked(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if given not in (self.token, *self.sign_in.access):
                return self.error(401, {})
            if request.headers.get("Notion-Version") != VERSION:
                return self.error(400, {})
            return await handler(request)

        return self.handle(checked)

    async def _me(self, request: web.Request) -> web.Response:
        bot = {"workspace_name": "Harbour Lane", "owner": {"type": "workspace", "workspace": True}}
        return web.json_response({"object": "user", "id": uid("bot"), "type": "bot", "name": "Atrium", "bot": bot})

    async def _users(self, request: web.Request) -> web.Response:
        if not self.people_are_told:
            return self.error(403, {})
        people = [{"object": "user", "id": key, "type": "person", "name": name} for key, name in self.people.items()]
        return self._listed(people, dict(request.query))

    async def _search(self, request: web.Request) -> web.Response:
        asked = await request.json()
        things = [p for p in self.pages.values() if self._seen(p) and p["id"] not in self.unindexed]
        things += [s for s in self.sources.values() if self._seen(self.databases[s["parent"]["database_id"]])]
        wanted = (asked.get("filter") or {}).get("value")
        things = [thing for thing in things if wanted in (None, thing["object"])]
        text = str(asked.get("query") or "").casefold()
        things = [thing for thing in things if text in _title_of(thing).casefold()]
        down = (asked.get("sort") or {}).get("direction") == "descending"
        return self._listed(sorted(things, key=lambda thing: thing["last_edited_time"], reverse=down), asked)

    async def _page(self, request: web.Request) -> web.Response:
        found = self.pages.get(request.match_info["id"])
        return web.json_response(found) if found and found["id"] not in self.hidden else self.error(404, {})

    async def _property(self, request: web.Request) -> web.Response:
        page = self.pages.get(request.match_info["id"], {"properties": {}})
        value = next((v for v in page["properties"].values() if v.get("id") == request.match_info["name"]), None)
        if value is None:
            return self.error(404, {})
        items = [{"object": "property_item", "type": "relation", "relation": one} for one in value.get("all", ())]
        return self._listed(items, dict(request.query))

    async def _database(self, request: web.Request) -> web.Response:
        found = self.databases.get(request.match_info["id"])
        return web.json_response(found) if found and found["id"] not in self.hidden else self.error(404, {})

    async def _source(self, request: web.Request) -> web.Response:
        found = self.sources.get(request.match_info["id"])
        if found is None or found["parent"]["database_id"] in self.hidden:
            return self.error(404, {})
        return web.json_response(found)

    async def _query(self, request: web.Request) -> web.Response:
        source = request.match_info["id"]
        if source not in self.sources:
            return self.error(404, {})
        rows = [p for p in self.pages.values() if p["parent"].get("data_source_id") == source and self._seen(p)]
        return self._listed(rows, await request.json())

    async def _block(self, request: web.Request) -> web.Response:
        found = self.block_of.get(request.match_info["id"])
        return web.json_response(found) if found and not self._is_hidden(found) else self.error(404, {})

    async def _children(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        if key in self.hidden or (key not in self.blocks and key not in self.block_of):
            return self.error(404, {})
        return self._listed(self.blocks.get(key, []), dict(request.query))

    def _listed(self, things: list[Json], asked: Json) -> web.Response:
        """One page; ``page_size`` of the server holds where the client asks for more."""
        cursor = str(asked.get("start_cursor") or "at-0")
        if not cursor.startswith("at-"):
            return self.error(400, {})
        start, size = int(cursor[3:]), min(int(asked.get("page_size") or 100), self.page_size)
        more = start + size < len(things)
        answer = {"object": "list", "results": things[start : start + size], "has_more": more}
        return web.json_response(answer | {"next_cursor": f"at-{start + size}" if more else None})

    def _seen(self, thing: Json) -> bool:
        return not thing["in_trash"] and thing["id"] not in self.hidden

    def _is_hidden(self, found: Json) -> bool:
        parent = found["parent"]
        return parent[parent["type"]] in self.hidden

    def _child(self, parent: str, kind: str, key: str, name: str) -> None:
        made = {"object": "block", "id": key, "has_children": True, "type": kind, kind: {"title": name}}
        made |= {
            "created_time": self._time(key),
            "last_edited_time": self._time(key),
            "parent": self._parent_of(parent),
        }
        self.blocks.setdefault(parent, []).append(made)
        if parent in self.block_of:
            self.block_of[parent]["has_children"] = True

    def _time(self, key: str) -> str:
        return str((self.pages.get(key) or {}).get("last_edited_time") or self.clock.strftime("%Y-%m-%dT%H:%M:00.000Z"))

    def _parent_of(self, parent: str) -> Json:
        kind = "page_id" if parent in self.pages or parent not in self.block_of else "block_id"
        return {"type": kind, kind: parent}


def _title_of(thing: Json) -> str:
    parts = thing["title"] if thing["object"] == "data_source" else thing["properties"]["Name"]["title"]
    return "".join(part["plain_text"] for part in parts)


WORKSPACE: Json = {"type": "workspace", "workspace": True}


def below(page: str) -> Json:
    return {"type": "page_id", "page_id": page}


def fill(server: NotionServer) -> None:
    """A small company: a handbook, engineering with a database, and a page that lies in one that is not shared."""
    handbook = server.add_page("Handbook", WORKSPACE, block("paragraph", "How we work at Harbour Lane."))
    leave = [
        block("heading_1", "Holidays"),
        block("bulleted_list_item", "Twenty-eight days a year"),
        block("bulleted_list_item", "Carry over up to five", below=[block("to_do", "Ask your lead", checked=True)]),
        block("callout", "Sick leave is not holiday.", icon={"type": "emoji", "emoji": "💡"}),
    ]
    server.add_page("Leave", below(handbook), *leave)
    column = block("column_list", below=[block("column", id=uid("a column"))])
    server.add_page("Office", below(handbook), block("paragraph", "The office is on the harbour."), column)
    parking = {"type": "block_id", "block_id": uid("a column")}
    server.add_page("Parking", parking, block("paragraph", "Parking is behind the warehouse."))
    engineering = server.add_page("Engineering", WORKSPACE, block("paragraph", "What the engineers keep."))
    server.add_page("Releases", below(engineering), block("code", "make release", language="shell"))
    status = {"options": [{"name": "Planned"}, {"name": "Done"}]}
    projects = server.add_database(
        "Projects",
        below(engineering),
        {
            "Projects": {
                "Status": {"id": "st", "type": "status", "status": status},
                "Budget": {"id": "bu", "type": "number", "number": {"format": "euro"}},
                "Due": {"id": "du", "type": "date", "date": {}},
            }
        },
        "What is built, and for how much.",
    )
    for name, state, budget, due in (
        ("Crane monitor", "Planned", 12000, {"start": "2026-03-01", "end": "2026-04-15"}),
        ("Berth planner", "Done", 8500.5, {"start": "2025-11-20", "end": None}),
        ("Tide alarm", "Planned", 300, None),
    ):
        properties = {
            "Status": {"id": "st", "type": "status", "status": {"name": state}},
            "Budget": {"id": "bu", "type": "number", "number": budget},
            "Due": {"id": "du", "type": "date", "date": due},
        }
        server.add_row(projects, name, properties, block("paragraph", f"{name} notes."))
    secret = server.add_page("Board papers", WORKSPACE, block("paragraph", "Not for everyone."))
    server.add_page("Guest Wi-Fi", below(secret), block("paragraph", "The guest network is called lantern."))
    server.hidden.add(secret)


if __name__ == "__main__":
    with NotionServer() as running:
        sys.stdout.write(f"{running.base_url}  integration secret: {TOKEN}\n")
        sys.stdout.flush()
        threading.Event().wait()
