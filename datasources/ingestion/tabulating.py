"""Rows of any source to one table: its header found, its columns typed, written as Parquet by DuckDB.

Runs in the reading child, for files and for what connectors give alike. Rows pass through a file in the scratch folder, so
that a table needs little memory however long it is.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import duckdb
import msgspec

from datasources.ingestion.cells import NULLS, Column, Decided, is_value
from datasources.ingestion.naming import column_labels, column_names
from datasources.ingestion.results import FoundTable, Limits
from datasources.ingestion.textual import delimiter_of

Row = Sequence[str | None]

_PEEK = 50
_HEADER_WITHIN = 20
_FILLED_SHARE = 0.6
_LONGEST_CELL = 100_000
_LONGEST_SAMPLE = 60
_MEMORY = "384MB"
_YEARS = range(1900, 2101)


class Unwritable(Exception):
    """DuckDB refused; the message is its own."""


@dataclass(slots=True)
class Grid:
    """Rows of one sheet as texts. ``header``: given names; None: to be found in the rows. ``european``: see Column."""

    rows: Iterable[Row]
    label: str = ""
    header: Sequence[str] | None = None
    european: bool = False


def separated(text: str) -> Grid:
    """The rows of a CSV or the like."""
    delimiter = delimiter_of(text)
    csv.field_size_limit(1_000_000)
    return Grid(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False), european=delimiter == ";")


def labelled(sheets: Iterable[tuple[str, Iterable[Row]]]) -> Iterator[Grid]:
    """The sheets of a workbook, read one after the other."""
    for name, rows in sheets:
        yield Grid(rows, " ".join(name.split())[:200])


def handed_over(file: IO[bytes]) -> Iterator[Grid]:
    """What ``handing.hand_over`` wrote."""
    while head := file.readline():
        told = msgspec.json.decode(head, type=dict[str, Any])
        yield Grid(_until_null(file), told["name"], told["columns"])


def _until_null(file: IO[bytes]) -> Iterator[Row]:
    decode = msgspec.json.Decoder(list[str | None] | None).decode
    while (row := decode(file.readline())) is not None:
        yield row


def write_tables(grids: Iterable[Grid], limits: Limits, target: IO[bytes]) -> list[FoundTable]:
    """Each grid with a header and a row as Parquet, one after the other in ``target``. Raises Unwritable.

    A workbook's only sheet goes by the file's name, so its label is empty.
    """
    found: list[FoundTable] = []
    sheets = 0
    with tempfile.TemporaryDirectory() as scratch:
        for grid in grids:
            sheets += 1
            if len(found) < limits.tables and (table := _write(grid, limits, Path(scratch), target)):
                found.append(table)
            else:
                # What follows it can only be reached past it.
                for _ in grid.rows:
                    pass
    return [replace(found[0], label="")] if sheets == 1 and found else found


def _write(grid: Grid, limits: Limits, scratch: Path, target: IO[bytes]) -> FoundTable | None:
    labels, rows = _headed(grid, limits)
    if not labels:
        return None
    spool = _Spool(scratch / "spool", [Column(european=grid.european) for _ in labels], limits)
    spool.fill(rows)
    kept = [at for at, column in enumerate(spool.columns) if column.filled or labels[at]]
    if not spool.rows or not kept:
        return None
    decided = [spool.columns[at].decided() for at in kept]
    digest = spool.settle(kept, decided, scratch / "settled")
    shown = column_labels([labels[at] for at in kept])
    names = column_names(shown)
    start = target.tell()
    _to_parquet(scratch / "settled", scratch / "parquet", names, decided)
    _append(scratch / "parquet", target)
    columns = [
        _described(name, label, spool.columns[at], meaning)
        for name, label, at, meaning in zip(names, shown, kept, decided, strict=True)
    ]
    digest.update(msgspec.json.encode(columns))
    size = target.tell() - start
    return FoundTable(grid.label, columns, spool.rows, spool.left_out, start, size, digest.hexdigest(), spool.cut_rows)


def _described(name: str, label: str, column: Column, meaning: Decided) -> dict[str, Any]:
    samples = [sample[:_LONGEST_SAMPLE] for sample in column.samples]
    nulls = column.nulls + (column.missing if meaning.type != "text" else 0)
    described = {"name": name, "label": label, "type": meaning.type, "samples": samples, "nulls": nulls}
    return described | ({"unit": meaning.unit} if meaning.unit else {})


@dataclass(slots=True)
class _Spool:
    """Rows on disk, twice: as they came, and as DuckDB casts them once the types are known."""

    path: Path
    columns: list[Column]
    limits: Limits
    rows: int = 0
    left_out: int = 0
    cut_rows: int = 0

    def fill(self, rows: Iterable[Row]) -> None:
        width = len(self.columns)
        most = max(1, min(self.limits.stored_rows, self.limits.stored_cells // width))
        encode = msgspec.json.Encoder().encode
        with self.path.open("wb") as file:
            for row in rows:
                cells = [_cell(cell) for cell in row[:width]]
                if not any(cell is not None for cell in cells):
                    continue
                if self.rows == most:
                    self.left_out += 1
                    continue
                self.cut_rows += any(_cell(cell) is not None for cell in row[width:])
                cells += [None] * (width - len(cells))
                for column, cell in zip(self.columns, cells, strict=True):
                    column.feed(cell)
                file.write(encode(cells))
                file.write(b"\n")
                self.rows += 1

    def settle(self, kept: list[int], decided: list[Decided], path: Path) -> hashlib._Hash:
        digest = hashlib.sha256()
        encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(list[str | None]).decode
        with self.path.open("rb") as source, path.open("wb") as target:
            for line in source:
                row = decode(line)
                settled = encode({"r": [d.canonical(row[at]) for at, d in zip(kept, decided, strict=True)]})
                digest.update(settled)
                target.write(settled)
                target.write(b"\n")
        return digest


def _cell(cell: str | None) -> str | None:
    if cell is None:
        return None
    text = cell.strip().replace("\x00", "")
    return None if text in NULLS else text[:_LONGEST_CELL]


@cache
def database() -> duckdb.DuckDBPyConnection:
    """The process's own, without a thread beside the caller's. First called before the sandbox's doors close: it looks at
    the machine's memory and processors, and breaks down where it can't."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "async_threads": 0,
        "memory_limit": _MEMORY,
        "temp_directory": "",
        "autoload_known_extensions": False,
    }
    return duckdb.connect(":memory:", config=settings)


