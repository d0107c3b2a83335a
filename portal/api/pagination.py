"""Cursor paging for every list: ``{results, next, previous}``."""

from rest_framework.pagination import CursorPagination


class Cursor(CursorPagination):
    """Newest first unless the view says otherwise; ``limit`` up to 200."""

    page_size_query_param = "limit"
    max_page_size = 200
    ordering = ("-created", "pk")
