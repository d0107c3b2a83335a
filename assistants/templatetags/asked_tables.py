"""Results of tables as the templates of the Tables pages take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import template

from datasources.tables import Result, ResultColumn

register = template.Library()


@register.filter
def as_result(shown: Mapping[str, Any]) -> Result:
    columns = tuple(ResultColumn(column["name"], column["type"]) for column in shown["columns"])
    return Result(columns, tuple(tuple(row) for row in shown["rows"]), shown["truncated"])


@register.filter
def query_link(shown: Mapping[str, Any]) -> str:
    """The form for SQL, filled with this query and its tables."""
    return urlencode([*(("table", table["id"]) for table in shown["tables"]), ("sql", shown["sql"])])
