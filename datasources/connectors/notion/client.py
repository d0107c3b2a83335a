"""Notion's API through its SDK: one place for the key, for what goes wrong, and for lists that come page by page.

The API version is 2025-09-03: a database holds data sources, and rows belong to one of these.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from notion_client import Client
from notion_client.errors import HTTPResponseError, NotionClientErrorBase

from datasources.connectors.around import Around
from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.http import error_of, httpx_client, told
from datasources.connectors.notion.about import ABOUT

VERSION = "2025-09-03"
PAGE = 100
_TIMEOUT_MS = 65_000
"""Notion gives up after 60 s itself."""
Json = dict[str, Any]


class Rejected(ConnectorError):
    """Notion does not take the request as it stands: an old cursor, say."""


class _Session(Client):
    """The SDK's client, with a key that may be renewed."""

    def __init__(self, token: Callable[[bool], str], base_url: str, around: Around) -> None:
        self.token = token
        super().__init__(
            client=httpx_client(around.network),
            base_url=base_url,
            notion_version=VERSION,
            timeout_ms=_TIMEOUT_MS,
            retry=False,
            logger=logging.getLogger("atrium.notion"),
            log_level=logging.CRITICAL,
        )

    def request(
        self,
        path: str,
        method: str,
        query: Any = None,
        body: Any = None,
        form_data: Any = None,
        auth: Any = None,
    ) -> Any:
        try:
            return super().request(path, method, query, body, form_data, self.token(False))
        except HTTPResponseError as error:
            renewed = self.token(True) if error.status == 401 else ""
            if not renewed:
                raise
            return super().request(path, method, query, body, form_data, renewed)


class Notion:
    """May be shared by threads."""

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self._secret = secret
        self._around = around
        base_url = str(config.get("base_url") or ABOUT.base_url).rstrip("/")
        self._sdk = _Session(self._token, base_url, around)

    def _token(self, renew: bool) -> str:
        """The key; with ``renew`` another one, or nothing where there is no other."""
        if self._around.tokens is not None and self._secret.get("auth") == "oauth":
            return self._around.tokens.access(renew=renew)
        if renew:
            return ""
        if not (token := self._secret.get("token", "").strip()):
            raise ConnectorError(
                "There is no integration secret yet: enter it in the source's settings", permanent=True
            )
        return token

    def me(self) -> Json:
        return self._ask(lambda: self._sdk.users.me())

    def search(self, kind: str = "", *, newest_first: bool = False, text: str = "", at: str | None = None) -> Json:
        """One page of what is shared: ``kind`` is ``page``, ``data_source`` or both. In order of last edit."""
        asked: Json = {
            "sort": {"timestamp": "last_edited_time", "direction": "descending" if newest_first else "ascending"},
            "page_size": PAGE,
            "start_cursor": at,
        }
        if kind:
            asked["filter"] = {"property": "object", "value": kind}
        if text:
            asked["query"] = text
        return self._ask(lambda: self._sdk.search(**asked))

    def searched(self, kind: str = "", **asked: Any) -> Iterator[Json]:
        return self._all(lambda at: self.search(kind, at=at, **asked))

    def page(self, page: str) -> Json:
        return self._ask(lambda: self._sdk.pages.retrieve(page), node=True)

    def property_items(self, page: str, name: str) -> Iterator[Json]:
        """All values of a property that the page itself holds only in part."""
        return self._all(
            lambda at: self._ask(
                lambda: self._sdk.pages.properties.retrieve(page, name, start_cursor=at, page_size=PAGE), node=True
            )
        )

    def database(self, database: str) -> Json:
        return self._ask(lambda: self._sdk.databases.retrieve(database), node=True)

    def data_source(self, source: str) -> Json:
        return self._ask(lambda: self._sdk.data_sources.retrieve(source), node=True)

    def rows(self, source: str) -> Iterator[Json]:
        """Pages of a data source (and, in a wiki, data sources), oldest first."""
        sorts = [{"timestamp": "created_time", "direction": "ascending"}]
        return self._all(
            lambda at: self._ask(
                lambda: self._sdk.data_sources.query(source, sorts=sorts, start_cursor=at, page_size=PAGE), node=True
            )
        )

    def block(self, block: str) -> Json:
        return self._ask(lambda: self._sdk.blocks.retrieve(block), node=True)

    def blocks(self, parent: str) -> Iterator[Json]:
        return self._all(
            lambda at: self._ask(
                lambda: self._sdk.blocks.children.list(parent, start_cursor=at, page_size=PAGE), node=True
            )
        )

    def users(self) -> Iterator[Json]:
        return self._all(lambda at: self._ask(lambda: self._sdk.users.list(start_cursor=at, page_size=PAGE), node=True))

    def _all(self, page: Callable[[str | None], Json]) -> Iterator[Json]:
        at: str | None = None
        while True:
            found = page(at)
            yield from found.get("results") or ()
            at = found.get("next_cursor")
            if not found.get("has_more") or not at:
                return

    def _ask(self, call: Callable[[], Any], *, node: bool = False) -> Json:
        with told("Notion"):
            try:
                found = call()
            except HTTPResponseError as error:
                raise _error_of(error, node) from error
            except NotionClientErrorBase as error:
                raise ConnectorError("Notion did not answer in time") from error
            except ValueError as error:
                raise ConnectorError("Notion's answer can't be read just now") from error
        if not isinstance(found, dict):
            raise ConnectorError("Notion's answer can't be read just now")
        return found


def _error_of(error: HTTPResponseError, node: bool) -> ConnectorError:
    if error.status == 400 and not node:
        return Rejected(f"Notion does not take the request ({error})", permanent=True)
    if error.status == 409:
        return ConnectorError("Notion had two changes at once: it is tried again")
    if node and error.status == 404:
        return NodeError("It is not (or no longer) shared with the integration", skip=True)
    if node and error.status == 400:
        return NodeError(f"Notion does not give it to integrations ({error})", skip=True)
    return error_of("Notion", error.status, error.headers, str(error), node=node)
