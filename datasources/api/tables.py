"""Tables: which there are, their rows, and SQL over some of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from datasources.api.base import DataAPI, uuid_of
from datasources.models import Table
from datasources.tables import MOST_TABLES, Limits, Result, SqlError, TablesUnavailable, named, rows_of, run_sql
from datasources.views.tables import csv_of, readable
from portal.api.problems import Problem

MOST_ROWS = 5_000


class TableColumn(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="What SQL calls it.")
    label = serializers.CharField(help_text="What the source calls it.")  # type: ignore[assignment]  # a field of that name
    type = serializers.ChoiceField(choices=["integer", "decimal", "boolean", "date", "timestamp", "text"])
    unit = serializers.CharField(required=False, help_text="A percent or currency sign of all its numbers, or UTC.")
    samples = serializers.ListField(child=serializers.CharField())
    nulls = serializers.IntegerField(help_text="How many of its cells are empty.")


class TableShape(serializers.Serializer[Any]):
    """``name`` is what SQL calls the table where it is asked alone; ``left_out`` rows of the source did not come in."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    name = serializers.SerializerMethodField()
    document = serializers.UUIDField(source="node_id")
    path = serializers.CharField(source="node.path")
    data_source = serializers.UUIDField(source="node.source_id")
    rows = serializers.IntegerField()
    left_out = serializers.IntegerField()
    columns = TableColumn(many=True)
    updated = serializers.DateTimeField()

    def get_name(self, table: Table) -> str:
        return next(iter(named([table])))


class ResultColumnShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    type = serializers.CharField()


class ResultShape(serializers.Serializer[Any]):
    """Cells are null, true, false, numbers or text; dates as ISO, numbers that JSON can't keep exactly as text."""

    columns = ResultColumnShape(many=True)
    rows = serializers.ListField(child=serializers.ListField(child=serializers.JSONField(allow_null=True)))
    truncated = serializers.BooleanField(help_text="There are more rows than came back.")


class RowsShape(ResultShape):
    total = serializers.IntegerField(help_text="Rows that pass the filter.")
    page = serializers.IntegerField()
    pages = serializers.IntegerField()


class QueryRequest(serializers.Serializer[Any]):
    tables = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MOST_TABLES)
    sql = serializers.CharField(help_text="One SELECT; it may begin with WITH. The tables go by their ``name``.")
    limit = serializers.IntegerField(min_value=1, max_value=MOST_ROWS, default=1_000)


class QueryResult(ResultShape):
    seconds = serializers.FloatField()
    names = serializers.DictField(
        child=serializers.UUIDField(), help_text="What SQL called each table: two that are alike are numbered."
    )


class TablesAPI(DataAPI):
    """Finds tables as far as the caller may read them; says in problems why there is no result."""

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, SqlError):
            exc = Problem(f"sql_{exc.code}", str(exc), 422)
        elif isinstance(exc, TablesUnavailable):
            exc = Problem("tables_unavailable", str(exc), 503)
        return super().handle_exception(exc)


class Tables(TablesAPI):
    access = "table.view"

    @extend_schema(
        operation_id="tables_list",
        responses=TableShape(many=True),
        parameters=[
            OpenApiParameter("q", str, description="Only those with these words in path, sheet or columns."),
            OpenApiParameter("data_source", UUID, description="Only those of this source."),
            OpenApiParameter(
                "document", UUID, description="Only those of this document, such as the sheets of a file."
            ),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Every table that the caller may read."""
        asked = request.query_params
        rows = readable(self.membership, asked.get("q", "").strip()[:200])
        for name, lookup in (("data_source", "node__source"), ("document", "node")):
            if asked.get(name):
                rows = rows.filter(**{lookup: uuid_of(asked[name], name)})
        # By a name of its own: a page ends where its last row stands, which a lookup across relations can't tell.
        rows = rows.annotate(named_path=F("node__path"))
        return self.listed(TableShape, rows, ordering=("named_path", "position", "id"))


class OneTable(TablesAPI):
    access = "table.view"

    @extend_schema(operation_id="tables_get", responses=TableShape)
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """A table with its columns. 404 for one that the caller may not read."""
        return self.shown(TableShape, get_object_or_404(readable(self.membership), pk=pk))


class TableRows(TablesAPI):
    access = "table.view"

    @extend_schema(
        operation_id="tables_rows",
        responses=RowsShape,
        parameters=[
            OpenApiParameter("sort", str, description="A column's name; with a leading minus, downwards."),
            OpenApiParameter("q", str, description="Only rows of which a column contains this text."),
            OpenApiParameter("column", str, description="The one column that ``q`` looks at; left out: any."),
            OpenApiParameter("page", int, description="Pages of 100, from 1."),
        ],
    )
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """Rows of a table, page by page."""
        one = get_object_or_404(readable(self.membership), pk=pk)
        asked = request.query_params
        sort, column = asked.get("sort", ""), asked.get("column", "")
        known = {entry["name"] for entry in one.columns}
        for name, value in (("sort", sort.removeprefix("-")), ("column", column)):
            if value and value not in known:
                raise serializers.ValidationError({name: f"The table has no column {value!r}."})
        number = asked.get("page", "1")
        if not number.isdecimal() or not 0 < int(number[:8]) < 10**7:
            raise serializers.ValidationError({"page": "It takes a number from 1."})
        rows = rows_of(
            one,
            sort=sort.removeprefix("-"),
            descending=sort.startswith("-"),
            column=column,
            text=asked.get("q", "").strip()[:200],
            page=int(number),
        )
        return Response(_shown(rows.result) | {"total": rows.total, "page": rows.page, "pages": rows.pages})


class TableCsv(TablesAPI):
    access = "table.view"
    pagination_class = None

    @extend_schema(operation_id="tables_csv", responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, slug: str, pk: UUID) -> HttpResponse:
        """The first 20,000 rows for a spreadsheet, which takes no cell for a formula."""
        return csv_of(get_object_or_404(readable(self.membership), pk=pk))


class TablesQuery(TablesAPI):
    access = {"POST": "table.view"}

    @extend_schema(operation_id="tables_query", request=QueryRequest, responses=QueryResult)
    def post(self, request: Request, slug: str) -> Response:
        """One SELECT over tables that the caller may read. Nothing else can be read by it, and nothing written."""
        asked = self.parsed(QueryRequest)
        wanted = list(dict.fromkeys(asked["tables"]))
        found = readable(self.membership).in_bulk(wanted)
        if missing := [pk for pk in wanted if pk not in found]:
            raise Problem("not_found", f"There is no table {missing[0]}, or it is not for you.", 404)
        names = named([found[pk] for pk in wanted])
        result = run_sql(names, asked["sql"], Limits(rows=asked["limit"]))
        called = {name: str(table.pk) for name, table in names.items()}
        return Response(_shown(result) | {"seconds": round(result.seconds, 3), "names": called})


def _shown(result: Result) -> dict[str, Any]:
    return {
        "columns": [{"name": column.name, "type": column.type} for column in result.columns],
        "rows": [list(row) for row in result.rows],
        "truncated": result.truncated,
    }
