"""The process that runs queries: the given tables in memory, and nothing else in reach. Serves once, then ends.

Started by process.py with an empty environment. First it gives up network, files and other programs, then it loads the
tables, then DuckDB's configuration is locked, and only then is a query looked at.
"""

from __future__ import annotations

import json
import math
import os
import socket
import sys
import time
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from datasources.ingestion import sandbox, wire
from datasources.querying.checking import check
from datasources.querying.values import ONLY_TABLES, TOO_HUNGRY, Limits, Query, SqlError

_CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "async_threads": 0,
    "temp_directory": "",
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
    "allow_extension_repositories": "forbidden",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
    "python_scan_all_frames": False,
    "max_expression_depth": 250,
}
_KINDS = (
    (
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
        "integer",
    ),
    (("DECIMAL", "DOUBLE", "FLOAT", "UHUGEINT"), "decimal"),
    (("BOOLEAN",), "boolean"),
    (("TIMESTAMP",), "timestamp"),
    (("DATE",), "date"),
)
_SAFE_INTEGER = 2**53
_BATCH = 200
_FILE_BYTES = 1024 * 1024


def serve(descriptor: int, scratch: str) -> None:
    channel = socket.socket(fileno=descriptor)
    notes = [note for note in [sandbox.leave_network()] if note]
    job = wire.receive(channel)
    limits = Limits(**job["limits"])
    os.nice(5)
    settings = _CONFIGURATION | {"memory_limit": f"{limits.memory_bytes // 1024}KiB"}
    # DuckDB looks at the machine as it opens, so it opens before the doors close. It starts no thread.
    connection = duckdb.connect(":memory:", config=settings)
    sandbox.lower_limits(memory_bytes=limits.memory_bytes * 3 // 2, file_bytes=_FILE_BYTES)
    sandbox.allow_more_cpu(math.ceil(limits.seconds) + 1)
    notes += sandbox.lock_down({sys.prefix, sys.base_prefix}, scratch)
    wire.send(channel, {"notes": notes} | _answered(connection, job, limits))


def _answered(connection: duckdb.DuckDBPyConnection, job: dict[str, Any], limits: Limits) -> dict[str, Any]:
    try:
        for name, path in job["tables"].items():
            # Both are ours: the name is made of word characters.
            connection.execute(f"CREATE TABLE \"{name}\" AS SELECT * FROM read_parquet('{path}')")  # noqa: S608
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        queries = [Query(**query) for query in job["queries"]]
        return {"results": [_run(connection, query, tuple(job["tables"]), limits) for query in queries]}
    except SqlError as error:
        return {"error": str(error), "code": error.code}
    except duckdb.Error as error:
        words, code = _in_words(error)
        return {"error": words, "code": code}
    except MemoryError:
        return {"error": TOO_HUNGRY, "code": "too_hungry"}


def _run(
    connection: duckdb.DuckDBPyConnection, query: Query, tables: tuple[str, ...], limits: Limits
) -> dict[str, Any]:
    begun = time.monotonic()
    if not query.trusted:
        check(connection, query.sql, tables)
    cursor = connection.execute(query.sql, list(query.params) or None)
    described = (cursor.description or [])[: limits.columns]
    rows: list[list[Any]] = []
    size, more = 0, False
    while not more and (batch := cursor.fetchmany(_BATCH)):
        for row in batch:
            cells = [_plain(cell, limits) for cell in row[: limits.columns]]
            size += len(json.dumps(cells, ensure_ascii=False))
            if len(rows) == limits.rows or size > limits.result_bytes:
                more = True
                break
            rows.append(cells)
    columns = [[column[0], _kind(str(column[1]))] for column in described]
    return {"columns": columns, "rows": rows, "truncated": more, "seconds": time.monotonic() - begun}


def _kind(sql: str) -> str:
    upper = sql.upper()
    if upper.endswith("]"):
        return "text"
    return next((kind for prefixes, kind in _KINDS if upper.startswith(prefixes)), "text")


def _plain(cell: Any, limits: Limits) -> Any:
    """A cell as JSON keeps it without loss."""
    if cell is None or isinstance(cell, bool):
        return cell
    if isinstance(cell, int):
        return cell if abs(cell) <= _SAFE_INTEGER else str(cell)
    if isinstance(cell, Decimal):
        near = float(cell)
        return near if Decimal(repr(near)) == cell else f"{cell:f}"
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else str(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, date):
        return cell.isoformat()
    text = str(cell)
    return text if len(text) <= limits.cell_chars else text[: limits.cell_chars - 1] + "…"


def _in_words(error: duckdb.Error) -> tuple[str, str]:
    """DuckDB's message as a person reads it, without the place in the code where it was noticed."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return TOO_HUNGRY, "too_hungry"
    if isinstance(error, duckdb.PermissionException):
        return ONLY_TABLES, "refused"
    kind, _, rest = str(error).partition(": ")
    words = " ".join((rest or kind).partition("\n\nLINE ")[0].split())[:600]
    if "configuration has been locked" in words:
        return ONLY_TABLES, "refused"
    if isinstance(error, duckdb.ParserException):
        return f"This is not valid SQL: {words}", "failed"
    return words or kind, "failed"
