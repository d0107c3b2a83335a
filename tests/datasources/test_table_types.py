"""Which columns are numbers, dates or truth values, and which stay text because anything else would be a guess."""

from __future__ import annotations

import io

import pytest

from datasources.ingestion.cells import Column
from datasources.ingestion.handing import cell_text
from datasources.ingestion.naming import column_labels, column_names, table_names
from datasources.ingestion.results import Limits
from datasources.ingestion.tabulating import Grid, separated, write_tables


def read(*cells, european=False):
    column = Column(european=european)
    for cell in cells:
        column.feed(cell)
    meaning = column.decided()
    return meaning.type, [meaning.canonical(cell) for cell in cells], meaning.unit


@pytest.mark.parametrize(
    ("cells", "kind", "values", "unit"),
    [
        (("1", "-2", None), "integer", ["1", "-2", None], ""),
        (("1.5", "2"), "decimal", ["1.5", "2"], ""),
        (("1,234", "950"), "integer", ["1234", "950"], ""),
        (("1,234.5", "7"), "decimal", ["1234.5", "7"], ""),
        (("1,234,567", "2"), "integer", ["1234567", "2"], ""),
        (("1.234.567", "2"), "integer", ["1234567", "2"], ""),
        (("1.234,50", "12,5"), "decimal", ["1234.50", "12.5"], ""),
        (("1'234.5", "2"), "decimal", ["1234.5", "2"], ""),
        (("12.5%", "3 %"), "decimal", ["12.5", "3"], "%"),
        (("$1,200.00", "-$3.50", "($4.00)"), "decimal", ["1200.00", "-3.50", "-4.00"], "$"),
        (("12 €", "13,50 €"), "decimal", ["12", "13.50"], "€"),
        (("1e-5", "1.5"), "decimal", ["1e-5", "1.5"], ""),
        (("N/A", "3", "-"), "integer", [None, "3", None], ""),
        (("true", "FALSE"), "boolean", ["true", "false"], ""),
        (("yes", "no"), "boolean", ["true", "false"], ""),
        (("2024-01-02", "2024/01/03"), "date", ["2024-01-02", "2024-01-03"], ""),
        (("31.12.2024",), "date", ["2024-12-31"], ""),
        (("03/04/2024", "25/04/2024"), "date", ["2024-04-03", "2024-04-25"], ""),
        (("03/04/2024", "04/25/2024"), "date", ["2024-03-04", "2024-04-25"], ""),
        (("5 Mar 2024", "March 7, 2024"), "date", ["2024-03-05", "2024-03-07"], ""),
        (("1996-07-04 00:00:00.000",), "timestamp", ["1996-07-04 00:00:00.000"], ""),
        (("2024-01-02", "2024-01-02T9:30"), "timestamp", ["2024-01-02", "2024-01-02 09:30"], ""),
        (("2024-01-02T01:00:00+02:00", "2024-01-02T10:00:00Z"), "timestamp", ["2024-01-01 23:00:00", "2024-01-02 10:00:00"], "UTC"),
    ],
)  # fmt: skip
def test_what_can_be_read_in_one_way_is(cells, kind, values, unit):
    assert read(*cells) == (kind, values, unit)


@pytest.mark.parametrize(
    "cells",
    [
        ("007", "1"),  # codes
        ("1,234", "2,345"),  # thousands, or a little more than one and two
        ("1,234", "950", "1234"),
        ("1,234", "1.234"),
        ("€ 12", "$ 3"),
        ("12%", "0.12"),
        ("no", "no"),  # or Norway
        ("2024-01-02", "2024-02-30"),
        ("03/04/2024", "05/06/2024"),  # April or March?
        ("25/04/2024", "04/25/2024"),
        ("2024-01-02T10:00:00Z", "2024-01-02T10:00:00"),
        ("1E5", "2E6"),
        ("12345678901234567890",),
        ("+49 30 1234", "+49 30 99"),
        ("1 234", "5"),
        ("1", "two"),
        ("-", "-"),
        (None, None),
        ("12:30",),
        ("1-2-3",),
        ("0x1F",),
        ("٣", "٤"),
    ],
)
def test_what_would_be_a_guess_stays_text(cells):
    assert read(*cells) == ("text", list(cells), "")


