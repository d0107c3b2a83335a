"""simple-salesforce with its one request method our own: guarded sessions, addresses as configured, errors in our words."""

from __future__ import annotations

import email.utils
import re
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import requests
from simple_salesforce import Salesforce

from datasources.connectors.around import Around
from datasources.connectors.base import ConnectorError
from datasources.connectors.http import error_of, requests_session, retry_after, told
from datasources.connectors.salesforce.access import VENDOR, VERSION, Access

Record = Mapping[str, Any]
_NO_FIELD = re.compile(r"No such column '([^']+)' on entity '([^']+)'|Didn't understand relationship '([^']+)'")
_A_DAYS_LIMIT, _TOO_MANY_AT_ONCE = 3600.0, 60.0
"""Seconds to wait where Salesforce names none: a day's calls come back hour by hour."""


class Refused(ConnectorError):
    """``code``: Salesforce's own (``INVALID_TYPE``), or the HTTP status."""

    def __init__(self, error: ConnectorError, code: str, status: int) -> None:
        super().__init__(str(error), permanent=error.permanent, retry_after=error.retry_after)
        self.code = code
        self.status = status


class _Wire(Salesforce):
    """One thread's. The SDK writes https://<instance> into all addresses; the scheme and port are ours to say."""

    def __init__(self, token: str, root: str, session: requests.Session) -> None:
        super().__init__(session_id=token, instance_url=root, session=session, version=VERSION)
        self.root = root
        self.now = datetime.now(UTC)

    def _call_salesforce(
        self, method: str, url: str, name: str = "", retries: int = 0, max_retries: int = 0, **kwargs: Any
    ) -> requests.Response:
        url = self.root + url.removeprefix(f"https://{self.sf_instance}")
        headers = {**self.headers, **kwargs.pop("headers", {})}
        with told(VENDOR):
            response = self.session.request(method, url, headers=headers, **kwargs)
        if response.status_code >= 300:
            raise _refused(response)
        if said := email.utils.parsedate_tz(response.headers.get("Date", "")):
            self.now = datetime.fromtimestamp(email.utils.mktime_tz(said), UTC)
        return response


class Client:
    """Shared by threads, each with a session of its own."""

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.access, self.around = Access(config, secret, around), around
        self._own = threading.local()

    @property
    def root(self) -> str:
        """The organisation's address, for links too."""
        return self.access.get()[1]

    @property
    def now(self) -> datetime:
        """Salesforce's clock, as of the last answer."""
        return self._wire().now

    def objects(self) -> dict[str, Record]:
        """What the user may see of all objects, by API name."""
        return {str(item["name"]): item for item in self._get("sobjects").get("sobjects", [])}

    def describe(self, name: str) -> Record:
        return self._get(f"sobjects/{name}/describe")

    def list_views(self, name: str) -> Iterator[Record]:
        answer = self._get(f"sobjects/{name}/listviews")
        while True:
            yield from answer.get("listviews", [])
            if answer.get("done", True) or not answer.get("nextRecordsUrl"):
                return
            answer = self._get(str(answer["nextRecordsUrl"]).partition(f"/v{VERSION}/")[2])

    def list_view(self, name: str, key: str) -> Record:
        return self._get(f"sobjects/{name}/listviews/{key}/describe")

    def deleted(self, name: str, begin: datetime, end: datetime) -> list[str]:
        """Ids. At most 15 days back."""
        params = {"start": stamp(begin), "end": stamp(end)}
        answer = self._get(f"sobjects/{name}/deleted/?{urlencode(params)}")
        return [str(item["id"]) for item in answer.get("deletedRecords", [])]

    def pages(self, soql: str) -> Iterator[list[Record]]:
        """Records as Salesforce hands them out: at most 2,000 at a time."""
        answer = self._ask(lambda wire: wire.query(soql))
        while True:
            yield answer.get("records", [])
            if answer.get("done", True):
                return
            following = str(answer["nextRecordsUrl"])
            answer = self._ask(lambda wire, following=following: wire.query_more(following, identifier_is_url=True))

    def count(self, soql: str) -> int:
        return int(self._ask(lambda wire: wire.query(soql)).get("totalSize", 0))

    def _get(self, path: str) -> Record:
        return self._ask(lambda wire: wire.restful(path))

    def _ask(self, call: Any) -> Any:
        """With a new token, once, where the old one is no longer taken."""
        wire = self._wire()
        try:
            return call(wire) or {}
        except Refused as error:
            if error.status != 401:
                raise
            self.access.get(refused=wire.session_id)
            return call(self._wire()) or {}

    def _wire(self) -> _Wire:
        token, root = self.access.get()
        wire: _Wire | None = getattr(self._own, "wire", None)
        if wire is None or wire.session_id != token:
            wire = self._own.wire = _Wire(token, root, requests_session(self.around.network))
        return wire


def stamp(moment: datetime) -> str:
    """As SOQL writes a time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _refused(response: requests.Response) -> Refused:
    status, headers = response.status_code, response.headers
    try:
        body = response.json()
    except ValueError:
        body = None
    first = body[0] if isinstance(body, list) and body and isinstance(body[0], dict) else {}
    code, said = str(first.get("errorCode") or status), " ".join(str(first.get("message") or "").split())
    return Refused(_in_words(code, said, status, headers), code, status)


def _in_words(code: str, said: str, status: int, headers: Mapping[str, str]) -> ConnectorError:
    if code == "REQUEST_LIMIT_EXCEEDED":
        at_once = "oncurrent" in said
        wait = retry_after(headers)
        words = "too many calls at once" if at_once else "the organisation's calls of 24 hours are used up"
        return ConnectorError(
            f"Salesforce's API limit is reached: {words}",
            retry_after=wait if wait is not None else _TOO_MANY_AT_ONCE if at_once else _A_DAYS_LIMIT,
        )
    if code in ("API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"):
        return ConnectorError("This user may not use Salesforce's API: give its profile API Enabled", permanent=True)
    if code == "INVALID_FIELD" and (found := _NO_FIELD.search(said)):
        field, entity = found[1] or found[3], found[2] or ""
        return ConnectorError(
            f"This connection can't see the field {field}{f' of {entity}' if entity else ''}: give its user the "
            "permission for that field, or take it out of the filter",
            permanent=True,
        )
    if code in ("MALFORMED_QUERY", "INVALID_QUERY_FILTER_OPERATOR", "INVALID_FIELD"):
        return ConnectorError(f"The filter is not right: correct the SOQL ({said[-200:]})", permanent=True)
    if code in ("QUERY_TIMEOUT", "INVALID_QUERY_LOCATOR", "UNABLE_TO_LOCK_ROW", "EXCEEDED_ID_LIMIT"):
        return ConnectorError(f"Salesforce could not finish the query just now ({code})")
    return error_of(VENDOR, status, headers, said)
