"""Jira's REST API over a guarded session: version 3 in the cloud, version 2 in a data center.

Not through atlassian-python-api: it hides what a refusal says behind errors of its own, writes whole answers into the log,
and turns pages into lists.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from datasources.connectors.around import Around
from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.http import error_of, requests_session, told

Json = dict[str, Any]
VENDOR = "Jira"
API = "https://api.atlassian.com"
PAGE = 100
_PROJECTS = 50
_CLOUD_HOSTS = (".atlassian.net", ".jira.com")


class Missing(NodeError):
    """It is not there, or the connection may not know that it is."""


class QueryRefused(ConnectorError):
    """Jira does not take this JQL, or no longer knows this place in its results."""


class Client:
    """Used by several threads at once: each has a session of its own."""

    def __init__(self, base_url: str, secret: Mapping[str, str], around: Around) -> None:
        self._base = _address(base_url)
        self._secret = secret
        self._around = around
        self._local = threading.local()
        self._lock = threading.Lock()
        self._gateway: tuple[str, str] | None = None
        self.cloud = secret.get("auth") != "personal"
        self.api = "/rest/api/3" if self.cloud else "/rest/api/2"

    @property
    def site(self) -> str:
        """Where people read: links begin with it."""
        return self._place()[1]

    def get(self, path: str, params: Mapping[str, Any] | None = None, *, node: bool = False) -> Any:
        return self._asked("GET", path, node=node, params=dict(params or {}))

    def post(self, path: str, body: Json) -> Any:
        return self._asked("POST", path, json=body)

    def projects(self, text: str = "") -> Iterator[Json]:
        """By name; in a data center all at once, as it has no pages for them."""
        if not self.cloud:
            wanted = text.casefold()
            found = self.get(f"{self.api}/project")
            found.sort(key=lambda one: one["name"].casefold())
            yield from (one for one in found if wanted in f"{one['name']} {one['key']}".casefold())
            return
        start = 0
        while True:
            asked: Json = {"startAt": start, "maxResults": _PROJECTS, "orderBy": "name"} | (
                {"query": text} if text else {}
            )
            page = self.get(f"{self.api}/project/search", asked)
            yield from page["values"]
            start += len(page["values"])
            if page.get("isLast", True) or not page["values"]:
                return

    def search(self, jql: str, fields: Sequence[str], at: str = "") -> Iterator[tuple[list[Json], str]]:
        """(issues, the place after them; empty at the end). ``at``: a place that was given before for the same JQL.

        A place that Jira has forgotten (in the cloud they live for a week) means the beginning.
        """
        first = True
        while True:
            try:
                found, at = self._page(jql, fields, at)
            except QueryRefused:
                if not (first and at):
                    raise
                found, at = self._page(jql, fields, "")
            first = False
            yield found, at
            if not at:
                return

    def count(self, jql: str) -> int:
        if self.cloud:
            return int(self.post(f"{self.api}/search/approximate-count", {"jql": jql}).get("count") or 0)
        found = self.post(f"{self.api}/search", {"jql": jql, "startAt": 0, "maxResults": 0, "fields": ["id"]})
        return int(found.get("total") or 0)

    def _page(self, jql: str, fields: Sequence[str], at: str) -> tuple[list[Json], str]:
        asked: Json = {"jql": jql, "maxResults": PAGE, "fields": list(fields)}
        if self.cloud:
            found = self.post(f"{self.api}/search/jql", asked | ({"nextPageToken": at} if at else {}))
            return found.get("issues") or [], str(found.get("nextPageToken") or "")
        return self._numbered(asked, at)

    def _numbered(self, asked: Json, at: str) -> tuple[list[Json], str]:
        """A data center counts: what is deleted meanwhile would move the rest up, past us. So each page begins with the last
        issue of the one before; where that is no longer there, it goes one page back."""
        start, _, last = at.partition(":")
        begin = int(start or 0)
        found = self.post(f"{self.api}/search", asked | {"startAt": begin})
        if begin and str(([*found.get("issues", []), {}])[0].get("id")) != last:
            begin = max(0, begin - PAGE)
            found = self.post(f"{self.api}/search", asked | {"startAt": begin})
        issues: list[Json] = found.get("issues") or []
        end = begin + len(issues)
        if len(issues) < 2 or end >= int(found.get("total") or 0):
            return issues, ""
        return issues, f"{end - 1}:{issues[-1]['id']}"

    def _asked(self, method: str, path: str, *, node: bool = False, **options: Any) -> Any:
        return self._called(method, self._place()[0] + path, node=node, **options)

    def _called(self, method: str, url: str, *, node: bool = False, **options: Any) -> Any:
        """One call; a second one where the access token has run out."""
        with told(VENDOR):
            response = self._session().request(method, url, auth=_Auth(self._proof()), timeout=60, **options)
            if response.status_code == 401 and self._secret.get("auth") == "oauth" and self._around.tokens is not None:
                proof = ("Bearer", self._around.tokens.access(renew=True))
                response = self._session().request(method, url, auth=_Auth(proof), timeout=60, **options)
            if response.status_code >= 400:
                raise _refusal(response, node=node)
            return _json(response)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests_session(self._around.network)
            session.headers["Accept"] = "application/json"
        return session

    def _proof(self) -> tuple[str, str]:
        """(scheme, what stands after it)."""
        if self._secret.get("auth") == "oauth":
            if self._around.tokens is None:
                raise ConnectorError(f"{VENDOR} has not allowed access yet: connect it anew", permanent=True)
            return "Bearer", self._around.tokens.access()
        if self._secret.get("auth") == "token":
            name = f"{self._secret.get('email', '').strip()}:{self._secret.get('token', '').strip()}"
            return "Basic", base64.b64encode(name.encode()).decode()
        return "Bearer", self._secret.get("token", "")

    def _place(self) -> tuple[str, str]:
        """(where calls go, where people read): one and the same, but with OAuth, whose calls go through a gateway."""
        if self._secret.get("auth") != "oauth":
            if not self._base:
                raise ConnectorError(
                    "Enter the address of your Jira, such as https://acme.atlassian.net", permanent=True
                )
            return self._base, self._base
        with self._lock:
            if self._gateway is None:
                self._gateway = self._found_gateway()
            return self._gateway

    def _found_gateway(self) -> tuple[str, str]:
        host = urlsplit(self._base).hostname or ""
        site = self._base if host.endswith(_CLOUD_HOSTS) else ""
        api = API if site or not self._base else self._base
        told_sites = self._called("GET", f"{api}/oauth/token/accessible-resources")
        sites = [one for one in told_sites if any("jira" in scope for scope in one.get("scopes") or ())]
        chosen = [one for one in sites if not site or str(one.get("url")).rstrip("/") == site]
        if len(chosen) != 1:
            urls = ", ".join(str(one.get("url")) for one in sites) or "none"
            raise ConnectorError(f"Enter the address of a site that the connection may read: {urls}", permanent=True)
        return f"{api}/ex/jira/{quote(str(chosen[0]['id']))}", str(chosen[0]["url"]).rstrip("/")


def _address(base_url: str) -> str:
    """As calls need it: a site of the cloud has nothing behind its host, whichever of its pages was copied."""
    parts = urlsplit(base_url.strip())
    if (parts.hostname or "").endswith(_CLOUD_HOSTS):
        return f"{parts.scheme}://{parts.netloc}"
    return base_url.strip().rstrip("/")


class _Auth(requests.auth.AuthBase):
    """Goes with one call, and never to another host: redirects drop the header."""

    def __init__(self, proof: tuple[str, str]) -> None:
        self._proof = proof

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = " ".join(self._proof)
        return request


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except requests.JSONDecodeError as error:
        raise ConnectorError(
            f"{VENDOR} answers with a page instead of data: check the address, and that no sign-in stands before it",
            permanent=True,
        ) from error


def _refusal(response: requests.Response, *, node: bool) -> ConnectorError:
    status, detail = response.status_code, _detail(response)
    if status == 403 and "CAPTCHA" in response.headers.get("X-Authentication-Denied-Reason", ""):
        return ConnectorError(
            f"{VENDOR} wants to see that the account is a person: sign in with it once in a browser", permanent=True
        )
    if status == 404 and node:
        return Missing(f"It is no longer at {VENDOR}", skip=True)
    if status == 404:
        return ConnectorError(f"There is no {VENDOR} at this address: enter the one of its front page", permanent=True)
    if status == 400:
        return QueryRefused(f"{VENDOR} does not take the question: {detail or 'check the JQL'}", permanent=True)
    return error_of(VENDOR, status, response.headers, detail, node=node)


def _detail(response: requests.Response) -> str:
    try:
        found = response.json()
    except requests.JSONDecodeError:
        return ""
    if not isinstance(found, dict):
        return ""
    said = [*(found.get("errorMessages") or ()), *(found.get("errors") or {}).values(), found.get("message") or ""]
    return " ".join(str(one) for one in said if one)[:300]