def test_a_file_parted_by_semicolons_writes_numbers_its_own_way():
    assert read("1.234", "2.500", european=True)[0] == "text"
    assert read("1.234", "2.500")[0] == "decimal"
    assert read("1.234,0", "2.500", european=True) == ("decimal", ["1234.0", "2500"], "")


def test_names_are_safe_and_unique():
    labels = column_labels(["Name", "name", "", "  Two\nlines ", "order", "2019", "Größe (cm)", "名前", '"; DROP'])
    assert labels[:4] == ["Name", "name (2)", "Column 3", "Two lines"]
    names = column_names(labels)
    assert names == ["Name", "name_2", "Column_3", "Two_lines", "order_", "_2019", "Grosse_cm", "名前", "DROP"]
    assert column_names(["a b", "a-b", "A B", "…"]) == ["a_b", "a_b_2", "A_B_3", "column_4"]
    assert table_names(["order-details.csv", "Sheet1", "sheet1", "select"]) == [
        "order_details",
        "Sheet1",
        "sheet1_2",
        "select_",
    ]


def table_of(grid, **limits):
    target = io.BytesIO()
    found = write_tables([grid], Limits(**limits), target)
    return found[0] if found else None


def labels_of(text):
    table = table_of(separated(text))
    return [column["label"] for column in table.columns], table.rows


@pytest.mark.parametrize(
    ("text", "labels", "rows"),
    [
        ("a,b\n1,2\n", ["a", "b"], 1),
        ("Our sales,,\n,,\nDay,Price,Paid\n2024-01-01,1,yes\n2024-01-02,2,no\n", ["Day", "Price", "Paid"], 2),
        ("1,2\n3,4\n", ["Column 1", "Column 2"], 2),
        ("country,2021,2022\nFrance,1,2\nSpain,3,4\n", ["country", "2021", "2022"], 2),
        ("a,,a\n1,2,3\n", ["a", "Column 2", "a (2)"], 1),
        ("a;b\n1,5;2\n", ["a", "b"], 1),
        ("a\tb\n1\t2\n\n\n3\t4\n", ["a", "b"], 2),
        ("a,b\n1,2,3\n", ["a", "b", "Column 3"], 1),
    ],
)
def test_the_header_is_found(text, labels, rows):
    assert labels_of(text) == (labels, rows)


def test_a_file_without_rows_is_no_table():
    assert table_of(separated("a,b\n")) is None
    assert table_of(separated("\n\n")) is None
    assert table_of(Grid([], header=["a"])) is None


def test_limits_on_rows_and_columns_are_told():
    table = table_of(separated("a,b\n" + "1,2\n" * 30), stored_rows=10)
    assert (table.rows, table.left_out) == (10, 20)
    table = table_of(separated("a,b\n" + "1,2\n" * 30), stored_cells=10)
    assert (table.rows, table.left_out) == (5, 25)
    table = table_of(separated("a,b,c\n1,2,3\n"), table_columns=2)
    assert (len(table.columns), table.cut_rows) == (2, 1)


def test_the_same_rows_have_the_same_digest():
    one, same, other = (table_of(separated(text)).digest for text in ("a\n1\n", "a\n1\n", "a\n2\n"))
    assert one == same != other


def test_cells_of_connectors_become_texts_of_their_type():
    from datetime import UTC, date, datetime
    from decimal import Decimal

    given = [
        True,
        3,
        2.0,
        0.1,
        float("nan"),
        Decimal("1.50"),
        date(2024, 1, 2),
        datetime(2024, 1, 2, 3, tzinfo=UTC),
        "x",
        None,
    ]
    assert [cell_text(cell) for cell in given] == [
        *("true", "3", "2", "0.1", None, "1.50", "2024-01-02", "2024-01-02 03:00:00+00:00", "x", None)
    ]
