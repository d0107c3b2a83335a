"""Filters of lists that take a text: a workspace may have thousands of people and assistants, too many for a list to pick from."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import TextFilter


def text_filter(name: str, label: str, *lookups: str) -> type[TextFilter]:
    """A filter ``?name=`` that keeps rows where any of the lookups contains the text."""

    class Containing(TextFilter):
        title = label
        parameter_name = name

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            text = (self.value() or "").strip()
            wanted = Q(*((f"{lookup}__icontains", text) for lookup in lookups), _connector=Q.OR)
            return queryset.filter(wanted) if text else queryset

    return Containing
