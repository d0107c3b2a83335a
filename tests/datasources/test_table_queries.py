"""SQL over given tables: what it gives, what it is refused, and what it may cost."""

from __future__ import annotations

import os
import re
import threading
import time

import psutil
import pytest

from datasources.querying import process
from datasources.querying.values import Limits, Query, SqlError, TablesUnavailable
from datasources.tables import MOST_TABLES, named, rows_of, run_sql
from tests import factories
from tests.datasources.hostile import BOMBS, ENDLESS, REFUSED
from tests.datasources.tabled import CUSTOMERS, ORDERS, give_table

SMALL = Limits(seconds=4.0, memory_bytes=256 * 1024 * 1024, rows=100)


@pytest.fixture(autouse=True)
def _storage(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}}


@pytest.fixture
def orders(cast):
    return give_table(factories.node(factories.source(cast.workspace), "orders.csv", text="x"), ORDERS)


@pytest.fixture
def customers(cast):
    return give_table(factories.node(factories.source(cast.workspace), "customers.csv", text="x"), CUSTOMERS)


@pytest.mark.django_db
def test_tables_are_joined(orders, customers):
    sql = "SELECT country, sum(Amount) AS total FROM orders JOIN customers USING (customer) GROUP BY 1 ORDER BY 2 DESC;"
    result = run_sql([orders, customers], sql)
    assert [(column.name, column.type) for column in result.columns] == [("country", "text"), ("total", "decimal")]
    assert result.rows == (("Germany", 19.75), ("France", 3.0))
    assert not result.truncated


@pytest.mark.django_db
def test_cells_come_as_json_keeps_them(orders):
    sql = (
        "SELECT DATE '2024-02-29' d, TIMESTAMP '2024-02-29 10:00:00' t, 123456789012345678901 h, 0.1::DOUBLE f, "
        "1.10::DECIMAL(9,2) m, 'nan'::DOUBLE n, NULL u, true b, [1, 2] l, 12345678901234567.89::DECIMAL(38,2) w"
    )
    row = run_sql([orders], sql).rows[0]
    assert row == (
        *("2024-02-29", "2024-02-29 10:00:00", "123456789012345678901", 0.1, 1.1, "nan", None, True),
        *("[1, 2]", "12345678901234567.89"),
    )


@pytest.mark.django_db
@pytest.mark.parametrize("sql", REFUSED)
def test_a_hostile_statement_is_refused(orders, sql):
    with pytest.raises(SqlError) as refused:
        run_sql([orders], sql, SMALL)
    assert refused.value.code in ("refused", "failed")
    assert "root:" not in str(refused.value)
    assert str(refused.value)[0].isupper()
    assert not [name for name in os.listdir("/tmp") if name.startswith("stolen")]


@pytest.mark.django_db
@pytest.mark.parametrize("sql", BOMBS)
def test_a_bomb_is_bounded_in_time_and_memory(orders, sql):
    begun = time.monotonic()
    most = _most_memory()
    with pytest.raises(SqlError) as refused:
        run_sql([orders], sql, SMALL)
    assert refused.value.code in ("too_slow", "too_hungry", "failed")
    assert time.monotonic() - begun < SMALL.seconds + 3
    assert most() < 700 * 1024 * 1024


@pytest.mark.django_db
@pytest.mark.parametrize("sql", ENDLESS)
def test_a_result_without_end_comes_as_its_first_rows(orders, sql):
    result = run_sql([orders], sql, SMALL)
    assert (len(result.rows), result.truncated) == (100, True)


@pytest.mark.django_db
def test_the_lock_holds_without_the_check(orders):
    """What the check refuses early, the locked configuration and the sandbox refuse as well."""
    statements = [
        *("SELECT * FROM read_text('/etc/passwd')", "COPY t TO '/tmp/stolen.csv'", "INSTALL httpfs", "LOAD httpfs"),
        *(
            "SET threads = 8",
            "SET enable_external_access = true",
            "ATTACH '/tmp/stolen.db'",
            "SELECT * FROM glob('/*')",
        ),
        *("EXPORT DATABASE '/tmp/stolen'", "SELECT * FROM read_csv('http://127.0.0.1:9/x')"),
    ]
    for sql in statements:
        with pytest.raises(SqlError):
            _run_trusted(orders, sql)


def _run_trusted(table, sql):
    from django.core.files.storage import default_storage

    with default_storage.open(table.stored) as file:
        process.run({"t": file}, [Query(sql, trusted=True)], SMALL)


