"""Rows and columns of tables in templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django import template

from datasources.models import Table
from datasources.tables import PAGE, ResultColumn, Rows, named

register = template.Library()


@register.filter
def with_kinds(row: Sequence[Any], columns: Iterable[ResultColumn]) -> list[tuple[str, str]]:
    """Each cell as text, with the class that it is shown by."""
    return [(cell_text(cell), _kind(cell, column.type)) for cell, column in zip(row, columns, strict=True)]


def cell_text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell).removesuffix(" 00:00:00")


def _kind(cell: Any, kind: str) -> str:
    if kind in ("integer", "decimal"):
        return "num"
    return "long" if isinstance(cell, str) and len(cell) > 40 else ""


@register.filter
def sql_name(table: Table) -> str:
    """What SQL calls the table where it is asked alone."""
    return next(iter(named([table])))


@register.filter
def next_sort(column: str, asked: Mapping[str, Any]) -> str:
    """The query of a column's head: up, then down, then as the rows stand in the source."""
    if asked["sort"] != column:
        return _query(asked, sort=column, descending=False)
    return _query(asked, sort="" if asked["descending"] else column, descending=not asked["descending"])


@register.filter
def other_page(asked: Mapping[str, Any], step: int) -> str:
    return _query(asked, page=asked["page"] + step)


def _query(asked: Mapping[str, Any], *, page: int = 1, **changed: Any) -> str:
    now = {**asked, **changed}
    parts = {"q": now["text"], "column": now["column"], "sort": now["sort"]}
    parts |= {"dir": "desc" if now["descending"] and now["sort"] else "", "page": page if page > 1 else ""}
    return urlencode({key: value for key, value in parts.items() if value})


@register.filter
def first_row(found: Rows) -> int:
    return PAGE * (found.page - 1) + 1


@register.filter
def last_row(found: Rows) -> int:
    return PAGE * (found.page - 1) + len(found.result.rows)
