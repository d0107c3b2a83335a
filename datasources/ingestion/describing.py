"""What search finds of a table: a few sentences before its rows, so that a question about its columns leads to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from datasources.ingestion.results import FoundTable

_MOST_COLUMNS = 60
_SAMPLES = 3
_LONGEST_SAMPLE = 30
_MOST_TABLES = 20


def with_descriptions(text: str, title: str, tables: Iterable[FoundTable]) -> str:
    """``text`` of a file or page below descriptions of the tables that it holds."""
    found = list(tables)
    if not found:
        return text
    about = "\n\n".join(description(table.label or title, table) for table in found[:_MOST_TABLES])
    if (more := len(found) - _MOST_TABLES) > 0:
        about += f"\n\nAnd {more} more tables."
    return f"{about}\n\n{text}"


def description(name: str, table: FoundTable) -> str:
    """One paragraph: name, number of rows, and each column with its type and samples."""
    columns = [_column(column) for column in table.columns[:_MOST_COLUMNS]]
    if (more := len(table.columns) - _MOST_COLUMNS) > 0:
        columns.append(f"and {more} more columns")
    rows = f"{table.rows:,} row{'' if table.rows == 1 else 's'}"
    if table.left_out:
        rows += f" of {table.rows + table.left_out:,}"
    return f"Table “{_plain(name)}” with {rows}. Its columns: " + "; ".join(columns) + "."


def told(tables: Iterable[FoundTable]) -> list[str]:
    """What of the rows did not come in, in plain words."""
    notes = []
    for table in tables:
        named = f" of “{table.label}”" if table.label else ""
        if table.left_out:
            notes.append(f"SQL reads the first {table.rows:,} rows{named}; {table.left_out:,} more were left out")
        if table.cut_rows:
            notes.append(f"{table.cut_rows:,} rows{named} had more cells than columns; those beyond were left out")
    return notes


def _column(column: Mapping[str, Any]) -> str:
    kind = column["type"] + (f" in {column['unit']}" if column.get("unit") else "")
    samples = ", ".join(_plain(sample[:_LONGEST_SAMPLE]) for sample in column["samples"][:_SAMPLES])
    return f"{_plain(column['label'])} ({kind}{f', such as {samples}' if samples else ''})"


def _plain(text: str) -> str:
    """On one line, and with nothing that Markdown would make more of."""
    words = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in words)
