"""SQL that is written once: for the few statements that every answer waits for.

Django writes a query's SQL anew each time, which for a row with four others joined takes three times as long as the
database needs. Here that is done for the first call; later ones change only the parameters. What comes out are the same
model instances, and what goes in are the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

import psycopg
from django.db import connection
from django.db.models import AutoField, Model, QuerySet
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=Model)


class Prepared(Generic[M]):
    """``make`` builds the queryset from the arguments; ``samples`` are stand-ins for them, each to be found among its parameters.

    An argument has to reach the database as it is (an id, a text), and ``make`` may not decide anything by it. Lists among
    the parameters won't do.
    """

    def __init__(self, make: Callable[..., QuerySet[M]], *samples: Any) -> None:
        self._make, self._samples = make, samples
        self._written: tuple[str, list[Any], Any] | None = None

    def first(self, *arguments: Any) -> M | None:
        """The first row, or None. The queryset should not be sorted where one row is all there can be."""
        sql, parameters, compiler = self._written or self._write()
        given = dict(zip(self._samples, arguments, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(sql, [given.get(p, p) for p in parameters])
            row = cursor.fetchone()
        return None if row is None else self._model(compiler, row)

    def _write(self) -> tuple[str, list[Any], Any]:
        compiler = self._make(*self._samples)[:1].query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        for sample in self._samples:
            if sample not in parameters:
                raise ValueError(f"{sample!r} is not among the parameters of the query")
        self._written = sql, list(parameters), compiler
        return self._written

    def _model(self, compiler: Any, row: Sequence[Any]) -> M:
        converters = compiler.get_converters([column[0] for column in compiler.select])
        if converters:
            (row,) = compiler.apply_converters([row], converters)
        about = compiler.klass_info
        first, last = about["select_fields"][0], about["select_fields"][-1] + 1
        names = [column[0].target.attname for column in compiler.select[first:last]]
        found = about["model"].from_db(connection.alias, names, row[first:last])
        populators = get_related_populators(about, compiler.select, connection.alias)  # type: ignore[call-arg]  # 6.1's
        for populator in populators:
            populator.populate(row, found)
        for name, position in compiler.annotation_col_map.items():
            setattr(found, name, row[position])
        return found


def statement(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run one statement, its parameters ($1, $2 …) beside it rather than quoted into it; what it returns, if anything."""
    connection.ensure_connection()
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