def _most_memory():
    """The most that any child of this process has resident, sampled until it is asked for."""
    seen, stop = [0], threading.Event()

    def watch():
        while not stop.wait(0.02):
            for child in psutil.Process().children(recursive=True):
                try:
                    if any("datasources.querying.child" in part for part in child.cmdline()):
                        seen[0] = max(seen[0], child.memory_info().rss)
                except psutil.Error:
                    continue

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()

    def ask():
        stop.set()
        thread.join()
        return seen[0]

    return ask


@pytest.mark.django_db
def test_no_process_and_no_file_is_left(orders, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = len(psutil.Process().children())
    run_sql([orders], "SELECT 1 AS x")
    with pytest.raises(SqlError):
        run_sql([orders], BOMBS[0], Limits(seconds=0.7))
    assert len(psutil.Process().children()) == before
    assert not [name for name in os.listdir(tmp_path) if name.startswith("atrium-sql-")]


@pytest.mark.django_db
def test_a_wrong_query_says_what_is_wrong(orders):
    with pytest.raises(SqlError, match=r'column "price" not found.*Candidate bindings') as wrong:
        run_sql([orders], "SELECT price FROM orders")
    assert "LINE 1" not in str(wrong.value)
    with pytest.raises(SqlError, match="There is no table “order” here. The tables are: orders."):
        run_sql([orders], 'SELECT * FROM "order"')
    with pytest.raises(SqlError, match="This is not valid SQL"):
        run_sql([orders], "SELECT FROM WHERE")


@pytest.mark.django_db
def test_a_missing_file_is_no_fault_of_the_query(orders):
    orders.stored = "nowhere.parquet"
    with pytest.raises(TablesUnavailable, match="was replaced or removed"):
        run_sql([orders], "SELECT 1 AS x FROM orders")


@pytest.mark.django_db
def test_too_many_or_too_long_is_refused(orders):
    with pytest.raises(SqlError, match=f"at most {MOST_TABLES}"):
        run_sql({f"t{n}": orders for n in range(MOST_TABLES + 1)}, "SELECT 1")
    with pytest.raises(SqlError, match="20,000 characters"):
        run_sql([orders], "SELECT " + "1+" * 15_000 + "1")
    with pytest.raises(SqlError, match=r"nested|depth"):
        run_sql([orders], "SELECT " + "(" * 900 + "1" + ")" * 900)


@pytest.mark.django_db
def test_tables_with_one_name_are_told_apart(orders, cast):
    other = give_table(factories.node(factories.source(cast.workspace), "Orders.CSV", text="x"), CUSTOMERS)
    names = named([orders, other])
    assert list(names) == ["orders", "Orders_2"]
    assert run_sql(names, "SELECT count(*) AS n FROM Orders_2").rows == ((2,),)


@pytest.mark.django_db
def test_rows_are_sorted_filtered_and_paged(cast):
    text = "n,word\n" + "".join(f"{n},{'even' if n % 2 == 0 else 'Odd%_'}\n" for n in range(1, 251))
    table = give_table(factories.node(factories.source(cast.workspace), "many.csv", text="x"), text)
    first = rows_of(table)
    assert (len(first.result.rows), first.total, first.pages) == (100, 250, 3)
    assert first.result.rows[0] == (1, "Odd%_")
    assert rows_of(table, sort="n", descending=True).result.rows[0] == (250, "even")
    assert rows_of(table, page=3).result.rows[-1] == (250, "even")
    assert rows_of(table, text="odd%_").total == 125
    assert rows_of(table, column="n", text="25").total == len([n for n in range(1, 251) if "25" in str(n)])
    assert rows_of(table, text="' OR 1=1 --").total == 0
    assert rows_of(table, sort='n"; DROP TABLE t; --').total == 250


@pytest.mark.django_db
def test_a_query_that_waits_too_long_for_its_turn_is_told(orders, monkeypatch):
    monkeypatch.setattr(process, "_turns", threading.BoundedSemaphore(1))
    monkeypatch.setattr(process, "PATIENCE", 0.05)
    process._turns.acquire()
    with pytest.raises(TablesUnavailable, match="Many queries"):
        run_sql([orders], "SELECT 1 AS x")


def test_there_are_hostile_statements_enough():
    assert len(REFUSED) >= 20
    assert all(re.search(r"\w|^$|--", sql) for sql in REFUSED)
