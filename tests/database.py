"""The tests' own PostgreSQL: nothing in it has to outlive a power cut, and what a test committed goes without a flush of everything.

Django's flush truncates all tables, each with its indexes in new files, and makes content types and permissions anew: a third
of a second after each test with ``transaction=True``. Most of them fill some ten tables.
"""

from __future__ import annotations

import psycopg
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.test import TransactionTestCase

# What every database has after its migrations, and also after a flush.
_ALWAYS = {ContentType._meta.db_table, Permission._meta.db_table}
_flush = TransactionTestCase._fixture_teardown


def forget_power_cuts() -> None:
    """Of the embedded database alone; one that DATABASE_URL names is somebody's."""
    if settings.DATABASE_URL:
        return
    with psycopg.connect(host=str(settings.SOCKETS_DIR), user="postgres", dbname="postgres", autocommit=True) as server:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            server.execute(f"alter system set {name} = off")
        server.execute("select pg_reload_conf()")


def empty_quickly() -> None:
    """From here on."""
    TransactionTestCase._fixture_teardown = _teardown  # type: ignore[method-assign]


def _teardown(self: TransactionTestCase) -> None:
    if self.available_apps is not None or self.serialized_rollback:
        _flush(self)
        return
    for alias in self._databases_names(include_mirrors=False):
        _empty(alias)


def _empty(alias: str) -> None:
    connection = connections[alias]
    quoted = connection.ops.quote_name
    tables = [name for name in connection.introspection.django_table_names() if name not in _ALWAYS]
    asked = " union all ".join(f"select '{name}' where exists (select from {quoted(name)})" for name in tables)
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        # As a flush does: whoever still writes is waited for. What they wrote goes, too.
        cursor.execute(f"lock table {', '.join(map(quoted, tables))} in access exclusive mode")
        # Everything goes, so that references need no order, nor a look.
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(asked)
        for (name,) in cursor.fetchall():
            cursor.execute(f"delete from {quoted(name)}")
