"""Cursor paging for every list: ``{results, next, previous}``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from rest_framework.pagination import Cursor as Position
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class Cursor(CursorPagination):
    """Newest first unless the view says otherwise; ``limit`` up to 200."""

    page_size_query_param = "limit"
    max_page_size = 200
    ordering = ("-created", "pk")


class Sliced(Protocol):
    """A list that is fetched a stretch at a time, from a database or from elsewhere."""

    def __getitem__(self, wanted: slice, /) -> Sequence[Any]: ...


class ByPlace(Cursor):
    """The same for orders that no column names (what fits a text best): the cursor holds the place in the list."""

    offset_cutoff = 100_000

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request, self.base_url = request, request.build_absolute_uri()
        size = self.get_page_size(request) or 50
        cursor = self.decode_cursor(request)
        place = cursor.offset if cursor else 0
        rows = list(queryset[place : place + size + 1])
        self.place_after = place + size if len(rows) > size else None
        self.place_before = max(0, place - size) if place else None
        return rows[:size]

    def get_next_link(self) -> str | None:
        return self._link(self.place_after)

    def get_previous_link(self) -> str | None:
        return self._link(self.place_before)

    def _link(self, place: int | None) -> str | None:
        return None if place is None else self.encode_cursor(Position(offset=place, reverse=False, position=None))
