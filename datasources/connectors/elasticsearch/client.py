"""The wire to Elasticsearch and OpenSearch: plain REST, since neither's SDK speaks to the other's clusters.

Both page by ``search_after`` over a point in time, but open, close and sort it in different ways; older clusters have none.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import httpx

from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.http import error_of, httpx_client, told
from portal.providers.transport import Network

VENDOR = "The cluster"
KEEP = "10m"
"""How long a point in time stays open between two pages."""
Flavour = Literal["elasticsearch", "opensearch", "none"]


class Lost(Exception):
    """The point in time is no longer there: it has expired, or the cluster was restarted."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index, alias or data stream. ``reason``: why it can't be read."""

    name: str
    reason: str = ""


class Client:
    """Shared by threads. ``secret`` as the wizard keeps it."""

    def __init__(self, base_url: str, secret: Mapping[str, str], network: Network) -> None:
        if not base_url:
            raise ConnectorError(
                "Enter the address of the cluster, such as https://search.acme.com:9200", permanent=True
            )
        self.root = base_url.rstrip("/")
        self._http = httpx_client(network, headers=_headers(secret))
        self.flavour: Flavour | None = None
        """How points in time are opened here; None until one was."""

    def about(self) -> str:
        """Name and version; empty where the key may not ask."""
        try:
            answer = self._call("GET", "/")
        except ConnectorError as error:
            if isinstance(error, Refused) and error.status == 403:
                return ""
            raise
        version = answer.get("version") or {}
        name = "OpenSearch" if version.get("distribution") == "opensearch" else "Elasticsearch"
        return f"{name} {version.get('number', '')}".strip()

    def indices(self, pattern: str) -> list[Index]:
        """What a pattern means, in order of names. What lies behind an alias or data stream that matches is not listed again."""
        names = ",".join(part.strip() for part in pattern.split(",") if part.strip()) or "*"
        try:
            answer = self._call("GET", f"/_resolve/index/{quote(names, safe=',*-')}")
        except Refused as error:
            if error.status == 404:
                raise ConnectorError(
                    f"There is no index {names}: correct the source's settings", permanent=True
                ) from error
            raise
        found = {
            item["name"]: Index(item["name"]) for kind in ("aliases", "data_streams") for item in answer.get(kind, [])
        }
        above = set(found)
        for item in answer.get("indices", []):
            if item.get("data_stream") in above or above & set(item.get("aliases") or ()):
                continue
            closed = "closed" in (item.get("attributes") or ())
            found[item["name"]] = Index(item["name"], "The index is closed: open it in the cluster" if closed else "")
        return [found[name] for name in sorted(found)]

    def mapping(self, pattern: str) -> Mapping[str, Any]:
        """The mappings of all that a pattern means, by index; empty where the key may not see them."""
        names = ",".join(part.strip() for part in pattern.split(",") if part.strip()) or "*"
        try:
            return self._call("GET", f"/{quote(names, safe=',*-')}/_mapping")
        except Refused as error:
            if error.status in (403, 404):
                return {}
            raise

    def count(self, index: str, query: Mapping[str, Any]) -> int:
        return int(self._call("POST", f"/{quote(index, safe='')}/_count", {"query": query}).get("count", 0))

    def document(self, index: str, key: str, routing: str, fields: list[str]) -> Mapping[str, Any]:
        """One document's source. Raises NodeError where it is gone."""
        params = {"_source_includes": ",".join(fields)} if fields else {}
        if routing:
            params["routing"] = routing
        try:
            answer = self._call("GET", f"/{quote(index, safe='')}/_doc/{quote(key, safe='')}", params=params)
        except Refused as error:
            if error.status == 404:
                raise NodeError("It is no longer in the index", skip=True) from error
            raise
        return dict(answer.get("_source") or {})

    def search(self, index: str, body: Mapping[str, Any], pit: str = "") -> Mapping[str, Any]:
        """Raises Lost where the point in time is gone."""
        path = "/_search" if pit else f"/{quote(index, safe='')}/_search"
        try:
            answer = self._call("POST", path, body)
        except Refused as error:
            if pit and (error.status == 404 or "search_context_missing" in error.detail):
                raise Lost from error
            raise
        if answer.get("timed_out") or (answer.get("_shards") or {}).get("failed"):
            raise ConnectorError(f"{VENDOR} could not search all of {index} just now")
        return answer

    def open(self, index: str) -> str:
        """A point in time over the index; empty where the cluster has none."""
        ways: tuple[Flavour, ...] = ("elasticsearch", "opensearch") if self.flavour is None else (self.flavour,)
        for way in ways:
            if way == "none":
                break
            path = "_pit" if way == "elasticsearch" else "_search/point_in_time"
            try:
                answer = self._call("POST", f"/{quote(index, safe='')}/{path}", params={"keep_alive": KEEP})
            except Refused as error:
                if error.status not in (400, 404, 405, 501) or "index_not_found" in error.detail:
                    raise
                continue
            self.flavour = way
            return str(answer["id" if way == "elasticsearch" else "pit_id"])
        self.flavour = "none"
        return ""

    def close(self, pit: str) -> None:
        path, body = (
            ("/_search/point_in_time", {"pit_id": [pit]}) if self.flavour == "opensearch" else ("/_pit", {"id": pit})
        )
        try:
            self._call("DELETE", path, body)
        except Refused as error:
            if error.status != 404:
                raise

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        with told(VENDOR):
            response = self._http.request(method, self.root + path, json=body, params=dict(params or {}))
        if response.status_code >= 300:
            raise _refused(response)
        try:
            answer = response.json()
        except ValueError as error:
            raise ConnectorError(
                f"{self.root} does not answer as Elasticsearch or OpenSearch does: check the address", permanent=True
            ) from error
        return answer if isinstance(answer, dict) else {}


class Refused(ConnectorError):
    """An answer other than 200; ``detail`` is what the cluster says: types and reasons."""

    def __init__(self, error: ConnectorError, status: int, detail: str) -> None:
        super().__init__(str(error), permanent=error.permanent, retry_after=error.retry_after)
        self.status = status
        self.detail = detail


def _refused(response: httpx.Response) -> Refused:
    try:
        error = response.json().get("error")
    except (ValueError, AttributeError):
        error = None
    causes = [error, *(error.get("root_cause") or ())] if isinstance(error, dict) else []
    detail = " · ".join(f"{cause.get('type', '')}: {cause.get('reason', '')}" for cause in causes) or str(error or "")
    reason = causes[-1].get("reason") if causes else error
    if 300 <= response.status_code < 400:
        told_error = ConnectorError(
            f"{VENDOR} sends us elsewhere: enter the address that it answers at", permanent=True
        )
    else:
        told_error = error_of(VENDOR, response.status_code, response.headers, str(reason or ""))
    return Refused(told_error, response.status_code, detail)


def _headers(secret: Mapping[str, str]) -> dict[str, str]:
    auth = secret.get("auth") or "none"
    if auth == "api_key":
        key = (secret.get("key") or "").strip().removeprefix("ApiKey ")
        return {"Authorization": f"ApiKey {_encoded(key) if ':' in key else key}"}
    if auth == "password":
        return {"Authorization": f"Basic {_encoded(secret.get('username', '') + ':' + secret.get('password', ''))}"}
    return {}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
