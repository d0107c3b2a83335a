"""SQL that is written once: for the few statements that every answer waits for.

Django writes a query's SQL anew each time, which for a row with four others joined takes three times as long as the
database needs. Here that is done for the first call; later ones change only the parameters. What comes out are the same
model instances, and what goes in are the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, Generic, TypeVar

import psycopg
from django.db import connection
from django.db.models import AutoField, Model, QuerySet
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=Model)
N = TypeVar("N", bound=Model)
S = TypeVar("S", bound=Model)
_PLACE = re.compile(r"%[s%]")


@dataclass(frozen=True, slots=True)
class _Written:
    """A query as Django writes it, and how its rows, of ``width`` columns, become models: ``own`` are those of the model itself,
    and ``key`` is its primary key's."""

    sql: str
    parameters: list[Any]
    compiler: Any
    converters: Any
    own: slice
    names: list[str]
    populators: Sequence[Any]
    width: int
    key: int


class Prepared(Generic[M]):
    """``make`` builds the queryset from the arguments; ``samples`` are stand-ins for them, each to be found among its parameters.

    An argument has to reach the database as it is (an id, a text), and ``make`` may not decide anything by it. Lists among
    the parameters won't do.
    """

    def __init__(self, make: Callable[..., QuerySet[M]], *samples: Any, first: bool = True) -> None:
        """``first``: only the first row is ever wanted."""
        self._make, self._samples, self._first = make, samples, first
        self._written: _Written | None = None

    def first(self, *arguments: Any) -> M | None:
        """The first row, or None. The queryset should not be sorted where one row is all there can be."""
        rows = self._rows(arguments)
        return self.model(rows[0]) if rows else None

    def all(self, *arguments: Any) -> list[M]:
        return [self.model(row) for row in self._rows(arguments)]

    def _rows(self, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        return statement(_numbered(self.written().sql), self.parameters(arguments))

    def parameters(self, arguments: Sequence[Any]) -> list[Any]:
        given = dict(zip(self._samples, arguments, strict=True))
        return [given.get(p, p) for p in self.written().parameters]

    def written(self) -> _Written:
        return self._written or self._write()

    def _write(self) -> _Written:
        rows = self._make(*self._samples)
        compiler = (rows[:1] if self._first else rows).query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        for sample in self._samples:
            if sample not in parameters:
                raise ValueError(f"{sample!r} is not among the parameters of the query")
        about, select = compiler.klass_info, compiler.select
        first, last = about["select_fields"][0], about["select_fields"][-1] + 1
        names = [column[0].target.attname for column in select[first:last]]
        self._written = _Written(
            sql,
            list(parameters),
            compiler,
            compiler.get_converters([column[0] for column in select]),
            slice(first, last),
            names,
            get_related_populators(about, select, connection.alias),  # type: ignore[call-arg]  # 6.1's
            len(select),
            first + names.index(about["model"]._meta.pk.attname),
        )
        return self._written

    def model(self, row: Sequence[Any]) -> M:
        """What is selected, as the instance that Django would make of it."""
        written = self.written()
        compiler = written.compiler
        if written.converters:
            (row,) = compiler.apply_converters([row], written.converters)
        found = compiler.klass_info["model"].from_db(connection.alias, written.names, row[written.own])
        for populator in written.populators:
            populator.populate(row, found)
        for name, position in compiler.annotation_col_map.items():
            setattr(found, name, row[position])
        return found


class Pair(Generic[M, N]):
    """The first rows of two, which have nothing to do with each other, in one statement: one trip to the database."""

    def __init__(self, left: Prepared[M], right: Prepared[N]) -> None:
        self._left, self._right = left, right
        self._sql = ""

    def first(self, left: Sequence[Any], right: Sequence[Any]) -> tuple[M | None, N | None]:
        """The arguments of each; None for a side without a row."""
        if not self._sql:
            sides = " ".join(self._side(name, one.written()) for name, one in (("l", self._left), ("r", self._right)))
            self._sql = _numbered(f"SELECT l.*, r.* FROM (SELECT 1) AS one {sides}")  # noqa: S608  statements of ours
        (row,) = statement(self._sql, [*self._left.parameters(left), *self._right.parameters(right)])
        at = self._left.written().width
        return self._made(self._left, row[:at]), self._made(self._right, row[at:])

    @staticmethod
    def _side(name: str, written: _Written) -> str:
        columns = ", ".join(f"{name}{n}" for n in range(written.width))
        return f"LEFT JOIN ({written.sql}) AS {name} ({columns}) ON TRUE"

    @staticmethod
    def _made(one: Prepared[S], row: Sequence[Any]) -> S | None:
        return None if row[one.written().key] is None else one.model(row)


@lru_cache(maxsize=256)
def _numbered(sql: str) -> str:
    """Its places as the database itself counts them: $1, $2 …"""
    numbers = count(1)
    return _PLACE.sub(lambda place: "%" if place[0] == "%%" else f"${next(numbers)}", sql)


def statement(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run one statement, its parameters ($1, $2 …) beside it rather than quoted into it; what it returns, if anything."""
    connection.ensure_connection()
    if connection.queries_logged:  # whoever counts queries counts these, too
        connection.queries_log.append({"sql": sql, "time": ""})
    with psycopg.RawCursor(connection.connection) as cursor, connection.wrap_database_errors:
        cursor.execute(sql.encode(), parameters)
        # Asked so, because a cursor's description is an object for each column.
        return cursor.fetchall() if cursor.pgresult is not None and cursor.pgresult.nfields else []


def insert(rows: Iterable[Model]) -> None:
    """New rows of one model in one statement, as ``bulk_create`` writes them; keys that the database makes are not read back."""
    rows = list(rows)
    if not rows:
        return
    fields, sql = _insertion(type(rows[0]), len(rows))
    statement(sql, [f.get_db_prep_save(f.pre_save(row, True), connection) for row in rows for f in fields])
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


@lru_cache(maxsize=256)
def _insertion(model: type[Model], rows: int) -> tuple[list[Any], str]:
    fields = [f for f in model._meta.local_concrete_fields if not isinstance(f, AutoField)]
    number, quote = len(fields), connection.ops.quote_name
    places = ", ".join(
        f"({', '.join(f'${first + n}' for n in range(1, number + 1))})" for first in range(0, rows * number, number)
    )
    columns = ", ".join(quote(str(f.column)) for f in fields)
    return fields, f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES {places}"  # noqa: S608  names of ours
