"""Files with rows, and rows of connectors, become tables: typed, replaced as one, gone with their document."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.files.storage import default_storage

from datasources.connectors.base import Content, TableData
from datasources.models import Document, Node, RunItem, Table
from datasources.syncing.tabling import FOLDER
from datasources.tables import run_sql
from tests.datasources.syncing import synced
from tests.datasources.tabled import CUSTOMERS, ORDERS, ods, serve, table_of, types_of, xlsx


@pytest.fixture(autouse=True)
def _storage(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}}


def stored_of(source):
    folder = f"{source.workspace_id}/{source.pk}/{FOLDER}"
    return set(default_storage.listdir(folder)[1]) if default_storage.exists(folder) else set()


@pytest.mark.django_db(transaction=True)
def test_a_csv_becomes_a_typed_table(source, place):
    serve(place, {"orders.csv": ORDERS})
    assert synced(source).state == "done"
    table = table_of("orders.csv")
    assert types_of(table) == {"order_id": "integer", "customer": "text", "Amount": "decimal", "ordered": "date"}
    assert table.rows == 3
    assert table.columns[0]["label"] == "order id"
    assert table.columns[1]["samples"] == ["ALFKI", "BONAP"]
    found = run_sql([table], "SELECT customer, sum(Amount) AS total FROM orders GROUP BY 1 ORDER BY 1")
    assert found.rows == (("ALFKI", 19.75), ("BONAP", 3.0))


@pytest.mark.django_db(transaction=True)
def test_the_document_says_what_the_table_holds(source, place):
    serve(place, {"orders.csv": ORDERS})
    synced(source)
    text = Document.objects.get().text
    assert text.startswith(
        "Table “orders” with 3 rows. Its columns: order id (integer, such as 1, 2, 3); customer (text,"
    )
    assert "| 2 | BONAP | 3.00 | 2024-01-03 |" in text


@pytest.mark.django_db(transaction=True)
def test_every_sheet_of_a_workbook_is_a_table(source, place):
    book = xlsx(
        {
            "Sales": [
                ["Our sales"],
                [],
                ["Day", "Share", "Price", "Paid"],
                [(45322, 0), (0.125, 1), (3.5, 2), True],
                [(45323, 0), (0.5, 1), (12, 2), False],
            ],
            "Empty": [],
            "People": [["Name", "Name", None], ["Ann", "Lee", 3], ["Bo", "Ray", 4]],
        },
        ["yyyy\\-mm\\-dd", "0.0%", "&quot;$&quot;#,##0.00"],
    )
    serve(place, {"book.xlsx": book})
    assert synced(source).state == "done"
    sales, people = table_of("book.xlsx", "Sales"), table_of("book.xlsx", "People")
    assert types_of(sales) == {"Day": "date", "Share": "decimal", "Price": "decimal", "Paid": "boolean"}
    assert [column.get("unit", "") for column in sales.columns] == ["", "%", "$", ""]
    assert run_sql([sales], "SELECT * FROM Sales").rows[0] == ("2024-01-31", 12.5, 3.5, True)
    assert [column["label"] for column in people.columns] == ["Name", "Name (2)", "Column 3"]
    assert run_sql([people], "SELECT Name_2 FROM People WHERE Column_3 = 4").rows == (("Ray",),)


@pytest.mark.django_db(transaction=True)
def test_an_opendocument_sheet_is_a_table(source, place):
    sheet = ods(
        {
            "Costs": [
                ["Item", "Cost", "Due"],
                ["Desk", 120.5, ("date", "2024-03-01")],
                ["Pen", 2, ("date", "2024-04-01")],
            ]
        }
    )
    serve(place, {"costs.ods": sheet})
    assert synced(source).state == "done"
    table = table_of("costs.ods")
    assert types_of(table) == {"Item": "text", "Cost": "decimal", "Due": "date"}
    assert table.rows == 2


@pytest.mark.django_db(transaction=True)
def test_tables_of_a_connector_come_in_beside_its_text(source, place):
    rows = [("Write", date(2024, 5, 1), True, 1.5), ("Ship", None, False, 2)]
    tables = (TableData(("Task", "Due", "Done", "Days"), rows, "Tasks"), TableData(("a",), [], "Nothing"))
    serve(place, {"Plan": Content(markdown="# Plan\n\nOurs.", tables=tables)})
    synced(source)
    table = table_of("Plan", "Tasks") if Table.objects.filter(label="Tasks").exists() else table_of("Plan")
    assert types_of(table) == {"Task": "text", "Due": "date", "Done": "boolean", "Days": "decimal"}
    assert table.columns[1]["nulls"] == 1
    assert Table.objects.count() == 1
    assert "# Plan" in Document.objects.get().text


@pytest.mark.django_db(transaction=True)
def test_a_changed_file_replaces_its_table_and_its_bytes(source, place):
    serve(place, {"orders.csv": ORDERS})
    synced(source)
    before, old = table_of("orders.csv"), stored_of(source)
    serve(place, {"orders.csv": ORDERS + "4,BONAP,1.00,2024-03-01\n"})
    synced(source)
    after = table_of("orders.csv")
    assert (after.pk, after.rows) == (before.pk, 4)
    assert len(stored_of(source)) == 1
    assert stored_of(source) != old


@pytest.mark.django_db(transaction=True)
def test_a_row_beyond_the_text_still_replaces_the_table(source, place):
    many = "n,word\n" + "".join(f"{n},w{n % 7}\n" for n in range(5200))
    serve(place, {"many.csv": many})
    synced(source)
    text = Document.objects.get().text
    serve(place, {"many.csv": many.replace("5199,w5", "5199,changed")})
    run = synced(source)
    assert run.unchanged == 1
    assert Document.objects.get().text == text
    found = run_sql([table_of("many.csv")], "SELECT word FROM many WHERE n = 5199")
    assert found.rows == (("changed",),)


@pytest.mark.django_db(transaction=True)
def test_an_unchanged_table_is_left_alone(source, place):
    serve(place, {"orders.csv": ORDERS})
    synced(source)
    before = table_of("orders.csv").updated
    Node.objects.update(version="", fetched_version="")
    synced(source)
    assert table_of("orders.csv").updated == before


@pytest.mark.django_db(transaction=True)
def test_a_table_that_became_a_text_is_gone(source, place):
    serve(place, {"orders.csv": Content(data=ORDERS.encode(), filename="orders.csv")})
    synced(source)
    serve(place, {"orders.csv": Content(markdown="No rows any more.")})
    synced(source)
    assert Table.objects.count() == 0
    assert stored_of(source) == set()


@pytest.mark.django_db(transaction=True)
def test_a_removed_file_takes_its_table_along(source, place):
    serve(place, {"orders.csv": ORDERS, "customers.csv": CUSTOMERS})
    synced(source)
    assert len(stored_of(source)) == 2
    serve(place, {"customers.csv": CUSTOMERS})
    synced(source)
    assert [table.node.title for table in Table.objects.select_related("node")] == ["customers.csv"]
    assert len(stored_of(source)) == 1


@pytest.mark.django_db(transaction=True)
def test_rows_past_the_limit_are_told(source, place, monkeypatch):
    from dataclasses import replace

    from datasources.ingestion.extract import Extractor
    from datasources.ingestion.results import Limits
    from datasources.syncing import reading

    small = Extractor(replace(Limits(), stored_rows=2))
    monkeypatch.setattr(reading, "extractor", lambda: small)
    serve(place, {"orders.csv": ORDERS})
    synced(source)
    small.close()
    table = table_of("orders.csv")
    assert (table.rows, table.left_out) == (2, 1)
    assert "SQL reads the first 2 rows; 1 more were left out" in RunItem.objects.get().reason


@pytest.mark.django_db(transaction=True)
def test_a_damaged_workbook_fails_alone(source, place):
    serve(place, {"broken.xlsx": b"PK\x03\x04 not a zip", "orders.csv": ORDERS})
    run = synced(source)
    assert (run.state, run.indexed) == ("partial", 1)
    assert [table.node.title for table in Table.objects.select_related("node")] == ["orders.csv"]


@pytest.mark.django_db(transaction=True)
def test_hostile_names_stay_names(source, place):
    header = '"a"" FROM x; DROP TABLE y --","../../etc","<script>alert(1)</script>","select"\n'
    serve(place, {"x'; DROP TABLE t.csv": header + "1,2,3,4\n"})
    assert synced(source).state == "done"
    table = Table.objects.select_related("node").get()
    assert [column["name"] for column in table.columns] == [
        "a_FROM_x_DROP_TABLE_y",
        "etc",
        "script_alert_1_script",
        "select_",
    ]
    assert run_sql([table], "SELECT select_ FROM x_DROP_TABLE_t").rows == ((4,),)
