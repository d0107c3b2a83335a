"""What goes into a query and what comes out of it. Plain values, cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

MB = 1024 * 1024
Code = Literal["refused", "failed", "too_slow", "too_hungry"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may cost. ``seconds`` of the clock, from the start of its process; ``memory_bytes`` on top of what the
    process itself needs; ``result_bytes`` of its rows as JSON."""

    seconds: float = 15.0
    memory_bytes: int = 512 * MB
    rows: int = 1_000
    columns: int = 200
    cell_chars: int = 2_000
    result_bytes: int = 4 * MB
    sql_chars: int = 20_000


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """``type``: integer, decimal, boolean, date, timestamp or text."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Result:
    """``rows``: cells are None, bool, int, float or str; dates as ISO, numbers that JSON can't keep exactly as text.

    ``truncated``: there are more rows than the limit let through.
    """

    columns: tuple[ResultColumn, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Query:
    """``trusted``: written by us, so that only values may come from elsewhere, as ``params``."""

    sql: str
    params: tuple[Any, ...] = ()
    trusted: bool = False


class SqlError(Exception):
    """The query was refused, is wrong, or costs too much; the message says so to a person, and to a model that repairs it."""

    def __init__(self, message: str, code: Code = "failed") -> None:
        super().__init__(message)
        self.code: Code = code


class TablesUnavailable(Exception):
    """The query could not be run, through no fault of its own. Trying again may help."""


ONE_SELECT = "Only one SELECT statement can be run; it may begin with WITH."
ONLY_TABLES = "A query reads only the tables that were chosen: no files, no addresses, no settings, no system tables."
TOO_SLOW = "The query took longer than {:g} seconds and was ended. Narrow it down, or join on columns that match."
TOO_HUNGRY = "The query needs more memory than one may use. Narrow it down, or aggregate before joining."
