"""Google Drive on loopback: files, changes, drives, permissions, the Directory's groups, and tokens for a service account.

Source: Drive API v3 reference. ``python -m tests.vendors.places.google_drive [made-up]`` prints its address and a key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from tests.vendors.places.drive_items import APPS, FOLDER, SHORTCUT, DriveItem, MadeUp, Shelf
from tests.vendors.places.drive_query import compiled, cut, fields_of, parents_in
from tests.vendors.places.loopback import Loopback
from tests.vendors.places.sign_ins import GoogleSignIn

TOKEN_URL = "https://oauth2.googleapis.com/token"
MAIL = "atrium@acme-project.iam.gserviceaccount.com"
ROOT = "my-drive-root"
_SCOPES = (
    ("/drive/", "drive.readonly"),
    ("/admin/directory/", "admin.directory.group.member"),
    ("/v2/labels", "drive.labels.readonly"),
)
_REASONS = {401: "authError", 403: "insufficientFilePermissions", 404: "notFound", 429: "rateLimitExceeded"}


@lru_cache(maxsize=1)
def _pair() -> tuple[str, bytes]:
    """(private key, public key), made once: PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kept = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return kept.decode(), public


def service_account() -> str:
    """The JSON file that Google gives for a service account."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "acme-project",
            "private_key_id": "k1",
            "private_key": _pair()[0],
            "client_email": MAIL,
            "client_id": "1",
            "token_uri": TOKEN_URL,
        }
    )


class GoogleDriveServer(Loopback):
    """``page_limit``: Google gives fewer than asked for when it likes. ``delegated``: people it may read in the name of."""

    def __init__(self, port: int = 0, *, page_limit: int = 1000) -> None:
        super().__init__(port)
        self.page_limit = page_limit
        self.shelf = Shelf()
        self.made_up: MadeUp | None = None
        self.drives: dict[str, str] = {}
        self.drive_permissions: dict[str, list[dict[str, Any]]] = {}
        self.groups: dict[str, list[dict[str, Any]]] = {}
        self.labels: list[dict[str, Any]] = []
        self.delegated: set[str] = set()
        self.tokens: dict[str, str] = {}
        self.sign_in = GoogleSignIn()
        self.log: dict[tuple[str, str], int] = {}
        self.clock = 1000
        self.grants: list[dict[str, Any]] = []
        self._forgotten = 0

    # what a person does at the vendor

    def put(self, item: DriveItem) -> DriveItem:
        self.clock += 1
        item.created = item.created or self.clock
        item.modified = self.clock
        if item.parents and (above := self.get(item.parents[0])) is not None:
            item.drive = item.drive or above.drive
        elif item.parents and item.parents[0] in self.drives:
            item.drive = item.parents[0]
        self.shelf.items[item.id] = item
        self.changed(item.id, item.drive)
        return item

    def changed(self, key: str, corpus: str) -> None:
        self.clock += 1
        self.log.pop((corpus, key), None)
        self.log[(corpus, key)] = self.clock

    def edit(self, key: str, text: bytes) -> None:
        item = self.shelf.items[key]
        item.content = text if not item.mime.startswith(APPS) else b""
        item.exports = dict.fromkeys(item.exports, text)
        item.modified = self.clock + 1
        self.changed(key, item.drive)

    def move(self, key: str, parent: str) -> None:
        if self.made_up is not None and self.made_up.get(key):
            self.made_up.moved[key] = parent
            self.changed(key, "")
            return
        item, old = self.shelf.items[key], self.shelf.items[key].drive
        above = self.get(parent)
        item.parents, item.drive = [parent], parent if parent in self.drives else above.drive if above else ""
        self.changed(key, item.drive)
        if old != item.drive:
            self.changed(key, old)

    def trash(self, key: str, trashed: bool = True) -> None:
        """With all below; the feed names only this one."""
        item = self.get(key)
        assert item is not None
        for one in [item, *self._below(item)]:
            if self.made_up is not None and self.made_up.get(one.id):
                (self.made_up.trashed.add if trashed else self.made_up.trashed.discard)(one.id)
            else:
                one.trashed = trashed
        self.changed(key, item.drive)

    def delete(self, key: str) -> None:
        item = self.shelf.items.pop(key)
        self.changed(key, item.drive)

    def revise(self, numbers: range) -> None:
        """Edit files of the made-up drive."""
        assert self.made_up is not None
        for number in numbers:
            key = f"mfil-{number:06}"
            self.made_up.revisions[key] = self.made_up.revisions.get(key, 0) + 1
            self.changed(key, "")

    def forget_tokens(self) -> None:
        """Page tokens of changes from before now are no longer known."""
        self._forgotten = self.clock + 1

    def get(self, key: str) -> DriveItem | None:
        return self.shelf.get(key) or (self.made_up.get(key) if self.made_up else None)

    def _below(self, item: DriveItem) -> Iterator[DriveItem]:
        for child in self.shelf.children([item.id]):
            yield child
            yield from self._below(child)
        for child in self.made_up.children([item.id]) if self.made_up else ():
            yield child
            yield from self._below(child)

    # the API

    def routes(self) -> list[web.RouteDef]:
        calls = {
            "/drive/v3/about": self.about,
            "/drive/v3/drives": self.list_drives,
            "/drive/v3/files": self.list_files,
            "/drive/v3/files/{id}": self.file,
            "/drive/v3/files/{id}/export": self.export,
            "/drive/v3/files/{id}/permissions": self.permissions,
            "/drive/v3/changes/startPageToken": self.start_token,
            "/drive/v3/changes": self.list_changes,
            "/admin/directory/v1/groups/{id}/members": self.members,
            "/v2/labels": self.list_labels,
        }
        found = [web.get(path, self.handle(self.allowed(handler))) for path, handler in calls.items()]
        found.append(web.get("/o/oauth2/v2/auth", self.sign_in.authorize))
        return [*found, web.post("/token", self.handle(self.grant))]

    def error(self, status: int, headers: dict[str, str], reason: str = "", **more: str) -> web.Response:
        named = reason or _REASONS.get(status, "backendError")
        line = {"domain": "global", "reason": named, "message": f"{named}.", **more}
        body = {"error": {"code": status, "message": f"{named}.", "errors": [line]}}
        return web.json_response(body, status=status, headers=headers)

    async def grant(self, request: web.Request) -> web.Response:
        form = await request.post()
        if "assertion" not in form:
            return await self.sign_in.token(request)
        try:
            claims = dict(jwt.decode(str(form["assertion"]), certs=_pair()[1], audience=TOKEN_URL))
        except ValueError as error:
            return web.json_response({"error": "invalid_grant", "error_description": str(error)}, status=400)
        self.grants.append(claims)
        if claims.get("sub") and claims["sub"] not in self.delegated:
            return web.json_response(
                {"error": "unauthorized_client", "error_description": "Not delegated."}, status=401
            )
        token = "ya29." + hashlib.sha256(repr(sorted(claims.items())).encode()).hexdigest()[:20]
        self.tokens[token] = str(claims["scope"])
        return web.json_response({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def allowed(self, handler: Any) -> Any:
        async def checked(request: web.Request) -> web.StreamResponse:
            bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
            scopes = self.tokens.get(bearer, "")
            if bearer in self.sign_in.access:
                scopes = self.sign_in.asked[-1]["scope"]
            if not scopes:
                return self.error(401, {})
            if not any(request.path.startswith(path) and scope in scopes for path, scope in _SCOPES):
                return self.error(403, {}, "insufficientPermissions")
            answer: web.StreamResponse = await handler(request)
            return answer

        return checked

    def answer(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        return web.json_response(cut(body, fields_of(request.query.get("fields", ""))))

    def told(self, request: web.Request, item: DriveItem) -> dict[str, Any]:
        """Of its labels only those that the call names (``includeLabels``), as Drive does it."""
        named = request.query.get("includeLabels", "").split(",")
        labels = [{"kind": "drive#label", "revisionId": "1", **label} for label in item.labels if label["id"] in named]
        return item.resource() | ({"labelInfo": {"labels": labels}} if labels else {})

    async def about(self, request: web.Request) -> web.Response:
        return self.answer(request, {"user": {"displayName": "Atrium", "emailAddress": MAIL}})

    async def list_drives(self, request: web.Request) -> web.Response:
        drives = [{"id": key, "name": name} for key, name in self.drives.items()]
        return self._page(request, "drives", drives)

    async def file(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        if key == "root":
            return self.answer(request, {"id": ROOT, "name": "My Drive", "mimeType": FOLDER})
        if key in self.drives:
            return self.answer(request, {"id": key, "name": "Drive", "mimeType": FOLDER, "driveId": key})
        item = self.get(key)
        if item is None:
            return self.error(404, {})
        if request.query.get("alt") != "media":
            return self.answer(request, self.told(request, item))
        if item.mime.startswith(APPS):
            return self.error(403, {}, "fileNotDownloadable")
        return web.Response(body=item.content, content_type=item.mime.split(";")[0])

    async def export(self, request: web.Request) -> web.Response:
        item, mime = self.get(request.match_info["id"]), request.query["mimeType"]
        if item is None:
            return self.error(404, {})
        if mime in item.too_large:
            return self.error(403, {}, "exportSizeLimitExceeded")
        if mime not in item.exports:
            return self.error(400, {}, "badRequest")
        return web.Response(body=item.exports[mime], content_type=mime)

    async def permissions(self, request: web.Request) -> web.Response:
        key = request.match_info["id"]
        item = self.get(key)
        listed = self.drive_permissions.get(key) if key in self.drives else item.permissions if item else None
        return self.error(403, {}) if listed is None else self.answer(request, {"permissions": listed})

    async def members(self, request: web.Request) -> web.Response:
        group = self.groups.get(request.match_info["id"])
        return self.error(404, {}) if group is None else self._page(request, "members", group)

    async def list_labels(self, request: web.Request) -> web.Response:
        """Drive Labels API v2. Fields and choices come only with LABEL_VIEW_FULL."""
        if request.query.get("view") != "LABEL_VIEW_FULL":
            return self._page(request, "labels", [{**label, "fields": []} for label in self.labels])
        return self._page(request, "labels", self.labels)

    async def list_files(self, request: web.Request) -> web.Response:
        query = request.query.get("q", "")
        try:
            matches = compiled(query)
        except (ValueError, KeyError, IndexError):
            return self.error(400, {}, "invalid", location="q")
        corpora, drive = request.query.get("corpora", "user"), request.query.get("driveId", "")
        start = self._position(request.query.get("pageToken", ""), query)
        if start is None:
            return self.error(400, {}, "invalid", location="pageToken")
        size = min(int(request.query.get("pageSize", "100")), self.page_limit)
        files: list[dict[str, Any]] = []
        for at, item in self._candidates(query, start):
            if (corpora == "allDrives" or item.drive == drive) and matches(item):
                if len(files) == size:
                    token = base64.urlsafe_b64encode(f"{at}:{_digest(query)}".encode()).decode()
                    return self.answer(request, {"files": files, "nextPageToken": token})
                files.append(self.told(request, item))
        return self.answer(request, {"files": files})

    def _candidates(self, query: str, start: int) -> Iterator[tuple[int, DriveItem]]:
        """(position, item) from a position on; only what is in the named folders where the query names some."""
        if named := parents_in(query):
            found = [*self.shelf.children(named), *(self.made_up.children(named) if self.made_up else ())]
            yield from ((at, found[at]) for at in range(start, len(found)))
            return
        if start < len(self.shelf):
            yield from enumerate(self.shelf.between(start), start)
        if self.made_up is not None:
            begin = max(start, len(self.shelf))
            yield from enumerate(self.made_up.between(begin - len(self.shelf)), begin)

    def _position(self, token: str, query: str) -> int | None:
        if not token:
            return 0
        try:
            at, digest = base64.urlsafe_b64decode(token).decode().split(":")
        except ValueError:
            return None
        return int(at) if digest == _digest(query) else None

    async def start_token(self, request: web.Request) -> web.Response:
        return web.json_response({"startPageToken": str(self.clock + 1)})

    async def list_changes(self, request: web.Request) -> web.Response:
        corpus, since = request.query.get("driveId", ""), int(request.query["pageToken"])
        if since < self._forgotten:
            return self.error(400, {}, "invalid", location="pageToken")
        waiting = [(at, key) for (of, key), at in self.log.items() if of == corpus and at >= since]
        waiting.sort()
        size = min(int(request.query.get("pageSize", "100")), self.page_limit)
        page, rest = waiting[:size], waiting[size:]
        body: dict[str, Any] = {"changes": [self._change(request, key, corpus) for _, key in page]}
        body |= {"nextPageToken": str(rest[0][0])} if rest else {"newStartPageToken": str(self.clock + 1)}
        return self.answer(request, body)

    def _change(self, request: web.Request, key: str, corpus: str) -> dict[str, Any]:
        item = self.get(key)
        change: dict[str, Any] = {"changeType": "file", "fileId": key, "removed": item is None or item.drive != corpus}
        return change if change["removed"] or item is None else change | {"file": self.told(request, item)}

    def _page(self, request: web.Request, key: str, rows: list[dict[str, Any]]) -> web.Response:
        start = int(request.query.get("pageToken", "0"))
        body: dict[str, Any] = {key: rows[start : start + self.page_limit]}
        if start + self.page_limit < len(rows):
            body["nextPageToken"] = str(start + self.page_limit)
        return self.answer(request, body)


def _digest(query: str) -> str:
    return hashlib.sha256(query.encode()).hexdigest()[:12]


def doc(key: str, name: str, parent: str, text: str) -> DriveItem:
    body = text.encode()
    exports = {"text/markdown": body, "text/plain": body}
    return DriveItem(key, name, APPS + "document", [parent], exports=exports)


def folder(key: str, name: str, parent: str) -> DriveItem:
    return DriveItem(key, name, FOLDER, [parent])


def note(key: str, name: str, parent: str, text: str) -> DriveItem:
    return DriveItem(key, name, "text/markdown", [parent], content=text.encode())


def shortcut(key: str, name: str, parent: str, target: str) -> DriveItem:
    return DriveItem(key, name, SHORTCUT, [parent], target=target)


def filled(port: int = 0, *, page_limit: int = 3) -> GoogleDriveServer:
    """A small company's My Drive, a shared drive and a document that somebody shared."""
    server = GoogleDriveServer(port, page_limit=page_limit)
    server.drives = {"drive-sales": "Sales", "drive-people": "People"}
    for item in (
        folder("f-handbook", "Handbook", ROOT),
        folder("f-travel", "Travel", "f-handbook"),
        doc("d-leave", "Leave", "f-handbook", "# Leave\n\nEveryone has thirty days."),
        note("t-rail", "rail.md", "f-travel", "Trains before planes."),
        note("t-hotels", "hotels.md", "f-travel", "Hotels up to 140 a night."),
        note("t-notes", "notes.txt", ROOT, "Printer on floor two."),
        folder("s-offers", "Offers", "drive-sales"),
        doc("s-prices", "Prices", "drive-sales", "# Prices\n\nPumps cost 900."),
        note("s-offer", "offer.md", "s-offers", "An offer to the harbour."),
        note("s-terms", "terms.md", "s-offers", "Net thirty."),
        note("p-pay", "pay.md", "drive-people", "Salaries on the 25th."),
    ):
        server.put(item)
    server.put(doc("x-shared", "From a partner", "", "Partner margins are ten."))
    server.shelf.items["x-shared"].parents, server.shelf.items["x-shared"].shared = [], server.clock
    return server


def made_up(port: int = 0, folders: int = 5_000, files: int = 50_000) -> GoogleDriveServer:
    server = GoogleDriveServer(port)
    server.made_up = MadeUp(ROOT, folders, files)
    server.keep_requests = False
    return server


if __name__ == "__main__":
    with made_up() if "made-up" in sys.argv[1:] else filled(page_limit=1000) as running:
        sys.stdout.write(f"{running.base_url}\nKey of the service account:\n{service_account()}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)
