"""Titles of pages that relations point to. A database's are read in one go; a page's one by one, and kept."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from datasources.connectors.base import NodeError
from datasources.connectors.notion.client import Notion
from datasources.connectors.notion.rows import Named, title_of

_MOST = 20_000


class Titles:
    """May be shared by threads; what two of them ask for at once is asked twice."""

    def __init__(self, notion: Notion) -> None:
        self._notion = notion
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()

    def of(self, page: str) -> str:
        """Empty where the page is not shared."""
        if page not in self._known:
            try:
                title = title_of(self._notion.page(page))
            except NodeError:
                title = ""
            self._keep({page: title})
        return self._known.get(page, "")

    def known_to(self, schema: Mapping[str, Any]) -> Named:
        """For the rows of a data source: the titles of those that its relations point to."""
        titles: dict[str, str] = {}
        for value in (schema.get("properties") or {}).values():
            source = (value.get("relation") or {}).get("data_source_id") if value.get("type") == "relation" else None
            if not source or len(titles) > _MOST:
                continue
            try:
                titles |= {str(row["id"]): title_of(row) for row in self._notion.rows(str(source))}
            except NodeError:
                continue
        return lambda page: titles.get(page, "")

    def _keep(self, titles: Mapping[str, str]) -> None:
        with self._lock:
            if len(self._known) > _MOST:
                self._known = {}
            self._known.update(titles)
