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
from typing import Any, Generic, TypeVar

import psycopg
from django.db import connection
from django.db.models import AutoField, Model, QuerySet
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=Model)
_PLACE = re.compile(r"%[s%]")


@dataclass(frozen=True, slots=True)
class _Written:
    """A query as the database gets it, and how its rows become models: ``own`` are the columns of the model itself."""

    sql: str
    parameters: list[Any]
    compiler: Any
    converters: Any
    own: slice
    names: list[str]
    populators: Sequence[Any]


class Prepared(Generic[M]):
    """``make`` builds the queryset from the arguments; ``samples`` are stand-ins for them, each to be found among its parameters.

    An argument has to reach the database as it is (an id, a text), and ``make`` may not decide anything by it. Lists among
    the parameters won't do.
    """

    def __init__(self, make: Callable[..., QuerySet[M]], *samples: Any) -> None:
        self._make, self._samples = make, samples
        self._written: _Written | None = None

    def first(self, *arguments: Any) -> M | None:
        """The first row, or None. The queryset should not be sorted where one row is all there can be."""
        written = self._written or self._write()
        given = dict(zip(self._samples, arguments, strict=True))
        rows = statement(written.sql, [given.get(p, p) for p in written.parameters])
        return self._model(written, rows[0]) if rows else None

    def _write(self) -> _Written:
        compiler = self._make(*self._samples)[:1].query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        for sample in self._samples:
            if sample not in parameters:
                raise ValueError(f"{sample!r} is not among the parameters of the query")
        numbers = iter(range(1, len(parameters) + 1))
        sql = _PLACE.sub(lambda place: "%" if place[0] == "%%" else f"${next(numbers)}", sql)
        about, select = compiler.klass_info, compiler.select
        first, last = about["select_fields"][0], about["select_fields"][-1] + 1
        self._written = _Written(
            sql,
            list(parameters),
            compiler,
            compiler.get_converters([column[0] for column in select]),
            slice(first, last),
            [column[0].target.attname for column in select[first:last]],
            get_related_populators(about, select, connection.alias),  # type: ignore[call-arg]  # 6.1's
        )
        return self._written

    def _model(self, written: _Written, row: Sequence[Any]) -> M:
        compiler = written.compiler
        if written.converters:
            (row,) = compiler.apply_converters([row], written.converters)
        found = compiler.klass_info["model"].from_db(connection.alias, written.names, row[written.own])
        for populator in written.populators:
            populator.populate(row, found)
        for name, position in compiler.annotation_col_map.items():
            setattr(found, name, row[position])
        return found


def statement(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run one statement, its parameters ($1, $2 …) beside it rather than quoted into it; what it returns, if anything."""
    connection.ensure_connection()
    if connection.queries_logged:  # whoever counts queries counts these, too
        connection.queries_log.append({"sql": sql, "time": ""})
    with psycopg.RawCursor(connection.connection) as cursor, connection.wrap_database_errors:
        cursor.execute(sql.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


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
