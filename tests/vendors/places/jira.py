"""Jira on loopback: the cloud's API version 3, a data center's version 2, and the gateway that OAuth goes through.

``python -m tests.vendors.places.jira`` runs it with a small company's projects. Cloud: ann@fernholt.example with the API token
``ATATT-fernholt``; data center: the personal access token ``pat-fernholt``.
"""

from __future__ import annotations

import base64
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.vendors.places.jql import BadQuery, select
from tests.vendors.places.loopback import Handler, Loopback
from tests.vendors.places.oauth import CLIENT_ID, CLIENT_SECRET
from tests.vendors.places.sign_ins import AtlassianSignIn

EMAIL, TOKEN, PAT, BEARER = "ann@fernholt.example", "ATATT-fernholt", "pat-fernholt", "oauth-fernholt"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
Json = dict[str, Any]


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000"


class JiraServer(Loopback):
    """``page_size`` caps every page of issues and comments."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.projects_held: dict[str, Json] = {}
        self.issues_held: dict[str, Json] = {}
        self.fields = [{"id": "summary", "name": "Summary"}, {"id": "customfield_10050", "name": "Acceptance criteria"}]
        self.people = {"ann": "Ann Arbour", "ben": "Ben Birch", "cid": "Cid Cedar"}
        self.page_size = 100
        self.clock = START
        self.sign_in = AtlassianSignIn()

    # what tests and people fill in

    def project(self, number: str, key: str, name: str) -> str:
        self.projects_held[number] = {"id": number, "key": key, "name": name, "projectTypeKey": "software"}
        return number

    def issue(self, project: str, summary: str, description: Any = "", at: datetime | None = None, **more: Any) -> str:
        self.clock += timedelta(minutes=1)
        number = str(10_200 + len(self.issues_held) + 1)
        when = at or self.clock
        count = 1 + sum(1 for one in self.issues_held.values() if one["project"] == project)
        self.issues_held[number] = {
            **{"id": number, "key": f"{self.projects_held[project]['key']}-{count}", "project": project},
            **{"summary": summary, "description": description, "status": "To Do", "type": "Task", "priority": "Medium"},
            **{"labels": [], "components": [], "assignee": None, "reporter": "ann", "created": when, "updated": when},
            **{"comments": [], "attachments": [], "links": [], "security": None, "more": {}},
            **more,
        }
        return number

    def comment(self, number: str, author: str, body: Any, **more: Any) -> None:
        found = self.issues_held[number]
        found["comments"].append({"author": author, "body": body, "created": found["updated"], **more})

    # HTTP

    def routes(self) -> list[web.RouteDef]:
        routes = [
            web.get("/write", self.written),
            web.get("/authorize", self.sign_in.authorize),
            web.post("/oauth/token", self.handle(self.sign_in.token)),
            web.get("/oauth/token/accessible-resources", self.handle(self.authed(self.resources))),
        ]
        for root in ("/rest/api/{version:[23]}", "/ex/jira/cloud-1/rest/api/{version:3}"):
            gets: dict[str, Handler] = {
                "/myself": self.myself,
                "/project/search": self.project_search,
                "/project": self.all_projects,
                "/project/{id}": self.one_project,
                "/field": self.all_fields,
                "/user": self.user,
                "/issue/{id}": self.one_issue,
                "/issue/{id}/comment": self.comments,
            }
            posts: dict[str, Handler] = {
                "/search/jql": self.search_cloud,
                "/search/approximate-count": self.count,
                "/search": self.search_center,
            }
            routes += [web.get(root + path, self.handle(self.authed(handler))) for path, handler in gets.items()]
            routes += [web.post(root + path, self.handle(self.authed(handler))) for path, handler in posts.items()]
        return routes

    def error(self, status: int, headers: dict[str, str], said: str = "") -> web.Response:
        if status == 401:
            return web.Response(
                text="Client must be authenticated to access this resource.", status=401, headers=headers
            )
        return web.json_response(
            {"errorMessages": [said or f"Status {status}"], "errors": {}}, status=status, headers=headers
        )

    def authed(self, handler: Handler) -> Handler:
        async def checked(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "")
            basic = "Basic " + base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
            gateway = request.path.startswith(("/ex/", "/oauth/"))
            version = request.match_info.get("version")
            right = f"Bearer {BEARER}" if gateway else basic if version == "3" else f"Bearer {PAT}"
            signed_in = gateway and given.removeprefix("Bearer ") in self.sign_in.access
            return await handler(request) if given == right or signed_in else self.error(401, {})

        return checked

    async def written(self, request: web.Request) -> web.Response:
        """To try by hand: /write?issue=SCALE-1&text=Hello says something, &description=… rewrites it, &status=Done sets it."""
        asked = request.query
        found = next((one for one in self.issues_held.values() if one["key"] == asked.get("issue")), None)
        if found is None:
            return web.Response(
                status=404, text=f"Name one of {', '.join(one['key'] for one in self.issues_held.values())}"
            )
        found["updated"] = datetime.now(UTC)
        found |= {name: asked[name] for name in ("description", "status", "summary") if name in asked}
        if asked.get("text"):
            self.comment(found["id"], "ben", asked["text"])
        return web.Response(text=f"Changed: {found['key']}")

    async def resources(self, request: web.Request) -> web.Response:
        site = {
            "id": "cloud-1",
            "url": "https://fernholt.atlassian.net",
            "name": "fernholt",
            "scopes": ["read:jira-work"],
        }
        other = {
            "id": "cloud-2",
            "url": "https://other.atlassian.net",
            "name": "other",
            "scopes": ["read:confluence-user"],
        }
        return web.json_response([site, other])

    async def myself(self, request: web.Request) -> web.Response:
        return web.json_response({"accountId": "ann", "displayName": self.people["ann"], "emailAddress": EMAIL})

    async def user(self, request: web.Request) -> web.Response:
        key = request.query.get("accountId") or request.query.get("username", "")
        return web.json_response({"displayName": self.people[key]}) if key in self.people else self.error(404, {})

    async def all_fields(self, request: web.Request) -> web.Response:
        return web.json_response(self.fields)

    async def project_search(self, request: web.Request) -> web.Response:
        text = request.query.get("query", "").lower()
        found = [one for one in self._projects() if text in f"{one['name']} {one['key']}".lower()]
        start, size = (
            int(request.query.get("startAt", 0)),
            min(int(request.query.get("maxResults", 50)), self.page_size),
        )
        page = found[start : start + size]
        told = {"startAt": start, "maxResults": size, "total": len(found), "isLast": start + size >= len(found)}
        return web.json_response({**told, "values": page})

    async def all_projects(self, request: web.Request) -> web.Response:
        return web.json_response(self._projects())

    async def one_project(self, request: web.Request) -> web.Response:
        found = self.projects_held.get(request.match_info["id"])
        return web.json_response(found) if found else self.error(404, {}, "No project could be found with that id.")

    async def one_issue(self, request: web.Request) -> web.Response:
        asked = request.match_info["id"]
        found = next((one for one in self.issues_held.values() if asked in (one["id"], one["key"])), None)
        if found is None:
            return self.error(404, {}, "Issue does not exist or you do not have permission to see it.")
        return web.json_response(self._told(found, request, request.query.get("fields", "").split(",")))

    async def comments(self, request: web.Request) -> web.Response:
        found = self.issues_held[request.match_info["id"]]["comments"]
        start, size = (
            int(request.query.get("startAt", 0)),
            min(int(request.query.get("maxResults", 50)), self.page_size),
        )
        page = [self._comment(one, request) for one in found[start : start + size]]
        return web.json_response({"startAt": start, "maxResults": size, "total": len(found), "comments": page})

    async def search_cloud(self, request: web.Request) -> web.Response:
        asked = await request.json()
        try:
            found = self._select(asked["jql"])
        except BadQuery as error:
            return self.error(400, {}, str(error))
        begin = 0
        if token := asked.get("nextPageToken"):
            start, _, jql = (
                bytes.fromhex(token if set(token) <= set("0123456789abcdef") else "").decode().partition(":")
            )
            if jql != asked["jql"]:
                return self.error(400, {}, "The nextPageToken is invalid or has expired.")
            begin = int(start)
        end = begin + min(asked.get("maxResults", 50), self.page_size)
        told: Json = {"issues": [self._told(one, request, asked["fields"]) for one in found[begin:end]]}
        told["isLast"] = end >= len(found)
        if end < len(found):
            told["nextPageToken"] = f"{end}:{asked['jql']}".encode().hex()
        return web.json_response(told)

    async def search_center(self, request: web.Request) -> web.Response:
        asked = await request.json()
        try:
            found = self._select(asked["jql"])
        except BadQuery as error:
            return self.error(400, {}, str(error))
        start, size = asked.get("startAt", 0), min(asked.get("maxResults", 50), self.page_size)
        page = [self._told(one, request, asked["fields"]) for one in found[start : start + size]]
        return web.json_response({"startAt": start, "maxResults": size, "total": len(found), "issues": page})

    async def count(self, request: web.Request) -> web.Response:
        try:
            return web.json_response({"count": len(self._select((await request.json())["jql"]))})
        except BadQuery as error:
            return self.error(400, {}, str(error))

    # shapes

    def _select(self, jql: str) -> list[Json]:
        return select(list(self.issues_held.values()), jql, set(self.projects_held))

    def _projects(self) -> list[Json]:
        return sorted(self.projects_held.values(), key=lambda one: one["name"])

    def _told(self, one: Json, request: web.Request, fields: list[str]) -> Json:
        known: Json = {
            **{"summary": one["summary"], "labels": one["labels"], "project": self.projects_held[one["project"]]},
            **{
                "status": {"name": one["status"]},
                "issuetype": {"name": one["type"]},
                "priority": {"name": one["priority"]},
            },
            **{"components": [{"name": name} for name in one["components"]], "security": one["security"]},
            **{"assignee": self._person(one["assignee"]), "reporter": self._person(one["reporter"])},
            **{"created": stamp(one["created"]), "updated": stamp(one["updated"])},
            **{"description": self._rich(one["description"], request), "issuelinks": one["links"]},
            "attachment": [{"filename": name, "size": size} for name, size in one["attachments"]],
            **one["more"],
        }
        comments = [self._comment(each, request) for each in one["comments"]]
        page = comments[: self.page_size]
        known["comment"] = {"comments": page, "total": len(comments), "maxResults": self.page_size, "startAt": 0}
        return {"id": one["id"], "key": one["key"], "fields": {name: known.get(name) for name in fields}}

    def _comment(self, one: Json, request: web.Request) -> Json:
        told = {
            "author": self._person(one["author"]),
            "created": stamp(one["created"]),
            "body": self._rich(one["body"], request),
        }
        return told | {key: one[key] for key in ("visibility", "jsdPublic") if key in one}

    def _person(self, key: str | None) -> Json | None:
        return {"accountId": key, "name": key, "displayName": self.people[key]} if key else None

    def _rich(self, value: Any, request: web.Request) -> Any:
        """Version 3 tells a document, version 2 wiki markup."""
        if request.match_info["version"] == "2" or not isinstance(value, str) or not value:
            return value or None
        lines = [
            {"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in value.split("\n") if line
        ]
        return {"type": "doc", "version": 1, "content": lines}


def fernholt(server: JiraServer) -> JiraServer:
    """A small company: its products and its lab."""
    product = server.project("10000", "SCALE", "Scales")
    lab = server.project("10001", "LAB", "Laboratory")
    first = server.issue(
        product, "Display flickers in the cold", "Below four degrees the readout shivers.", labels=["faq"]
    )
    server.comment(first, "ben", "The capacitor is too small, marzipan-sized.")
    server.issue(product, "Translate the manual", "Into Romansh, please.", status="Done", assignee="ben")
    server.issue(product, "Beep less", "The confirmation tone startles people.", components=["Firmware"])
    server.issue(
        lab, "Recalibrate the reference mass", "Use the platinum cylinder.", attachments=[("mass.pdf", 2_400_000)]
    )
    server.issue(lab, "Replace the desiccant", "The silica is pink.")
    return server


def main() -> None:
    with fernholt(JiraServer(port=8202)) as running:
        sys.stdout.write(
            f"{running.base_url}  cloud: {EMAIL} with {TOKEN}  data center: {PAT}  (change things at /write)\n"
        )
        sys.stdout.write(f"OAuth: client id {CLIENT_ID}, client secret {CLIENT_SECRET}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
