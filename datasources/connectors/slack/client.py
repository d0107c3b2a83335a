"""Calls to Slack's Web API: through its SDK, over the portal's guarded session, with what Slack answers read as errors.

Slack says most of its errors with status 200 and a code (https://docs.slack.dev/reference/methods). Nothing here waits.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from datasources.connectors.around import Around
from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.http import error_of, get, requests_session, told
from datasources.ingestion.results import megabytes

PAGE = 999
"""The most that Slack gives at once."""
_REFUSED = {
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "no_permission",
    "org_login_required",
    "team_access_not_granted",
    "ekm_access_denied",
    "access_denied",
}
_PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
_POSTED = ("/auth.test", "/conversations.join", "/canvases.getContent")
"""All others read, and may be asked with GET, which goes out in one piece."""
_NOT_JSON = "Received a response in a non-JSON format"
"""What the SDK makes of it."""
_OF_ONE = {
    "channel_not_found": "This channel is not there, or the app was not invited into it",
    "not_in_channel": "The app is not in this channel: invite it there with /invite",
    "is_archived": "This channel is archived and the app was never in it: unarchive it, invite the app, archive it again",
    "method_not_supported_for_channel_type": "The app can't join this channel: invite it there with /invite",
    "thread_not_found": "This thread is no longer there",
    "file_not_found": "This file is no longer there",
    "file_deleted": "This file was deleted",
    "canvas_not_found": "This canvas is no longer there, or was not shared with the app",
    "user_not_found": "This person is not in the workspace",
    "user_not_visible": "This person is not visible to the app",
    "users_not_found": "This person is not in the workspace",
}
NO_FILES = "Slack does not hand out this file: give its app the scope files:read and reinstall it"


class Said(NodeError):
    """Slack says of one channel, thread, file or person why not; ``code`` is its own word for it."""

    def __init__(self, code: str) -> None:
        super().__init__(_OF_ONE[code], skip=True)
        self.code = code


class MissingScope(ConnectorError):
    """``needed``: the scopes that Slack asks for, with commas between."""

    def __init__(self, needed: str) -> None:
        super().__init__(
            f"Slack's app lacks {needed}: add it under OAuth & Permissions and reinstall the app", permanent=True
        )
        self.needed = needed


class Page(NamedTuple):
    """``cursor``: asks for the following one; empty where there is none."""

    items: list[Any]
    cursor: str


class _Client(WebClient):
    """The SDK's client with its one request method sent over our session. It retries nothing."""

    def __init__(self, session: requests.Session, base_url: str) -> None:
        super().__init__(base_url=base_url, retry_handlers=[])
        self.session = session

    def _perform_urllib_http_request(self, *, url: str, args: dict[str, dict[str, Any]]) -> dict[str, Any]:
        headers = {key: value for key, value in args["headers"].items() if key != "Content-Type"}
        with told("Slack"):
            if url.endswith(_POSTED):
                answer = self.session.post(url, data=args["params"] or {}, headers=headers, allow_redirects=False)
            else:
                answer = get(self.session, f"{url}?{urlencode(args['params'] or {})}", headers)
        if answer.status_code == 429 or answer.status_code >= 500:
            raise error_of("Slack", answer.status_code, answer.headers)
        # Read by the SDK: a page of messages takes as long to parse as to fetch from a near server.
        body = answer.content.decode("utf-8", "replace")
        if not body.lstrip().startswith("{"):
            raise ConnectorError(
                f"What answers at {urlsplit(url).netloc} is not Slack ({answer.status_code}): check the address",
                permanent=True,
            )
        return {"status": answer.status_code, "headers": answer.headers, "body": body}


