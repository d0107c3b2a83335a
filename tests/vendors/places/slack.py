"""A Slack on loopback: the Web API, OAuth, private files and signed events, over a workspace that a test changes.

    python -m tests.vendors.places.slack        # a small made-up company, to connect by hand
    python -m tests.vendors.places.slack 2000   # … or one of so many channels, with a hundred messages each

Paths, shapes and errors after https://docs.slack.dev/reference/methods. Errors come with status 200 and ``ok: false``, but for 429.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from tests.vendors.places.loopback import Loopback
from tests.vendors.places.oauth import CLIENT_ID, CLIENT_SECRET
from tests.vendors.places.sign_ins import SlackSignIn
from tests.vendors.places.slack_held import APP_USER, Held, MadeUp, Workspace, small_company

TOKEN = "xoxb-loopback"
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SCOPES = (
    "channels:read,channels:history,channels:join,groups:read,groups:history,users:read,users:read.email,files:read"
    ",canvases:read"
)


class SlackServer(Loopback):
    """``page``: the most that any list gives at once, as Slack may give less than was asked for.

    ``spans``: (channel, oldest) of each call for a history up to now.
    """

    def __init__(self, workspace: Held, *, page: int = 999, port: int = 0) -> None:
        super().__init__(port)
        self.keep_queries = False
        self.workspace = workspace
        self.page = page
        self.token = TOKEN
        self.sign_in = SlackSignIn()
        self.scopes = SCOPES
        self.dead_channels: set[str] = set()
        self.spans: list[tuple[str, str]] = []

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/oauth/v2/authorize", self.sign_in.authorize),
            web.post("/api/oauth.v2.access", self.handle(self.sign_in.token)),
            web.route("*", "/api/{method}", self.handle(self.api)),
            web.get("/files-pri/{file}/{tail:.*}", self.handle(self.file)),
            web.get("/say", self.said),
            web.get("/", self.home),
        ]

    def error(self, status: int, headers: dict[str, str]) -> web.Response:
        code = {401: "token_revoked", 403: "access_denied", 404: "channel_not_found", 429: "ratelimited"}.get(status)
        shown = status if status == 429 or status >= 500 else 200
        return web.json_response({"ok": False, "error": code or "internal_error"}, status=shown, headers=headers)

    async def api(self, request: web.Request) -> web.Response:
        asked = {**request.query, **(await request.post())} if request.method == "POST" else dict(request.query)
        given = request.headers.get("Authorization", "").removeprefix("Bearer ") or asked.get("token", "")
        if given not in (self.token, *self.sign_in.access):
            return self._no("not_authed" if not given else "invalid_auth")
        methods: dict[str, Callable[[Mapping[str, Any]], web.Response]] = {
            "auth.test": self._auth,
            "users.list": self._users,
            "users.info": self._user,
            "conversations.list": self._channels,
            "conversations.info": self._channel,
            "conversations.join": self._join,
            "conversations.members": self._members,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "files.info": self._file,
            "canvases.getContent": self._canvas,
        }
        method = methods.get(request.match_info["method"])
        return method(asked) if method else self._no("unknown_method")

    def _yes(self, **found: Any) -> web.Response:
        return web.json_response({"ok": True, **found}, headers={"X-OAuth-Scopes": self.scopes})

    def _no(self, code: str, **more: Any) -> web.Response:
        return web.json_response({"ok": False, "error": code, **more}, headers={"X-OAuth-Scopes": self.scopes})

    def _lacks(self, scope: str) -> web.Response | None:
        if scope in self.scopes.split(","):
            return None
        return self._no("missing_scope", needed=scope, provided=self.scopes)

    def _paged(self, key: str, found: Sequence[Any], asked: Mapping[str, Any], **more: Any) -> web.Response:
        start = int(base64.b64decode(asked["cursor"]).split(b":")[1]) if asked.get("cursor") else 0
        size = min(int(asked.get("limit") or 100), self.page)
        following = start + size
        cursor = base64.b64encode(f"next:{following}".encode()).decode() if following < len(found) else ""
        page = list(found[start:following])
        return self._yes(**{key: page}, **more, has_more=bool(cursor), response_metadata={"next_cursor": cursor})

    def _auth(self, asked: Mapping[str, Any]) -> web.Response:
        return self._yes(
            url="https://acme.slack.com/", team="Acme", user="atrium", team_id="T1", user_id=APP_USER, bot_id="B1"
        )

    def _users(self, asked: Mapping[str, Any]) -> web.Response:
        return self._lacks("users:read") or self._paged("members", self.workspace.users(), asked)

    def _user(self, asked: Mapping[str, Any]) -> web.Response:
        found = next((user for user in self.workspace.users() if user["id"] == asked.get("user")), None)
        return self._yes(user=found) if found else self._no("user_not_found")

    def _channels(self, asked: Mapping[str, Any]) -> web.Response:
        private = "private_channel" in asked.get("types", "public_channel")
        if lacks := self._lacks("channels:read") or (self._lacks("groups:read") if private else None):
            return lacks
        return self._paged("channels", _Channels(self.workspace, private), asked)

    def _seen(self, asked: Mapping[str, Any], *, read: bool = False) -> web.Response | dict[str, Any]:
        found = self.workspace.channel(asked.get("channel", ""))
        if found is None or (found["is_private"] and not found["is_member"]):
            return self._no("channel_not_found")
        if found["id"] in self.dead_channels or (read and not found["is_member"]):
            return self._no("not_in_channel")
        scope = "groups:history" if found["is_private"] else "channels:history"
        return (self._lacks(scope) if read else None) or found

    def _channel(self, asked: Mapping[str, Any]) -> web.Response:
        found = self._seen(asked)
        return found if isinstance(found, web.Response) else self._yes(channel=found)

    def _join(self, asked: Mapping[str, Any]) -> web.Response:
        found = self._seen(asked)
        if isinstance(found, web.Response):
            return found
        if found["is_archived"] or found["is_private"]:
            return self._no("is_archived" if found["is_archived"] else "method_not_supported_for_channel_type")
        if lacks := self._lacks("channels:join"):
            return lacks
        self.workspace.join(found["id"])
        return self._yes(channel=found)

    def _members(self, asked: Mapping[str, Any]) -> web.Response:
        found = self._seen(asked)
        if isinstance(found, web.Response):
            return found
        return self._paged("members", self.workspace.members(found["id"]), asked)

    def _history(self, asked: Mapping[str, Any]) -> web.Response:
        """Newest first. Replies are not in it, but for those that were shown in the channel."""
        found = self._seen(asked, read=True)
        if isinstance(found, web.Response):
            return found
        if self.keep_requests and not asked.get("latest"):
            self.spans.append((found["id"], asked.get("oldest", "")))
        oldest, latest = float(asked.get("oldest") or 0), float(asked.get("latest") or 1e12)
        messages = [
            message
            for message in reversed(self.workspace.messages(found["id"]))
            if (
                message.get("thread_ts", message["ts"]) == message["ts"] or message.get("subtype") == "thread_broadcast"
            )
            and oldest <= float(message["ts"]) <= latest
        ]
        return self._paged("messages", messages, asked)

    def _replies(self, asked: Mapping[str, Any]) -> web.Response:
        found = self._seen(asked, read=True)
        if isinstance(found, web.Response):
            return found
        ts = asked.get("ts", "")
        messages = [m for m in self.workspace.messages(found["id"]) if ts in (m["ts"], m.get("thread_ts"))]
        return self._paged("messages", messages, asked) if messages else self._no("thread_not_found")

    def _file(self, asked: Mapping[str, Any]) -> web.Response:
        found = self.workspace.file(asked.get("file", ""))
        return self._lacks("files:read") or (self._yes(file=found[0]) if found else self._no("file_not_found"))

    def _canvas(self, asked: Mapping[str, Any]) -> web.Response:
        found = self.workspace.file(asked.get("canvas_id", ""))
        if found is None or found[0]["filetype"] != "quip":
            return self._lacks("canvases:read") or self._no("canvas_not_found")
        return self._lacks("canvases:read") or self._yes(content=found[1].decode())

    async def file(self, request: web.Request) -> web.Response:
        """Who has no right to it is sent to the sign-in page."""
        found = self.workspace.file(request.match_info["file"].partition("-")[2])
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if given not in (self.token, *self.sign_in.access) or self._lacks("files:read"):
            return web.Response(status=302, headers={"Location": "/?redir=files"})
        if found is None:
            return web.Response(status=404)
        return web.Response(body=found[1], content_type=found[0]["mimetype"])

    async def said(self, request: web.Request) -> web.Response:
        """To try by hand: /say?channel=general&text=Hello (and &thread=<ts> to answer)."""
        workspace = self.workspace
        if not isinstance(workspace, Workspace):
            return web.Response(status=400, text="This workspace is made up as it is read; nothing can be said in it.")
        named = {c["name"]: c["id"] for c in (workspace.channel_at(n) for n in range(workspace.channel_count()))}
        channel = named.get(request.query.get("channel", ""))
        if channel is None:
            return web.Response(status=404, text=f"There is no such channel; there are {', '.join(named)}.")
        ts = workspace.say(channel, request.query.get("text", ""), thread=request.query.get("thread", ""))
        return web.Response(text=f"Said in {channel}, ts {ts}")

    async def home(self, request: web.Request) -> web.Response:
        form = "<form action=/say><input name=channel value=general> <input name=text> <input name=thread placeholder='thread ts'><button>Say"
        return web.Response(text=f"<!doctype html><title>Slack on loopback</title>{form}", content_type="text/html")


class _Channels(Sequence[dict[str, Any]]):
    """Channels made as they are asked for; private ones only where the app is in them."""

    def __init__(self, workspace: Held, private: bool) -> None:
        self._workspace = workspace
        self._numbers: Sequence[int] = range(workspace.channel_count())
        if isinstance(workspace, Workspace):
            found = [(n, workspace.channel_at(n)) for n in self._numbers]
            self._numbers = [n for n, c in found if not c["is_private"] or (private and c["is_member"])]

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self._workspace.channel_at(number) for number in self._numbers[at]]
        return self._workspace.channel_at(self._numbers[at])


def signed(body: bytes, *, at: float | None = None, secret: str = SIGNING_SECRET) -> dict[str, str]:
    """The headers that Slack sends with an event (lower case): https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    when = str(int(at if at is not None else time.time()))
    digest = hmac.new(secret.encode(), b"v0:" + when.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"content-type": "application/json", "x-slack-request-timestamp": when, "x-slack-signature": f"v0={digest}"}


def event(inner: Mapping[str, Any], number: int = 1) -> bytes:
    """The envelope of an event."""
    return json.dumps({
        "token": "verification", "team_id": "T1", "api_app_id": "A1", "type": "event_callback", "event": inner,
        "event_id": f"Ev{number:08d}", "event_time": int(time.time()),
        "authorizations": [{"team_id": "T1", "user_id": APP_USER, "is_bot": True}],
    }).encode()  # fmt: skip


def main() -> None:
    made: Held = MadeUp(int(sys.argv[1])) if len(sys.argv) > 1 else small_company()
    with SlackServer(made, page=200, port=8921) as server:
        server.keep_requests = False
        print(f"Slack on loopback: {server.base_url}  bot token {TOKEN}  signing secret {SIGNING_SECRET}")  # noqa: T201
        print(f"OAuth: client ID {CLIENT_ID}, client secret {CLIENT_SECRET}. Say something: {server.base_url}/")  # noqa: T201
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
