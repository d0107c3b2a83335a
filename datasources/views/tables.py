"""Tables: the list, one with its schema and rows, and SQL over several."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_http_methods

from datasources.models import Table
from datasources.tables import MOST_TABLES, Limits, Result, Rows, SqlError, TablesUnavailable, named, rows_of, run_sql
from datasources.views.data import kind_icon
from portal.access import WorkspaceRequest, workspace_view
from portal.models import Membership
from portal.pages import page, paged
from portal.registry import registries
from portal.spreadsheets import as_cell

CSV_ROWS = 20_000
OFFERED = 200
"""Tables that the form for SQL offers at once; the search finds the others."""
_CSV_LIMITS = Limits(rows=CSV_ROWS, result_bytes=32 * 1024 * 1024, cell_chars=32_000)


def readable(membership: Membership, text: str = "") -> QuerySet[Table]:
    """The tables that this person may read, of which name or columns have the text."""
    rows = Table.objects.readable_by(membership).select_related("node__source").defer("node__source__cursor")
    for word in text.split():
        rows = rows.filter(Q(label__icontains=word) | Q(node__path__icontains=word) | Q(columns__icontains=word))
    return rows.order_by("node__title", "position", "pk")


@workspace_view("table.view")
@require_GET
def tables(request: WorkspaceRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:200]
    context = {
        "rows": paged(request, readable(request.membership, text)),
        "q": text,
        "pages_query": urlencode({"q": text}) + "&" if text else "",
    }
    return page(request, "datasources/tables.html", context, partial="tables")


@workspace_view("table.view")
@require_GET
def table(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    one = get_object_or_404(readable(request.membership), pk=pk)
    asked = _asked(request)
    rows, problem = _rows(one, asked)
    context = {
        "table": one,
        "icon_name": kind_icon(one.node.source.kind),
        "found": rows,
        "problem": problem,
        "asked": asked,
        "shown": _shown(one, rows),
        "beside": readable(request.membership).filter(node=one.node_id).exclude(pk=one.pk),
        "panels": [(panel.template, panel.context(request, one)) for panel in registries.panel("table")],
    }
    return page(request, "datasources/table.html", context, partial="rows")


def _asked(request: WorkspaceRequest) -> dict[str, Any]:
    number = request.GET.get("page", "")
    return {
        "sort": request.GET.get("sort", ""),
        "descending": request.GET.get("dir") == "desc",
        "column": request.GET.get("column", ""),
        "text": request.GET.get("q", "").strip()[:200],
        "page": int(number) if number.isdecimal() and len(number) < 8 else 1,
    }


def _rows(one: Table, asked: dict[str, Any]) -> tuple[Rows | None, str]:
    try:
        return rows_of(one, **asked), ""
    except (SqlError, TablesUnavailable) as error:
        return None, str(error)


def _shown(one: Table, rows: Rows | None) -> list[dict[str, Any]]:
    """Columns with their labels, in the order of the cells."""
    known = {column["name"]: column for column in one.columns}
    return [known[column.name] for column in rows.result.columns if column.name in known] if rows else []


@workspace_view("table.view")
@require_http_methods(["GET", "HEAD", "POST"])
def query(request: WorkspaceRequest) -> HttpResponse:
    """``?table=`` (repeated) and ``sql`` fill the form; posted, it is run. ``format=csv`` gives a file."""
    given = request.POST if request.method == "POST" else request.GET
    chosen = _chosen(request.membership, given.getlist("table"))
    sql = given.get("sql", "").strip()
    offered = list(readable(request.membership)[:OFFERED])
    context: dict[str, Any] = {
        "chosen": named(chosen),
        "offered": [row for row in offered if row not in chosen],
        "more": len(offered) == OFFERED,
        "most": MOST_TABLES,
        "sql": sql or _first_query(chosen),
    }
    status = 200
    if request.method == "POST":
        try:
            result = run_sql(chosen, sql, _CSV_LIMITS if given.get("format") == "csv" else None)
        except (SqlError, TablesUnavailable) as error:
            context["problem"], status = str(error), 422
        else:
            if given.get("format") == "csv":
                return _as_csv(result, "result")
            context["result"] = result
    return page(request, "datasources/table_query.html", context, partial="result", status=status)


def _chosen(membership: Membership, ids: Sequence[str]) -> list[Table]:
    """The tables of the form, in its order, as far as the person may read them."""
    wanted = []
    for value in ids[: MOST_TABLES * 2]:
        try:
            wanted.append(UUID(value))
        except ValueError:
            continue
    found = readable(membership).in_bulk(wanted)
    return [found[pk] for pk in dict.fromkeys(wanted) if pk in found]


def _first_query(chosen: Sequence[Table]) -> str:
    return f"SELECT *\nFROM {next(iter(named(chosen)))}\nLIMIT 100" if chosen else ""


@workspace_view("table.view")
@require_GET
def table_csv(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    one = get_object_or_404(readable(request.membership), pk=pk)
    try:
        return csv_of(one)
    except (SqlError, TablesUnavailable) as error:
        return HttpResponse(str(error), status=503, content_type="text/plain; charset=utf-8")


def csv_of(one: Table) -> HttpResponse:
    """A table's rows as its source has them, up to CSV_ROWS. Raises SqlError and TablesUnavailable."""
    (name,) = named([one])
    return _as_csv(run_sql({name: one}, f"SELECT * FROM {name}", _CSV_LIMITS), name)  # noqa: S608  a safe name


def _as_csv(result: Result, name: str) -> HttpResponse:
    """Formulas escaped, with a mark of byte order, so that spreadsheets show it as it is."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([as_cell(column.name) for column in result.columns])
    writer.writerows([["" if cell is None else as_cell(cell) for cell in row] for row in result.rows])
    response = HttpResponse("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = (
        f'attachment; filename="{name[:60].encode("ascii", "ignore").decode() or "table"}.csv"'
    )
    return response
