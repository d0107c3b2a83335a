"""Confluence on loopback, as Cloud or as Data Center: the part of the REST API that is asked, over a small company's wiki.

``python -m tests.vendors.places.confluence [datacenter]`` prints its address and runs until it is stopped.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.vendors.places.loopback import Loopback
from tests.vendors.places.sign_ins import AtlassianSignIn

EMAIL, TOKEN = "atrium@harbour.example", "loopback-token"
CLOUD_ID = "11111111-2222-3333-4444-555555555555"
_BEGAN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_AND = re.compile(r'\s+and\s+(?=(?:[^"]*"[^"]*")*[^"]*$)')
_TERM = re.compile(r"^(\w+)\s*(in|>=|=|~)\s*(.*)$", re.DOTALL)
Json = dict[str, Any]


class ConfluenceServer(Loopback):
    """``contents`` by id; ``spaces`` by key; ``groups``: name → user names; ``people``: name → e-mail ("" is not told)."""

    def __init__(self, port: int = 0, *, cloud: bool = True, page_size: int = 100, filled: bool = True) -> None:
        super().__init__(port)
        self.cloud = cloud
        self.page_size = page_size
        self.token = TOKEN
        self.sign_in = AtlassianSignIn()
        self.clock = _BEGAN
        self.contents: dict[str, Json] = {}
        self.spaces: dict[str, Json] = {}
        self.groups: dict[str, list[str]] = {}
        self.people: dict[str, str] = {}
        self.unindexed: set[str] = set()
        self.sign_in_page = False
        self.search_tells_restrictions = True
        self._last = 100
        if filled:
            fill(self)

    # what tests and the one who fills it use

    def tick(self, **by: int) -> datetime:
        self.clock += timedelta(**(by or {"hours": 1}))
        return self.clock

    def add_space(self, key: str, name: str, readers: tuple[str, ...] = ("group:staff",)) -> None:
        self._last += 1
        self.spaces[key] = {"id": self._last, "key": key, "name": name, "readers": readers}

    def add(
        self,
        title: str,
        space: str,
        body: str = "",
        *,
        parent: str = "",
        kind: str = "page",
        labels: tuple[str, ...] = (),
    ) -> str:
        self._last += 1
        key = f"att{self._last}" if kind == "attachment" else str(self._last)
        self.contents[key] = {
            "id": key,
            "type": kind,
            "title": title,
            "space": space,
            "body": body,
            "parent": parent,
            "labels": labels,
            "number": 1,
            "created": self.tick(),
            "when": self.clock,
            "status": "current",
            "restricted": None,
            "by": "ann",
        }
        return key

    def attach(self, title: str, page: str, data: bytes, mime: str = "text/plain") -> str:
        key = self.add(title, self.contents[page]["space"], parent=page, kind="attachment")
        self.contents[key] |= {"data": data, "mime": mime}
        return key

    def edit(self, key: str, body: str | None = None, **by: int) -> None:
        content = self.contents[key]
        content["number"] += 1
        content["when"] = self.tick(**(by or {"days": 1}))
        if body is not None:
            content["body"] = body

    def by_title(self, title: str) -> str:
        return next(key for key, content in self.contents.items() if content["title"] == title)

    def signed(self, event: Json, secret: str) -> tuple[bytes, dict[str, str]]:
        """The body and headers of a delivery as Data Center sends it."""
        body = json.dumps(event).encode()
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return body, {"content-type": "application/json", "x-hub-signature": f"sha256={digest}"}

    # the wire

    def routes(self) -> list[web.RouteDef]:
        routes: list[tuple[str, Any]] = [
            ("/rest/api/user/current", self._me),
            ("/rest/api/user", self._user),
            ("/rest/api/search", self._count),
            ("/rest/api/content/search", self._search),
            ("/rest/api/content/{page}/child/attachment/{id}/download", self._download),
            ("/rest/api/content/{id}/restriction/byOperation/read", self._restriction),
            ("/rest/api/group/{name}/member", self._members),
            ("/rest/api/group/{name}/membersByGroupId", self._members),
            ("/download/{id}", self._download),
        ]
        if self.cloud:
            routes += [
                ("/api/v2/spaces", self._spaces),
                ("/api/v2/spaces/{id}/pages", self._top),
                ("/api/v2/spaces/{id}/permissions", self._permissions),
                ("/api/v2/{kind:pages|blogposts|attachments|folders}/{id}", self._one),
            ]
        else:
            routes += [
                ("/rest/api/space", self._spaces),
                ("/rest/api/space/{key}/content/page", self._top),
                ("/rest/api/space/{key}/permissions", self._permissions),
                ("/rest/api/content", self._listing),
                ("/rest/api/content/{id}", self._one),
            ]
        prefixes = ("/wiki", f"/ex/confluence/{CLOUD_ID}/wiki") if self.cloud else ("",)
        made = [web.get(prefix + path, self._checked(handler)) for prefix in prefixes for path, handler in routes]
        made.append(web.get("/oauth/token/accessible-resources", self._checked(self._sites)))
        made.append(web.get("/authorize", self.sign_in.authorize))
        return [*made, web.post("/oauth/token", self.handle(self.sign_in.token))]

    def error(self, status: int, headers: dict[str, str]) -> web.Response:
        said = {"statusCode": status, "message": f"Loopback says {status}."}
        return web.json_response(said, status=status, headers=headers)

    def _checked(self, handler: Any) -> Any:
        basic = "Basic " + base64.b64encode(f"{EMAIL}:{self.token}".encode()).decode()
        right = (basic, f"Bearer {self.token}") if self.cloud else (f"Bearer {self.token}",)

        async def checked(request: web.Request) -> web.StreamResponse:
            if self.sign_in_page:
                return web.Response(text="<html>Sign in</html>", content_type="text/html")
            given = request.headers.get("Authorization", "")
            signed_in = request.path.startswith(("/ex/", "/oauth/")) and given[7:] in self.sign_in.access
            if given not in right and not signed_in:
                return self.error(401, {})
            found: web.StreamResponse = await handler(request)
            return found

        return self.handle(checked)

    async def _sites(self, request: web.Request) -> web.Response:
        scopes = ["search:confluence", "read:confluence-content.all"]
        return web.json_response([{"id": CLOUD_ID, "url": "https://harbour.atlassian.net", "scopes": scopes}])

    async def _me(self, request: web.Request) -> web.Response:
        return web.json_response({"type": "known", "displayName": "Atrium", "accountId": "atrium"})

    async def _user(self, request: web.Request) -> web.Response:
        name = request.query.get("accountId") or request.query.get("key") or request.query.get("username") or ""
        return web.json_response(self._person(name)) if name in self.people else self.error(404, {})

    def _person(self, name: str) -> Json:
        shown = {"type": "known", "displayName": f"{name.title()} of Harbour"}
        if self.cloud:
            return shown | {"accountId": name, "email": self.people.get(name, "")}
        return shown | {"username": name, "userKey": name}

    async def _spaces(self, request: web.Request) -> web.Response:
        keys = (
            request.query.get("keys", "").split(",")
            if request.query.get("keys")
            else request.query.getall("spaceKey", [])
        )
        found = [s for key, s in sorted(self.spaces.items()) if not keys or key in keys]
        told = [
            {"id": str(s["id"]) if self.cloud else s["id"], "key": s["key"], "name": s["name"], "type": "global"}
            | {"_links": {"webui": f"/spaces/{s['key']}"}}
            for s in found
        ]
        return self._listed(request, told)

    async def _top(self, request: web.Request) -> web.Response:
        wanted = request.match_info.get("id") or request.match_info.get("key")
        key = next((k for k, s in self.spaces.items() if wanted in (k, str(s["id"]))), "")
        found = [c for c in self._current() if c["type"] == "page" and c["space"] == key and not c["parent"]]
        return self._listed(request, [self._v2(c) if self.cloud else self._v1(c) for c in found])

    async def _listing(self, request: web.Request) -> web.Response:
        asked = request.query
        found = [c for c in self._current() if (c["type"], c["space"]) == (asked["type"], asked["spaceKey"])]
        return self._listed(request, [self._v1(content) for content in found])

    async def _search(self, request: web.Request) -> web.Response:
        try:
            found = self._found(request.query["cql"])
        except ValueError:
            return self.error(400, {})
        return self._listed(request, [self._v1(content) for content in found])

    async def _count(self, request: web.Request) -> web.Response:
        return web.json_response({"results": [], "totalSize": len(self._found(request.query["cql"]))})

    async def _one(self, request: web.Request) -> web.Response:
        content = self.contents.get(request.match_info["id"])
        if content is None or content["status"] != "current":
            return self.error(404, {})
        told = self._v2(content) if self.cloud else self._v1(content)
        body = {"storage": {"value": content["body"], "representation": "storage"}}
        return web.json_response(told | {"body": body, "status": "current"})

    async def _download(self, request: web.Request) -> web.Response:
        content = self.contents.get(request.match_info["id"])
        if content is None or "data" not in content:
            return self.error(404, {})
        return web.Response(body=content["data"], content_type=content["mime"])

    async def _restriction(self, request: web.Request) -> web.Response:
        content = self.contents[request.match_info["id"]]
        start, size = int(request.query.get("start", 0)), int(request.query.get("limit", 25))
        told = {kind: {"results": self._named(content, kind)[start : start + size]} for kind in ("user", "group")}
        return web.json_response({"operation": "read", "restrictions": told})

    async def _members(self, request: web.Request) -> web.Response:
        name = request.match_info["name"].removeprefix("id-")
        if name not in self.groups:
            return self.error(404, {})
        return self._listed(request, [self._person(one) for one in self.groups[name]], most=200)

    async def _permissions(self, request: web.Request) -> web.Response:
        wanted = request.match_info.get("id") or request.match_info.get("key")
        space = next(s for k, s in self.spaces.items() if wanted in (k, str(s["id"])))
        rows: list[Json] = []
        for principal in space["readers"]:
            kind, _, name = principal.partition(":")
            if self.cloud:
                one = f"id-{name}" if kind == "group" else name
                operation = {"key": "read", "targetType": "space"}
                rows.append({"principal": {"type": kind, "id": one}, "operation": operation})
            else:
                subject = {"type": kind, "name": name} if kind == "group" else {"type": kind, "userKey": name}
                rows.append({"subject": subject, "operation": {"operationKey": "read", "targetType": "space"}})
        return self._listed(request, rows) if self.cloud else web.json_response(rows)

    # what is told

    def _current(self) -> list[Json]:
        return [content for content in self.contents.values() if content["status"] == "current"]

    def _ancestors(self, content: Json) -> list[Json]:
        found: list[Json] = []
        parent = content["parent"]
        while parent:
            found.insert(0, self.contents[parent])
            parent = self.contents[parent]["parent"]
        return found

    def _v1(self, content: Json) -> Json:
        key, attached = content["id"], content["type"] == "attachment"
        above = [] if attached else self._ancestors(content)
        told: Json = {
            "id": key,
            "type": content["type"],
            "status": "current",
            "title": content["title"],
            "space": {"key": content["space"], "name": self.spaces[content["space"]]["name"]},
            "version": {
                "number": content["number"],
                "when": content["when"].isoformat(),
                "by": self._person(content["by"]),
            },
            "history": {"createdDate": content["created"].isoformat(), "createdBy": self._person(content["by"])},
            "ancestors": [{"id": a["id"], "type": a["type"], "title": a["title"]} for a in above],
            "metadata": {"labels": {"results": [{"name": label} for label in content["labels"]]}},
            "restrictions": {"read": {"operation": "read", "restrictions": self._restrictions(content)}},
            "_links": {"webui": f"/spaces/{content['space']}/{content['type']}/{key}"},
        }
        if not self.search_tells_restrictions:
            del told["restrictions"]
        if attached:
            told["container"] = {"id": content["parent"], "type": self.contents[content["parent"]]["type"]}
            told["extensions"] = {"mediaType": content["mime"], "fileSize": len(content["data"])}
            told["_links"]["download"] = f"/download/{key}"
        return told

    def _v2(self, content: Json) -> Json:
        return {
            "id": content["id"],
            "title": content["title"],
            "status": "current",
            "spaceId": str(self.spaces[content["space"]]["id"]),
            "parentId": content["parent"] or None,
            "createdAt": content["created"].isoformat(),
            "version": {"number": content["number"], "createdAt": content["when"].isoformat()},
            "_links": {"webui": f"/spaces/{content['space']}/{content['type']}/{content['id']}"},
        }

    def _restrictions(self, content: Json) -> Json:
        return {kind: {"results": self._named(content, kind)[:25], "limit": 25} for kind in ("user", "group")}

    def _named(self, content: Json, kind: str) -> list[Json]:
        names = [one.partition(":")[2] for one in content["restricted"] or () if one.startswith(f"{kind}:")]
        if kind == "user":
            return [{key: value for key, value in self._person(name).items() if key != "email"} for name in names]
        return [{"type": "group", "name": name} | ({"id": f"id-{name}"} if self.cloud else {}) for name in names]

    def _listed(self, request: web.Request, things: list[Json], most: int = 0) -> web.Response:
        """A page, with a relative link to the next, as each of the two words it."""
        asked = [(key, value) for key, value in request.query.items() if key not in ("start", "cursor")]
        start = int(request.query.get("start") or request.query.get("cursor") or 0)
        size = min(int(request.query.get("limit") or 25), most or self.page_size)
        links = {"base": f"{self.base_url}{'/wiki' if self.cloud else ''}"}
        if start + size < len(things):
            position = "cursor" if self.cloud else "start"
            links["next"] = f"{request.path}?{urlencode([*asked, (position, start + size)])}"
        return web.json_response({"results": things[start : start + size], "_links": links, "size": size})

    # CQL, as far as it is asked

    def _found(self, cql: str) -> list[Json]:
        asked, _, order = cql.partition(" order by ")
        ways = [[self._term(term) for term in _AND.split(way)] for way in asked.split(" or ")]
        found = [
            c for c in self._current() if c["id"] not in self.unindexed and any(all(t(c) for t in way) for way in ways)
        ]
        name = {"lastmodified": "when", "title": "title"}.get(order.strip(), "created")
        return sorted(found, key=lambda content: content[name])

    def _term(self, term: str) -> Callable[[Json], bool]:
        parsed = _TERM.match(term.strip())
        if parsed is None:
            raise ValueError(term)
        field, operator, value = parsed.groups()
        words = re.findall(r'"((?:[^"\\]|\\.)*)"|([\w~-]+)', value)
        wanted = [quoted.replace('\\"', '"') or plain for quoted, plain in words]
        if field == "lastmodified":
            minutes = int(re.findall(r"-(\d+)m", value)[0])
            since = datetime.now(UTC) - timedelta(minutes=minutes)
            return lambda content: bool(content["when"] >= since)
        if field == "title":
            return lambda content: wanted[0].casefold() in content["title"].casefold()
        if field == "ancestor":
            return lambda content: (
                any(a["id"] in wanted for a in self._ancestors(content)) and content["type"] != "attachment"
            )
        if field in ("parent", "container"):
            return lambda content: (
                content["parent"] in wanted and (content["type"] == "attachment") == (field == "container")
            )
        if field not in ("id", "space", "type") or operator not in ("in", "="):
            raise ValueError(term)
        return lambda content: content[field] in wanted


def fill(server: ConfluenceServer) -> None:
    """A small company: two spaces that staff may see, with a page that is restricted."""
    server.people = {
        "ann": "ann@harbour.example",
        "ben": "ben@harbour.example",
        "cleo": "cleo@harbour.example",
        "dan": "",
    }
    server.groups = {"staff": ["ann", "ben", "cleo", "dan"], "leads": ["ann", "ben"], "finance": ["ben", "cleo"]}
    server.add_space("HB", "Handbook")
    server.add_space("ENG", "Engineering")
    home = server.add("Handbook home", "HB", "<p>How we work at Harbour Lane.</p>")
    leave = server.add("Leave", "HB", "<p>Twenty-eight days a year.</p>", parent=home, labels=("people", "policy"))
    server.add("Parental leave", "HB", "<p>Sixteen weeks.</p>", parent=leave)
    pay = server.add("Pay", "HB", "<p>Paid on the last working day.</p>", parent=home)
    server.contents[pay]["restricted"] = ["group:leads"]
    server.add("Bonus", "HB", "<p>Decided in spring.</p>", parent=pay)
    server.attach("rota.txt", leave, b"The rota of the harbour office")
    server.add("Ship launched", "HB", "<p>The Aurora is afloat.</p>", kind="blogpost")
    base = server.add("Engineering home", "ENG", "<p>What the engineers keep.</p>")
    server.add("Releases", "ENG", "<p>Every second Tuesday.</p>", parent=base)


if __name__ == "__main__":
    with ConfluenceServer(cloud="datacenter" not in sys.argv[1:]) as running:
        sys.stdout.write(f"{running.base_url}  e-mail {EMAIL}, token {TOKEN}\n")
        sys.stdout.flush()
        threading.Event().wait()
