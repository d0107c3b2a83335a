"""Intercom's SDK, told not to retry, page by page, with its errors in our words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from intercom import Intercom
from intercom.core.api_error import ApiError
from intercom.core.request_options import RequestOptions
from intercom.types import MultipleFilterSearchRequest, SingleFilterSearchRequest, StartingAfterPaging

from datasources.connectors.around import Around
from datasources.connectors.base import ConnectorError
from datasources.connectors.http import error_of, httpx_client, told
from datasources.connectors.intercom.about import REGIONS, US

VENDOR = "Intercom"
API_VERSION = "2.14"
ARTICLES, CONVERSATIONS = 50, 100
T = TypeVar("T")
Filter = tuple[str, str, Any]
"""(field, operator, value)"""


class Gone(Exception):
    """It is not there, or not any more."""


class Client:
    """Shared by threads. Objects are the SDK's, whose fields may be missing or of another type than it says."""

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        address = str(config.get("base_url") or US).rstrip("/")
        self.app_url = REGIONS.get(address, REGIONS[US])
        self._tokens = around.tokens
        token: str | Callable[[], str] = around.tokens.access if around.tokens else (secret.get("token") or "").strip()
        if not token:
            raise ConnectorError("Enter Intercom's access token", permanent=True)
        self.api = Intercom(
            base_url=address,
            token=token,
            headers={"Intercom-Version": API_VERSION},
            httpx_client=httpx_client(around.network),
        )

    def me(self) -> Any:
        return self._ask(self.api.admins.identify, "Read one admin")

    def teams(self) -> Sequence[Any]:
        return self._ask(self.api.teams.list, "Read admins").teams or ()

    def admins(self) -> Sequence[Any]:
        return self._ask(self.api.admins.list, "Read admins").admins or ()

    def collections(self) -> Iterator[Any]:
        page = pages = 1
        while page <= pages:
            ask = partial(self.api.help_centers.collections.list, page=page, per_page=ARTICLES)
            answer = self._ask(ask, "Read and list articles")
            yield from answer.items or ()
            page, pages = page + 1, _pages(answer.response)

    def articles(self, page: int) -> tuple[Sequence[Any], int, int]:
        """(articles of a page, how many pages, how many articles)"""
        answer = self._ask(lambda: self.api.articles.list(page=page, per_page=ARTICLES), "Read and list articles")
        return answer.items or (), _pages(answer.response), int(answer.response.total_count or 0)

    def article(self, key: str) -> Any:
        """Raises Gone."""
        if not key.isdigit():
            raise Gone
        return self._ask(lambda: self.api.articles.find(int(key)), "Read and list articles", node=True)

    def conversation(self, key: str) -> Any:
        """With its parts. Raises Gone."""
        return self._ask(lambda: self.api.conversations.find(key), "Read conversations", node=True)

    def count(self, filters: Sequence[Filter]) -> int:
        return int(self._search(filters, 1, None, "ascending").response.total_count or 0)

    def search(self, filters: Sequence[Filter], order: str = "ascending") -> Iterator[Sequence[Any]]:
        """Pages of conversations, without parts, by their last change."""
        after = None
        while True:
            answer = self._search(filters, CONVERSATIONS, after, order)
            yield answer.items or ()
            following = answer.response.pages.next if answer.response.pages else None
            after = following.starting_after if following else None
            if not after or not answer.items:
                return

    def _search(self, filters: Sequence[Filter], size: int, after: str | None, order: str) -> Any:
        parts: list[Any] = [
            SingleFilterSearchRequest(field=field, operator=operator, value=value) for field, operator, value in filters
        ]
        query = MultipleFilterSearchRequest(operator="AND", value=parts)
        options: RequestOptions = {"additional_body_parameters": {"sort": {"field": "updated_at", "order": order}}}
        paging = StartingAfterPaging(per_page=size, **({"starting_after": after} if after else {}))
        return self._ask(
            lambda: self.api.conversations.search(query=query, pagination=paging, request_options=options),
            "Read conversations",
        )

    def _ask(self, call: Callable[[], T], permission: str, *, node: bool = False) -> T:
        try:
            with told(VENDOR):
                return self._called(call)
        except ApiError as error:
            if node and error.status_code == 404:
                raise Gone from error
            raise _in_words(error, permission) from error

    def _called(self, call: Callable[[], T]) -> T:
        """Where who signed in has no access any more, it is asked for anew once: somebody may have signed in meanwhile."""
        try:
            return call()
        except ApiError as error:
            if error.status_code != 401 or self._tokens is None:
                raise
            self._tokens.access(renew=True)
            return call()


def _in_words(error: ApiError, permission: str) -> ConnectorError:
    status, headers = error.status_code or 0, {key.lower(): value for key, value in (error.headers or {}).items()}
    if status == 403:
        return ConnectorError(
            f"{VENDOR} does not allow this: give the app the permission “{permission}” and connect it anew",
            permanent=True,
        )
    found = error_of(VENDOR, status, headers, _detail(error.body))
    reset = headers.get("x-ratelimit-reset", "")
    if status == 429 and found.retry_after is None and reset.isdigit():
        found.retry_after = max(1.0, float(reset) - time.time())
    return found


def _detail(body: Any) -> str:
    """Intercom's errors are lists of code and message."""
    errors = getattr(body, "errors", None) or (body.get("errors") if isinstance(body, dict) else None) or ()
    first = next(iter(errors), None)
    message = first.get("message") if isinstance(first, dict) else getattr(first, "message", None)
    return str(message or "")


def _pages(response: Any) -> int:
    pages = getattr(response, "pages", None)
    total = pages.get("total_pages") if isinstance(pages, dict) else getattr(pages, "total_pages", None)
    return int(total or 1)
