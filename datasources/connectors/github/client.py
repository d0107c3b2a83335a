"""The wire to GitHub: addresses, proof of who one is, pages, and what its refusals mean.

Plain REST and GraphQL through our own session: PyGithub keeps its connections, its waits and its retries in the class, one
for the whole process, so that no source could have rules of its own for where it may call.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jwt
import requests

from datasources.connectors.around import Around, Tokens
from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.github.addresses import addresses
from datasources.connectors.http import error_of, requests_session, retry_after, told

VENDOR = "GitHub"
PAGE = 100
_API_VERSION = "2022-11-28"
_SECONDARY_WAIT = 60.0
"""What GitHub asks to wait after a secondary limit that names no time."""
_APP_LIFE = 540
_RENEW_BEFORE = 120.0
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')


class Missing(NodeError):
    """It is not there, or the connection may not know that it is."""


class Client:
    """Used by several threads at once: each has a session of its own."""

    def __init__(self, base_url: str, secret: Mapping[str, str], around: Around) -> None:
        self.api, self.graphql_url, self.web = addresses(base_url)
        self._secret = secret
        self._around = around
        self._tokens = _tokens(secret, around)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._app_token, self._app_until = "", 0.0

    @property
    def is_app(self) -> bool:
        return self._secret.get("auth") == "app"

    def get(self, path: str, params: Mapping[str, Any] | None = None, *, node: bool = False) -> Any:
        """The answer's JSON. ``node``: the call is about one node, so a refusal speaks of that alone (Missing, NodeError)."""
        return _json(self._asked("GET", f"{self.api}{path}", node=node, params=dict(params or {})))

    def pages(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[list[dict[str, Any]]]:
        """The lists of each page, as its Link headers lead on."""
        url: str | None = f"{self.api}{path}"
        asked: dict[str, Any] | None = {"per_page": PAGE, **(params or {})}
        while url:
            response = self._asked("GET", url, params=asked)
            found = _json(response)
            yield found if isinstance(found, list) else found.get("repositories", [])
            url, asked = self._next(response), None

    def page(self, path: str, params: Mapping[str, Any]) -> tuple[list[dict[str, Any]], bool]:
        """(one page, whether more follow)."""
        response = self._asked("GET", f"{self.api}{path}", node=True, params={"per_page": PAGE, **params})
        return _json(response), self._next(response) is not None

    def stream(self, path: str) -> requests.Response:
        """An open answer, to be read piece by piece and closed."""
        return self._asked("GET", f"{self.api}{path}", node=True, stream=True)

    def graphql(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """``data``. What can't be found in it is None; a refusal of one node is a NodeError."""
        response = self._asked("POST", self.graphql_url, node=True, json={"query": query, "variables": dict(variables)})
        answer = _json(response)
        for error in answer.get("errors") or ():
            _check_graphql(error, response)
        data = answer.get("data")
        if not isinstance(data, dict):
            raise ConnectorError(f"{VENDOR} gave no answer just now")
        return data

    def git(self, url: str, body: bytes | None) -> bytes:
        """One call of git's smart HTTP protocol, version 2. Raises Missing where there is no such repository."""
        headers = {"Git-Protocol": "version=2", "Accept": "*/*"}
        if body is not None:
            headers["Content-Type"] = "application/x-git-upload-pack-request"
        method = "POST" if body is not None else "GET"
        return self._asked(method, url, node=True, git=True, data=body, headers=headers).content

    def gone(self, path: str) -> dict[str, Any] | None:
        """One object, or None where it is gone or has moved elsewhere."""
        try:
            response = self._asked("GET", f"{self.api}{path}", node=True, allow_redirects=False)
        except Missing:
            return None
        return _json(response) if response.status_code == 200 else None

    def _next(self, response: requests.Response) -> str | None:
        found = _NEXT.search(response.headers.get("Link", ""))
        if found is None:
            return None
        if not found[1].startswith(f"{self.api}/"):
            raise ConnectorError(
                f"{VENDOR} points to another server for the next page: check the address", permanent=True
            )
        return found[1]

    def _asked(
        self, method: str, url: str, *, node: bool = False, git: bool = False, **options: Any
    ) -> requests.Response:
        """``git``: git's own addresses want the token as a password. Access that ended is renewed once."""
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": _API_VERSION,
            **options.pop("headers", {}),
        }
        for renew in (False, True):
            with told(VENDOR):
                token = self._token(renew=renew)
                proof = None if git else {"Authorization": f"Bearer {token}"}
                response = self._session().request(
                    method,
                    url,
                    headers={**headers, **(proof or {})},
                    auth=("x-access-token", token) if git else None,
                    timeout=60,
                    **options,
                )
            if response.status_code != 401 or self._tokens is None:
                break
        if response.status_code >= 400:
            raise _refusal(response, node=node)
        return response

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests_session(self._around.network)
            session.headers["User-Agent"] = "Atrium"
        return session

    def _token(self, *, renew: bool = False) -> str:
        if self._tokens is not None:
            return self._tokens.access(renew=renew)
        if not self.is_app:
            return self._secret.get("token", "")
        with self._lock:
            if time.time() > self._app_until - _RENEW_BEFORE:
                self._app_token, self._app_until = self._installation_token()
            return self._app_token

    def _installation_token(self) -> tuple[str, float]:
        """(token, Unix time of its end). It lives an hour."""
        now = int(time.time())
        claims = {"iat": now - 60, "exp": now + _APP_LIFE, "iss": str(self._secret.get("app_id", ""))}
        try:
            proof = jwt.encode(claims, _pem(self._secret.get("private_key", "")), algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise ConnectorError(
                "The private key can't be read: paste the whole .pem file that GitHub gave", permanent=True
            ) from error
        headers = {"Authorization": f"Bearer {proof}", "Accept": "application/vnd.github+json"}
        with told(VENDOR):
            installation = self._secret.get("installation_id") or self._only_installation(headers)
            url = f"{self.api}/app/installations/{installation}/access_tokens"
            response = self._session().post(url, headers=headers, timeout=60)
            if response.status_code >= 400:
                raise _refusal(response, node=False)
            return str(_json(response)["token"]), now + 3600.0

    def _only_installation(self, headers: Mapping[str, str]) -> str:
        response = self._session().get(f"{self.api}/app/installations", headers=dict(headers), timeout=60)
        if response.status_code >= 400:
            raise _refusal(response, node=False)
        found = _json(response)
        if len(found) != 1:
            problem = (
                "is not installed anywhere: install it" if not found else "is installed more than once: enter which"
            )
            raise ConnectorError(f"The GitHub App {problem}", permanent=True)
        return str(found[0]["id"])


def _tokens(secret: Mapping[str, str], around: Around) -> Tokens | None:
    """Who signed in renews their access; keys are as they were entered."""
    if secret.get("auth") != "oauth":
        return None
    if around.tokens is None:
        raise ConnectorError(f"{VENDOR} has not allowed access yet: connect it anew", permanent=True)
    return around.tokens


def _pem(text: str) -> str:
    """The key as a file, whatever a one-line field made of its line ends."""
    found = re.search(r"-----BEGIN ([A-Z ]+)-----(.*?)-----END \1-----", text.replace("\\n", "\n"), re.DOTALL)
    if found is None:
        raise ValueError("no key")
    body = re.sub(r"\s", "", found[2])
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {found[1]}-----\n{lines}\n-----END {found[1]}-----\n"


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except requests.JSONDecodeError as error:
        raise ConnectorError(
            f"{VENDOR} answers with a page instead of data: check the address, and that no sign-in stands before it",
            permanent=True,
        ) from error


def _refusal(response: requests.Response, *, node: bool) -> ConnectorError:
    """What a status means here. Source: "Rate limits for the REST API" and "Troubleshooting the REST API" at docs.github.com."""
    status, headers = response.status_code, response.headers
    message = _message(response)
    if status in (403, 429) and (wait := _wait(headers, message)) is not None:
        return ConnectorError(f"{VENDOR} asks to slow down", retry_after=wait)
    if status == 403 and "X-GitHub-SSO" in headers:
        return ConnectorError(
            "The organisation uses single sign-on: at GitHub, choose Configure SSO beside the token and authorise it",
            permanent=True,
        )
    if status == 403 and "suspended" in message:
        return ConnectorError(f"The GitHub App is suspended: let it work again at GitHub ({message})", permanent=True)
    if node and status in (404, 409, 410, 451):
        return Missing(message or f"It is no longer at {VENDOR}", skip=True)
    return error_of(VENDOR, status, headers, message, node=node)


def _message(response: requests.Response) -> str:
    try:
        found = response.json()
    except requests.JSONDecodeError:
        return ""
    return str(found.get("message") or "") if isinstance(found, dict) else ""


def _wait(headers: Mapping[str, str], message: str) -> float | None:
    """Seconds until GitHub answers again; None where it is no matter of speed."""
    named = retry_after(headers)
    if named is not None:
        return named
    if headers.get("X-RateLimit-Remaining") == "0" and (reset := headers.get("X-RateLimit-Reset", "")).isdigit():
        return max(1.0, float(reset) - time.time())
    return _SECONDARY_WAIT if "rate limit" in message.lower() else None


def _check_graphql(error: Mapping[str, Any], response: requests.Response) -> None:
    kind, message = str(error.get("type") or ""), str(error.get("message") or "")
    if kind in ("RATE_LIMITED", "RATE_LIMIT"):
        wait = _wait({**response.headers, "X-RateLimit-Remaining": "0"}, "rate limit")
        raise ConnectorError(f"{VENDOR} asks to slow down", retry_after=wait)
    if kind == "FORBIDDEN":
        raise NodeError(f"{VENDOR} does not let this connection read it ({message[:200]})", skip=True)
    if kind == "NOT_FOUND":
        return
    if kind in ("undefinedField", "argumentLiteralsIncompatible"):
        raise ConnectorError(f"This GitHub server is too old for that: {message[:200]}", permanent=True)
    raise ConnectorError(f"{VENDOR} has a fault of its own just now ({message[:200]})")


def lists(value: object) -> Sequence[str]:
    """A setting of lines, whichever way it was stored."""
    if isinstance(value, str):
        value = value.split("\n")
    return [str(one).strip() for one in value if str(one).strip()] if isinstance(value, list | tuple) else []
