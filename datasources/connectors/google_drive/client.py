"""The wire: Drive API v3 and the Directory API as plain REST, on guarded sessions. Nothing waits or retries here.

Not through Google's client: docs/decisions/vendor-sdks.md says why.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from datasources.connectors.around import Around
from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.google_drive.access import access_of
from datasources.connectors.google_drive.labels import LABELS, Labels
from datasources.connectors.http import TIMEOUT, error_of, requests_session, retry_after, told

DRIVE = "/drive/v3"
DIRECTORY = "/admin/directory/v1"
PAGE = 1000
ALL_DRIVES = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}
_LIMITS = {"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}
_DAY = {"dailyLimitExceeded", "quotaExceeded"}
_OFF = {"accessNotConfigured", "SERVICE_DISABLED"}
_WHY = {
    "cannotDownloadFile": "Its owner has turned off downloading for readers",
    "cannotDownloadAbusiveFile": "Google took it for malware or spam",
    "fileNotDownloadable": "Google gives no content for it",
    "domainPolicy": "A rule of its company does not let apps read it",
    "appNotAuthorizedToFile": "This app was not allowed to read it",
}

Item = dict[str, Any]


class StalePage(ConnectorError):
    """Google no longer knows this page token: the listing begins anew."""


class TooLargeToExport(NodeError):
    """Google exports at most 10 MB."""


class Client:
    """A session for each thread, one token for all."""

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.base_url = str(config.get("base_url") or "https://www.googleapis.com").rstrip("/")
        self.directory = (
            "https://admin.googleapis.com" if self.base_url == "https://www.googleapis.com" else self.base_url
        )
        self.labelling = (
            "https://drivelabels.googleapis.com" if self.base_url == "https://www.googleapis.com" else self.base_url
        )
        self.labels = Labels(self.pages, on=bool(config.get("labels")))
        self.network = around.network
        self.access = access_of(config, secret, around)
        self._own = threading.local()

    def session(self) -> requests.Session:
        if not hasattr(self._own, "session"):
            self._own.session = requests_session(self.network)
        session: requests.Session = self._own.session
        return session

    def json(self, path: str, params: Mapping[str, Any] | None = None, *, node: bool = False) -> Item:
        """Files come with their labels where these are asked for among their fields."""
        if params and "labelInfo" in str(params.get("fields", "")) and (labels := self.labels.asked()):
            params = {**params, "includeLabels": labels}
        with told("Google Drive"):
            found = self._get(path, params, node=node).json()
        if not isinstance(found, dict):
            raise ConnectorError("Google Drive answers with something else than it documents")
        return found

    def pages(
        self, path: str, key: str, params: Mapping[str, Any], token: str = ""
    ) -> Iterator[tuple[list[Item], str]]:
        """(items, token of the next page; empty after the last)."""
        while True:
            answer = self.json(path, {**params, "pageToken": token} if token else params)
            token = str(answer.get("nextPageToken") or "")
            yield list(answer.get(key) or []), token
            if not token:
                return

    def file(self, file_id: str, fields: str) -> Item | None:
        """None where it is gone or can't be seen."""
        try:
            return self.json(
                f"{DRIVE}/files/{quote(file_id, safe='')}", {"fields": fields, "supportsAllDrives": "true"}, node=True
            )
        except NodeError as error:
            if error.skip:
                return None
            raise

    def download(self, path: str, params: Mapping[str, Any], limit: int, keys: str = "") -> bytes | None:
        """The bytes; None where there are more than ``limit``. ``keys``: of items shared by link (id/key)."""
        headers = {"X-Goog-Drive-Resource-Keys": keys} if keys else {}
        parts, size = [], 0
        with told("Google Drive"), self._get(path, params, node=True, stream=True, headers=headers) as response:
            for part in response.iter_content(1 << 16):
                size += len(part)
                if size > limit:
                    return None
                parts.append(part)
        return b"".join(parts)

    def _get(
        self,
        path: str,
        params: Mapping[str, Any] | None,
        *,
        node: bool,
        stream: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        response = self._ask(path, params, stream, headers or {}, renew=False)
        if response.status_code == 401:
            response.close()
            response = self._ask(path, params, stream, headers or {}, renew=True)
        if response.status_code != 200:
            with response:
                raise _error(response, node=node)
        return response

    def _ask(
        self, path: str, params: Mapping[str, Any] | None, stream: bool, headers: Mapping[str, str], *, renew: bool
    ) -> requests.Response:
        session = self.session()
        bearer = {"Authorization": f"Bearer {self.access.token(session, renew=renew)}"}
        return session.get(
            self._root(path) + path,
            params=params,
            headers={**bearer, **headers},
            timeout=TIMEOUT,
            stream=stream,
            allow_redirects=False,
        )

    def _root(self, path: str) -> str:
        if path.startswith(DIRECTORY):
            return self.directory
        return self.labelling if path == LABELS else self.base_url


def _error(response: requests.Response, *, node: bool) -> ConnectorError:
    """Google says with 403 both "slow down" and "not allowed"; the reason in the body tells which."""
    reasons, words, location = _said(response)
    status = response.status_code
    if reasons & _LIMITS:
        return ConnectorError("Google Drive asks to slow down", retry_after=retry_after(response.headers))
    if reasons & _DAY:
        return ConnectorError("The day's quota of calls to Google Drive is used up", retry_after=3600.0)
    if reasons & _OFF:
        api = "Drive Labels API" if urlsplit(response.url).path == LABELS else "Google Drive API"
        return ConnectorError(
            f"The {api} is not enabled in the project of this key: enable it in the Google Cloud console "
            "(APIs and services, Library), then try again in a few minutes",
            permanent=True,
        )
    if status in (400, 404, 410) and location == "pageToken":
        return StalePage("Google Drive no longer knows where the last listing ended")
    if "exportSizeLimitExceeded" in reasons:
        return TooLargeToExport("Google exports at most 10 MB of it: split it, or store it as a file", skip=True)
    if node and status == 403 and (known := reasons & _WHY.keys()):
        return NodeError(_WHY[min(known)], skip=True)
    if reasons & {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}:
        return error_of("Google Drive", 403, response.headers, words)
    return error_of("Google Drive", status, response.headers, words, node=node)


def _said(response: requests.Response) -> tuple[set[str], str, str]:
    """(reasons, message, the parameter that it is about)."""
    try:
        body = response.json()
        error = body.get("error") if isinstance(body, dict) else None
    except requests.RequestException:
        error = None
    if not isinstance(error, dict):
        return set(), "", ""
    listed = [line for key in ("errors", "details") for line in error.get(key) or [] if isinstance(line, dict)]
    reasons = {str(line["reason"]) for line in listed if line.get("reason")}
    location = next((str(line["location"]) for line in listed if line.get("location")), "")
    return reasons, str(error.get("message") or ""), location


def quoted(text: str) -> str:
    """A string inside a query of files.list."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
