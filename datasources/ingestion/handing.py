"""Tables of a connector on their way to the reading child: every cell as text, a line of JSON a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import IO, Any, Protocol

import msgspec

from datasources.ingestion.workbook import number_text

MOST_ROWS = 1_000_000
"""Of one table; a connector that gives more without end is cut off."""


class Rows(Protocol):
    """What ``connectors.base.TableData`` is."""

    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def rows(self) -> Iterable[Sequence[Any]]: ...
    @property
    def name(self) -> str: ...


def hand_over(tables: Iterable[Rows], file: IO[bytes]) -> None:
    """A head for each table, then its rows, for ``tabulating.handed_over``. Leaves ``file`` at its beginning."""
    encode = msgspec.json.Encoder().encode
    for table in tables:
        file.write(encode({"name": table.name, "columns": list(table.columns)}) + b"\n")
        for row in islice(table.rows, MOST_ROWS):
            file.write(encode([cell_text(cell) for cell in row]) + b"\n")
        file.write(b"null\n")
    file.flush()
    file.seek(0)


def cell_text(cell: Any) -> str | None:
    """One value as the text that its type is read from again."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return number_text(cell) if cell == cell and abs(cell) != float("inf") else None
    if isinstance(cell, Decimal):
        return f"{cell:f}" if cell.is_finite() else None
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell).encode("utf-8", "replace").decode()
