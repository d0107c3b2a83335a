"""Calls of the API as somebody, with a key."""

from __future__ import annotations

from typing import Any

from django.test import AsyncClient, Client

from portal.models import ApiKey, Membership

ALL = ("read", "ask", "write", "admin")


def key(membership: Membership, *scopes: str) -> str:
    _row, text = ApiKey.objects.make(membership, "test", list(scopes or ALL))
    return text


class Caller:
    """``call.get("people/")`` below the workspace of its key, or of ``slug``."""

    def __init__(self, membership: Membership, *scopes: str, slug: str | None = None) -> None:
        self.slug = slug or membership.workspace.slug
        self.headers = {"authorization": f"Bearer {key(membership, *scopes)}"}
        self.client = Client()

    def address(self, path: str) -> str:
        return path if path.startswith("/") else f"/api/v1/workspaces/{self.slug}/{path}"

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(self.address(path), query, headers=self.headers)

    def post(self, path: str, data: Any = None) -> Any:
        return self._send("post", path, data)

    def patch(self, path: str, data: Any) -> Any:
        return self._send("patch", path, data)

    def put(self, path: str, data: Any) -> Any:
        return self._send("put", path, data)

    def delete(self, path: str) -> Any:
        return self._send("delete", path, None)

    def upload(self, path: str, /, **form: Any) -> Any:
        return self.client.post(self.address(path), form, headers=self.headers)

    def _send(self, method: str, path: str, data: Any) -> Any:
        body = {} if data is None else {"data": data, "content_type": "application/json"}
        return getattr(self.client, method)(self.address(path), **body, headers=self.headers)


class AsyncCaller:
    """The same on the event loop, for answers and their events. ``text`` comes from ``key``."""

    def __init__(self, slug: str, text: str) -> None:
        self.base = f"/api/v1/workspaces/{slug}/"
        self.headers = {"authorization": f"Bearer {text}"}
        self.client = AsyncClient()

    async def get(self, path: str, accept: str = "application/json", **query: Any) -> Any:
        return await self.client.get(self.base + path, query, headers={**self.headers, "accept": accept})

    async def post(self, path: str, data: Any, accept: str = "application/json") -> Any:
        return await self.client.post(
            self.base + path, data, content_type="application/json", headers={**self.headers, "accept": accept}
        )
