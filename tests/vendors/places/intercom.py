"""Intercom on loopback: teams, collections, articles, the conversation search with its cursor, parts, and signed webhooks.

``python -m tests.vendors.places.intercom`` prints its address and runs until it is killed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from datasources.connectors.base import Delivery
from tests.vendors.places.loopback import Loopback
from tests.vendors.places.oauth import CLIENT_ID, CLIENT_SECRET
from tests.vendors.places.sign_ins import IntercomSignIn

TOKEN = "dG9rOmxvb3BiYWNr"
BEGIN = 1_760_000_000
Json = dict[str, Any]


class IntercomServer(Loopback):
    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.teams: list[Json] = []
        self.collections: list[Json] = []
        self.articles: dict[str, Json] = {}
        self.conversations: dict[str, Json] = {}
        self.forbidden = ""
        self.clock = BEGIN
        self.sign_in = IntercomSignIn()

    def routes(self) -> list[web.RouteDef]:
        handle = self.handle
        return [
            web.get("/oauth", self.sign_in.authorize),
            web.post("/auth/eagle/token", super().handle(self.sign_in.token)),
            web.get("/me", handle(self.me)),
            web.get("/teams", handle(self.list_teams)),
            web.get("/admins", handle(self.list_admins)),
            web.get("/help_center/collections", handle(self.list_collections)),
            web.get("/articles", handle(self.list_articles)),
            web.get("/articles/{id}", handle(self.get_article)),
            web.post("/conversations/search", handle(self.search)),
            web.get("/conversations/{id}", handle(self.get_conversation)),
        ]

    def handle(self, handler: Any) -> Any:
        async def checked(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if given not in (TOKEN, *self.sign_in.access):
                return self.error(401, {})
            if self.forbidden and request.path.startswith(self.forbidden):
                return self.error(403, {})
            return await handler(request)

        return super().handle(checked)

    def error(self, status: int, headers: dict[str, str]) -> web.Response:
        code = {401: "unauthorized", 403: "api_plan_restricted", 404: "not_found", 429: "rate_limit_exceeded"}
        if status == 429:
            wait = float(headers.get("Retry-After", "10"))
            headers = {"X-RateLimit-Limit": "166", "X-RateLimit-Remaining": "0"}
            headers["X-RateLimit-Reset"] = str(round(time.time() + wait))
        errors = [{"code": code.get(status, "server_error"), "message": f"status {status}"}]
        body = {"type": "error.list", "request_id": "loopback", "errors": errors}
        return web.json_response(body, status=status, headers=headers)

    # what a person does at the vendor

    def tick(self) -> int:
        self.clock += 3600
        return self.clock

    def add_article(self, key: str, title: str, body: str, parent: int | None = None, state: str = "published") -> None:
        now = self.tick()
        self.articles[key] = {
            "type": "article",
            "id": key,
            "workspace_id": "loop1",
            "title": title,
            "description": "",
            "body": body,
            "author_id": 7,
            "state": state,
            "created_at": now,
            "updated_at": now,
            "url": f"https://help.acme.example/en/articles/{key}",
            "parent_id": parent,
            "parent_type": "collection" if parent else None,
        }

    def add_conversation(self, key: str, body: str, team: str | None = None, subject: str = "") -> None:
        now = self.tick()
        self.conversations[key] = {
            "type": "conversation",
            "id": key,
            "title": None,
            "created_at": now,
            "updated_at": now,
            "state": "open",
            "open": True,
            "read": True,
            "priority": "not_priority",
            "admin_assignee_id": None,
            "team_assignee_id": int(team) if team else None,
            "tags": {"type": "tag.list", "tags": [{"type": "tag", "id": "1", "name": "billing"}]},
            "source": {
                "type": "conversation",
                "id": f"s{key}",
                "subject": subject,
                "body": f"<p>{body}</p>",
                "author": {"type": "user", "id": "u1", "name": "Carla Ruiz", "email": "carla@client.example"},
                "attachments": [],
            },
            "parts": [],
        }

    def reply(self, key: str, body: str, kind: str = "comment", name: str = "Ann Kaur") -> None:
        now = self.tick()
        conversation = self.conversations[key]
        conversation["updated_at"] = now
        conversation["parts"].append(
            {
                "type": "conversation_part",
                "id": f"p{now}",
                "part_type": kind,
                "body": body,
                "created_at": now,
                "updated_at": now,
                "author": {"type": "admin", "id": "7", "name": name, "email": "ann@acme.example"},
                "attachments": [],
                "redacted": False,
            }
        )

    def assign(self, key: str, team: str) -> None:
        self.conversations[key].update(team_assignee_id=int(team), updated_at=self.tick())

    def notification(self, topic: str, item: Json) -> Delivery:
        """Signed as Intercom signs."""
        body = json.dumps(
            {
                "type": "notification_event",
                "app_id": "loop1",
                "data": {"type": "notification_event_data", "item": item},
                "topic": topic,
                "id": f"notif_{item.get('id')}_{self.clock}",
                "created_at": self.clock,
                "delivery_attempts": 1,
            }
        ).encode()
        sign = hmac.new(CLIENT_SECRET.encode(), body, hashlib.sha1).hexdigest()
        headers = {"x-hub-signature": f"sha1={sign}", "x-topic": topic, "content-type": "application/json"}
        return Delivery("POST", headers, {}, body, CLIENT_SECRET, datetime.fromtimestamp(self.clock, UTC))

    # the API

    async def me(self, request: web.Request) -> web.Response:
        app = {"type": "app", "id_code": "loop1", "name": "Acme", "region": "US"}
        return web.json_response({"type": "admin", "id": "7", "name": "Ann Kaur", "email": "a@x.example", "app": app})

    async def list_teams(self, request: web.Request) -> web.Response:
        return web.json_response({"type": "team.list", "teams": self.teams})

    async def list_admins(self, request: web.Request) -> web.Response:
        admins = [{"type": "admin", "id": "7", "name": "Ann Kaur", "email": "ann@acme.example"}]
        return web.json_response({"type": "admin.list", "admins": admins})

    async def list_collections(self, request: web.Request) -> web.Response:
        return web.json_response(_paged(request, self.collections))

    async def list_articles(self, request: web.Request) -> web.Response:
        newest = sorted(self.articles.values(), key=lambda item: -item["updated_at"])
        return web.json_response(_paged(request, newest))

    async def get_article(self, request: web.Request) -> web.Response:
        found = self.articles.get(request.match_info["id"])
        return web.json_response(found) if found else self.error(404, {})

    async def get_conversation(self, request: web.Request) -> web.Response:
        found = self.conversations.get(request.match_info["id"])
        if found is None:
            return self.error(404, {})
        parts = {"type": "conversation_part.list", "conversation_parts": found["parts"][:500]}
        shown = {**_without_parts(found), "conversation_parts": {**parts, "total_count": len(found["parts"])}}
        return web.json_response(shown)

    async def search(self, request: web.Request) -> web.Response:
        body = await request.json()
        query, paging, order = body["query"], body.get("pagination") or {}, body.get("sort") or {}
        found = [item for item in self.conversations.values() if _fits(item, query)]
        found.sort(key=lambda item: (item["updated_at"], item["id"]), reverse=order.get("order") != "ascending")
        size, start = int(paging.get("per_page") or 20), int(paging.get("starting_after") or 0)
        if size > 150:
            return self.error(400, {})
        pages: Json = {"type": "pages", "page": start // size + 1, "per_page": size}
        pages["total_pages"] = -(-len(found) // size)
        if start + size < len(found):
            pages["next"] = {"per_page": size, "starting_after": str(start + size)}
        shown = [_without_parts(item) for item in found[start : start + size]]
        answer = {"type": "conversation.list", "total_count": len(found), "conversations": shown, "pages": pages}
        return web.json_response(answer)


def _without_parts(item: Json) -> Json:
    return {key: value for key, value in item.items() if key != "parts"}


def _paged(request: web.Request, items: list[Json]) -> Json:
    page, size = int(request.query.get("page", 1)), int(request.query.get("per_page", 25))
    pages = {"type": "pages", "page": page, "per_page": size, "total_pages": max(1, -(-len(items) // size))}
    return {"type": "list", "pages": pages, "total_count": len(items), "data": items[(page - 1) * size : page * size]}


def _fits(item: Json, query: Json) -> bool:
    operator, value = query["operator"], query["value"]
    if operator == "AND":
        return all(_fits(item, part) for part in value)
    have = item.get(query["field"])
    if operator == ">":
        return int(have or 0) > int(value)
    if operator == "IN":
        return str(have) in value
    raise AssertionError(f"This loopback does not know the operator {operator}")


def filled(port: int = 0) -> IntercomServer:
    """A small company: two teams, a help center of two levels, more conversations than a page holds."""
    server = IntercomServer(port)
    server.teams = [{"type": "team", "id": "11", "name": "Billing"}, {"type": "team", "id": "12", "name": "Support"}]
    for number, (key, name, parent) in enumerate(
        (("21", "Guides", None), ("22", "First steps", "21"), ("23", "FAQ", None))
    ):
        server.collections.append(
            {
                "id": key,
                "workspace_id": "loop1",
                "name": name,
                "created_at": BEGIN,
                "updated_at": BEGIN,
                "url": f"https://help.acme.example/en/collections/{key}",
                "order": number,
                "parent_id": parent,
            }
        )
    server.add_article("31", "How to log in", "<h2>Log in</h2><p>Use your keycard.</p>", 22)
    server.add_article("32", "Where are my bills?", "<p>Below <b>Billing</b>.</p>", 23)
    server.add_article("33", "Loose article", "<p>In no shelf.</p>")
    server.add_article("34", "Not yet written", "<p>Draft words.</p>", 23, state="draft")
    for number in range(52):
        server.add_article(f"4{number:02}", f"Tip {number}", f"<p>Tip tip{number}.</p>", 21)
    server.add_conversation("101", "My invoice is wrong", "11", subject="<p>Invoice 7</p>")
    server.reply("101", "<p>We have <b>corrected</b> it.</p>")
    server.reply("101", "<p>She is a difficult customer.</p>", "note")
    server.add_conversation("102", "Where is my refund?", "11")
    server.add_conversation("103", "The app crashes", "12")
    server.add_conversation("104", "Nobody has this one")
    for number in range(120):
        server.add_conversation(f"2{number:03}", f"Question question{number}", "12")
    return server


if __name__ == "__main__":
    with filled() as running:
        sys.stdout.write(f"{running.base_url}  token: {TOKEN}  or OAuth: {CLIENT_ID}, {CLIENT_SECRET}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)
