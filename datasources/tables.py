"""Tables as people and assistants ask them: which ones they may read, SQL over some of them, and pages of one's rows.

Whoever calls checks access first: ``Table.objects.readable_by`` says which tables a person may read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

from django.core.files.storage import default_storage

from datasources.ingestion.naming import table_names
from datasources.models import Table
from datasources.querying import process
from datasources.querying.values import Limits, Query, Result, ResultColumn, SqlError, TablesUnavailable

__all__ = [
    "MOST_TABLES",
    "PAGE",
    "Limits",
    "Result",
    "ResultColumn",
    "Rows",
    "SqlError",
    "TablesUnavailable",
    "named",
    "rows_of",
    "run_sql",
]

MOST_TABLES = 12
"""Tables that one query may join."""
MOST_BYTES = 128 * 1024 * 1024
"""Of their Parquet together: they are loaded into memory."""
PAGE = 100
_SEARCHED = 500
"""Characters of a cell that the filter of the grid looks at."""


def named(tables: Iterable[Table]) -> dict[str, Table]:
    """What SQL calls each of them: by sheet or file, safe and unique, in the order given. ``node`` must be loaded."""
    rows = list(tables)
    return dict(zip(table_names([row.label or row.node.title for row in rows]), rows, strict=True))


def run_sql(tables: Sequence[Table] | Mapping[str, Table], sql: str, limits: Limits | None = None) -> Result:
    """One SELECT over these tables and nothing else. Raises SqlError and TablesUnavailable, each with a sentence."""
    by_name = tables if isinstance(tables, Mapping) else named(tables)
    if len(by_name) > MOST_TABLES:
        raise SqlError(f"A query joins at most {MOST_TABLES} tables; {len(by_name)} were chosen.", "refused")
    return _run(by_name, [Query(sql.strip())], limits or Limits())[0]


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of one table. ``total``: rows that pass the filter."""

    result: Result
    total: int
    page: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE))


def rows_of(
    table: Table, *, sort: str = "", descending: bool = False, column: str = "", text: str = "", page: int = 1
) -> Rows:
    """Rows ``100 * (page - 1)`` and on, sorted by a column, of which ``column`` (or any, where it is empty) has ``text``.

    Columns by their names in SQL; ones that the table has not are as if not given. Raises SqlError and TablesUnavailable.
    """
    known = [entry["name"] for entry in table.columns]
    looked_at = [column] if column in known else known
    condition = ""
    params: tuple[str, ...] = ()
    if text:
        condition = " WHERE " + " OR ".join(
            f'contains(lower(left(CAST("{name}" AS VARCHAR), {_SEARCHED})), lower(?))' for name in looked_at
        )
        params = (text,) * len(looked_at)
    order = f' ORDER BY "{sort}" {"DESC" if descending else "ASC"} NULLS LAST' if sort in known else ""
    page = max(1, page)
    # Names of columns are ours, made of word characters; what anybody typed is a parameter.
    count = Query(f"SELECT count(*) FROM t{condition}", params, trusted=True)  # noqa: S608
    rows = Query(
        f"SELECT * FROM t{condition}{order} LIMIT {PAGE} OFFSET {PAGE * (page - 1)}",  # noqa: S608
        params,
        trusted=True,
    )
    counted, found = _run({"t": table}, [count, rows], replace(Limits(), rows=PAGE))
    return Rows(found, int(counted.rows[0][0]), page)


def _run(tables: Mapping[str, Table], queries: Sequence[Query], limits: Limits) -> list[Result]:
    size = sum(table.size for table in tables.values())
    if size > MOST_BYTES:
        raise SqlError(
            f"These tables are too large to be asked together ({size >> 20} MB, at most {MOST_BYTES >> 20}). Choose fewer.",
            "too_hungry",
        )
    with _opened(tables) as files:
        return process.run(files, queries, limits)


@contextmanager
def _opened(tables: Mapping[str, Table]) -> Iterator[dict[str, IO[bytes]]]:
    with ExitStack() as stack:
        try:
            yield {name: stack.enter_context(_open(table)) for name, table in tables.items()}
        except FileNotFoundError as error:
            raise TablesUnavailable(
                "A table was replaced or removed just now. Try again; if that does not help, sync its source."
            ) from error


def _open(table: Table) -> Any:
    return default_storage.open(table.stored)