class Api:
    """Slack as one credential sees it. May be shared by threads: each has a session of its own."""

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around, home: str) -> None:
        self.moved = str(config.get("base_url") or "").rstrip("/")
        self.base = self.moved or home
        self._secret = secret
        self._around = around
        self._own = threading.local()

    def call(self, method: str, **params: Any) -> Mapping[str, Any]:
        """What Slack answers, ``ok`` being true. Raises ConnectorError, and Said where only one thing is meant."""
        return self._call(method, params)[0]

    def scopes(self) -> set[str]:
        """What the token may do, as Slack says with every answer; empty where it does not say."""
        _, headers = self._call("auth.test", {})
        said = next((value for key, value in headers.items() if key.lower() == "x-oauth-scopes"), "")
        return {scope.strip() for scope in said.split(",") if scope.strip()}

    def page(self, method: str, key: str, cursor: str = "", **params: Any) -> Page:
        more = {"cursor": cursor} if cursor else {}
        answer = self.call(method, limit=PAGE, **params, **more)
        following = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
        return Page(list(answer.get(key) or []), following)

    def pages(self, method: str, key: str, first: Page | None = None, **params: Any) -> Iterator[list[Any]]:
        """Each page's list, as they come (https://docs.slack.dev/apis/web-api/pagination); ``first`` where it was read before."""
        page = first or self.page(method, key, **params)
        yield page.items
        while page.cursor:
            page = self.page(method, key, page.cursor, **params)
            yield page.items

    def download(self, url: str, limit: int) -> bytes:
        """A private file. ``limit``: bytes. The token goes to Slack's own hosts alone."""
        address = self._file_address(url)
        answer = self._get(address, self._token())
        if self._signed_out(answer) and self._secret.get("auth") == "oauth":
            answer = self._get(address, self._token(renew=True))
        with answer:
            if self._signed_out(answer):
                raise NodeError(NO_FILES, skip=True)
            if answer.status_code != 200:
                raise error_of("Slack", answer.status_code, answer.headers, node=True)
            with told("Slack"):
                return _read(answer, limit)

    def _call(self, method: str, params: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        try:
            return self._once(method, params, self._token())
        except ConnectorError as error:
            if self._secret.get("auth") != "oauth" or not isinstance(error.__cause__, SlackApiError):
                raise
            if error.__cause__.response.get("error") not in ("token_expired", "invalid_auth"):
                raise
        return self._once(method, params, self._token(renew=True))

    def _once(self, method: str, params: Mapping[str, Any], token: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        client = self._client()
        client.token = token
        try:
            answer = client.api_call(method, data=dict(params))
        except SlackApiError as error:
            raise _read_error(method, error) from error
        return answer.data if isinstance(answer.data, dict) else {}, answer.headers

    def _client(self) -> _Client:
        if not hasattr(self._own, "client"):
            self._own.client = _Client(requests_session(self._around.network), f"{self.base}/api/")
        client: _Client = self._own.client
        return client

    def _token(self, *, renew: bool = False) -> str:
        if self._secret.get("auth") == "oauth" and self._around.tokens is not None:
            return self._around.tokens.access(renew=renew)
        token = str(self._secret.get("token") or self._secret.get("access_token") or "").strip()
        if not token:
            raise ConnectorError("Slack needs a bot token: enter the one that begins with xoxb-", permanent=True)
        return token

    def _get(self, address: str, token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        with told("Slack"):
            return self._client().session.get(address, headers=headers, allow_redirects=False, stream=True)

    @staticmethod
    def _signed_out(answer: requests.Response) -> bool:
        """Slack shows its sign-in page to whom it does not give a file."""
        page = answer.headers.get("Content-Type", "").startswith("text/html")
        return answer.is_redirect or (page and "attachment" not in answer.headers.get("Content-Disposition", ""))

    def _file_address(self, url: str) -> str:
        parts = urlsplit(url)
        if self.moved:
            return f"{self.moved}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        host = (parts.hostname or "").lower()
        if parts.scheme != "https" or not (host == "slack.com" or host.endswith((".slack.com", ".slack-files.com"))):
            raise NodeError("It does not lie at Slack: connect the place where it lies", skip=True)
        return url


def _read(answer: requests.Response, limit: int) -> bytes:
    found = bytearray()
    for block in answer.iter_content(256 * 1024):
        found += block
        if len(found) > limit:
            raise NodeError(f"Too large: more than {megabytes(limit)}", skip=True)
    return bytes(found)


def _read_error(method: str, error: SlackApiError) -> ConnectorError:
    response = error.response
    code = str(response.get("error") or "")
    if code in _OF_ONE:
        return Said(code)
    if code in _REFUSED or response.status_code == 401:
        return ConnectorError(
            f"Slack refuses the key ({code or 401}): install its app anew and enter the new token", permanent=True
        )
    if code == "missing_scope":
        return MissingScope(str(response.get("needed") or "a scope")[:100])
    if code == "ratelimited":
        return error_of("Slack", 429, dict(response.headers))
    if code.startswith(_NOT_JSON):
        return ConnectorError("Slack's answer broke off")
    if code in _PASSING:
        return ConnectorError(f"Slack has a fault of its own just now ({code})")
    words = f"Slack does not take the request {method}: {code[:100] or response.status_code}"
    # One canvas that can't be had, for whatever reason, is none to stop reading.
    return NodeError(words, skip=True) if method.startswith("canvases.") else ConnectorError(words, permanent=True)