def _to_parquet(rows: Path, parquet: Path, names: list[str], decided: list[Decided]) -> None:
    columns = ", ".join(
        f'CAST(r[{at}] AS {meaning.sql}) AS "{name}"'
        for at, (name, meaning) in enumerate(zip(names, decided, strict=True), 1)
    )
    # No value of a source's is in the text: names are made of word characters, paths are ours.
    source = (
        f"read_json('{rows}', format='newline_delimited', columns={{'r': 'VARCHAR[]'}}, maximum_object_size=67108864)"
    )
    try:
        database().execute(
            f"COPY (SELECT {columns} FROM {source}) TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608
        )
    except duckdb.Error as error:
        raise Unwritable(str(error).partition("\n")[0]) from error


def _append(parquet: Path, target: IO[bytes]) -> None:
    with parquet.open("rb") as file:
        while block := file.read(1 << 20):
            target.write(block)
    os.unlink(parquet)


def _headed(grid: Grid, limits: Limits) -> tuple[list[str], Iterator[Row]]:
    """(labels, the rows below them). What stands above a header, as a title does, is no row."""
    rows = iter(grid.rows)
    if grid.header is not None:
        return list(grid.header)[: limits.table_columns], rows
    peek = [[_cell(cell) for cell in row] for row in islice(rows, _PEEK)]
    peek = [row for row in peek if any(cell is not None for cell in row)]
    if not peek:
        return [], iter(())
    counts = Counter(sum(cell is not None for cell in row) for row in peek)
    usual = max(counts, key=lambda n: (counts[n], n))
    at = next((n for n, row in enumerate(peek[:_HEADER_WITHIN]) if _filled(row) >= math.ceil(usual * _FILLED_SHARE)), 0)
    width = min(limits.table_columns, max(len(_trimmed(row)) for row in peek[at:]))
    if _is_header(peek[at], peek[at + 1 :]):
        labels = [cell or "" for cell in peek[at][:width]]
        return labels + [""] * (width - len(labels)), chain(peek[at + 1 :], rows)
    return [f"Column {n}" for n in range(1, width + 1)], chain(peek[at:], rows)


def _filled(row: Row) -> int:
    return sum(cell is not None for cell in row)


def _trimmed(row: Row) -> Row:
    cells = list(row)
    while cells and cells[-1] is None:
        cells.pop()
    return cells


def _is_header(row: Row, below: list[list[str | None]]) -> bool:
    """Names, not values: nothing in it reads as a number or a date, but for years as in 2021 | 2022 | 2023."""
    values = [cell for cell in row if cell is not None and is_value(cell)]
    years = [cell for cell in values if cell.isdigit() and int(cell) in _YEARS]
    if len(years) != len(values):
        return False
    return not years or (len(set(years)) == len(years) and len(years) < max(_filled(row), 2) and bool(below))
