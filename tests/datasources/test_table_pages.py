"""Tables in the portal and through the API: list, rows, SQL, downloads; a 404 for what one may not read."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from assistants import lifecycle
from datasources.models import Table
from tests import factories
from tests.callers import Caller
from tests.datasources.tabled import CUSTOMERS, ORDERS, give_table

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _storage(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}}


@pytest.fixture
def orders(cast):
    source = factories.source(cast.workspace, name="Shop")
    give_table(factories.node(source, "customers.csv", text="x"), CUSTOMERS)
    return give_table(factories.node(source, "orders.csv", text="x"), ORDERS)


@pytest.fixture
def salaries(cast):
    space = factories.space(cast.workspace, cast.builder, name="Leadership")
    source = factories.source(cast.workspace, name="Board", grant_to=space)
    return give_table(factories.node(source, "salaries.csv", text="x"), "name,salary\nAnn,90000\n")


def visit(membership, name, *args, data=None, htmx=False, method="get", **query):
    client = Client()
    client.force_login(membership.user)
    address = reverse(name, args=[membership.workspace.slug, *args])
    headers = {"HX-Request": "true"} if htmx else {}
    return getattr(client, method)(address, data if data is not None else query, headers=headers)


def test_the_list_shows_what_one_may_read_and_searches(cast, orders, salaries):
    page = visit(cast.member, "tables").content.decode()
    assert "orders" in page
    assert "salaries" not in page
    assert "salaries" in visit(cast.builder, "tables").content.decode()
    found = visit(cast.member, "tables", q="country", htmx=True).content.decode()
    assert "customers" in found
    assert "order id" not in found
    assert "No table is called that" in visit(cast.member, "tables", q="zebra").content.decode()


def test_an_empty_list_says_what_to_do(cast):
    assert "No tables that you may read yet" in visit(cast.member, "tables").content.decode()


def test_a_table_shows_columns_rows_and_who_asks_it(cast, orders):
    entry = {"data_source": str(orders.node.source_id), "parents_in": None, "parents_not_in": []}
    lifecycle.create_assistant(
        workspace=cast.workspace, by=cast.member.user, handle="shop-keeper", name="Shop keeper", knowledge=[entry]
    )
    page = visit(cast.member, "table", orders.pk).content.decode()
    assert "order id" in page
    assert "<code>order_id</code>" in page
    assert "2024-02-01" in page
    assert "Shop keeper" in page
    sorted_down = visit(cast.member, "table", orders.pk, sort="Amount", dir="desc", htmx=True).content.decode()
    assert sorted_down.index("12.5") < sorted_down.index("7.25") < sorted_down.index(">3.0<")
    # The filter stands outside of what is exchanged, and goes on from the order that is shown.
    assert '<input type="hidden" name="sort" value="Amount" form="row-search">' in sorted_down
    assert '<input type="hidden" name="dir" value="desc" form="row-search">' in sorted_down
    assert "No row contains that" in visit(cast.member, "table", orders.pk, q="zebra").content.decode()


def test_what_one_may_not_read_is_not_there(cast, orders, salaries):
    for name in ("table", "table_csv"):
        assert visit(cast.member, name, salaries.pk).status_code == 404
        assert visit(cast.outsider, name, orders.pk).status_code == 404
    assert visit(cast.builder, "table", salaries.pk).status_code == 200
    ran = visit(
        cast.member, "tables_query", method="post", data={"table": [salaries.pk], "sql": "SELECT * FROM salaries"}
    )
    assert ran.status_code == 422
    assert "90000" not in ran.content.decode()


def test_sql_joins_chosen_tables(cast, orders):
    other = orders.node.source.nodes.get(title="customers.csv").tables.get()
    form = visit(cast.member, "tables_query", table=str(orders.pk)).content.decode()
    assert "FROM orders" in form
    assert f"{orders.node.source} · {orders.rows} rows" in form
    sql = "SELECT country, sum(Amount) AS total FROM orders JOIN customers USING (customer) GROUP BY 1 ORDER BY 1"
    ran = visit(
        cast.member, "tables_query", method="post", data={"table": [orders.pk, other.pk], "sql": sql}, htmx=True
    )
    assert ran.status_code == 200
    assert "Germany" in ran.content.decode()
    assert "19.75" in ran.content.decode()
    wrong = visit(cast.member, "tables_query", method="post", data={"table": [orders.pk], "sql": sql}, htmx=True)
    assert wrong.status_code == 422
    assert "There is no table “customers” here" in wrong.content.decode()


def test_a_download_escapes_formulas(cast):
    source = factories.source(cast.workspace)
    table = give_table(factories.node(source, "x.csv", text="x"), 'name,n\n"=HYPERLINK(""http://x"")",-5\n@cmd,3\n')
    got = visit(cast.member, "table_csv", table.pk)
    assert got["Content-Disposition"] == 'attachment; filename="x.csv"'
    lines = got.content.decode("utf-8-sig").splitlines()
    assert lines == ["name,n", '"\'=HYPERLINK(""http://x"")",-5', "'@cmd,3"]
    sql = visit(
        cast.member,
        "tables_query",
        method="post",
        data={"table": [table.pk], "sql": "SELECT * FROM x", "format": "csv"},
    )
    assert sql.content.decode("utf-8-sig").splitlines() == lines


def test_cells_of_a_source_are_never_html(cast):
    source = factories.source(cast.workspace)
    table = give_table(
        factories.node(source, "x.csv", text="x"), '"<b>head</b>",n\n"<script>alert(1)</script>",1\n"<img src=x>",2\n'
    )
    page = visit(cast.member, "table", table.pk).content.decode()
    assert "<script>alert" not in page
    assert "<b>head" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_api_lists_shows_pages_and_queries(cast, orders, salaries):
    call = Caller(cast.member)
    listed = call.get("tables/").json()["results"]
    assert [row["title"] for row in listed] == ["customers", "orders"]
    one = call.get(f"tables/{orders.pk}/").json()
    assert (one["name"], one["rows"], one["columns"][0]["type"]) == ("orders", 3, "integer")
    rows = call.get(f"tables/{orders.pk}/rows/", sort="-Amount", q="alf").json()
    assert (rows["total"], rows["rows"][0][2]) == (2, 12.5)
    assert call.get(f"tables/{orders.pk}/rows/", sort="nope").status_code == 400
    asked = {"tables": [row["id"] for row in listed], "sql": "SELECT count(*) AS n FROM orders, customers"}
    result = call.post("tables/query/", asked).json()
    assert result["rows"] == [[6]]
    assert result["names"] == {"customers": listed[0]["id"], "orders": listed[1]["id"]}
    refused = call.post("tables/query/", {"tables": [str(orders.pk)], "sql": "SELECT * FROM read_text('/etc/passwd')"})
    assert (refused.status_code, refused.json()["code"]) == (422, "sql_refused")
    assert call.get(f"tables/{salaries.pk}/").status_code == 404
    assert call.get(f"tables/{salaries.pk}/rows/").status_code == 404
    assert call.post("tables/query/", {"tables": [str(salaries.pk)], "sql": "SELECT 1"}).status_code == 404


def test_the_api_lists_more_tables_than_fit_a_page(cast):
    source = factories.source(cast.workspace)
    for number in range(7):
        node = factories.node(source, f"{number}.csv", text="x")
        Table.objects.create(id=node.pk, node=node, rows=1, stored=str(number), content_hash="x")
    call = Caller(cast.member)
    page = call.get("tables/", limit=3).json()
    found = [row["title"] for row in page["results"]]
    while page["next"]:
        page = call.client.get(page["next"], headers=call.headers).json()
        found += [row["title"] for row in page["results"]]
    assert found == [str(number) for number in range(7)]


def test_the_admin_lists_tables_without_their_rows(cast, orders, salaries):
    client = Client()
    client.force_login(cast.admin.user)
    page = client.get(f"/w/{cast.workspace.slug}/govern/datasources/table/")
    assert page.status_code == 200
    text = page.content.decode()
    assert "orders" in text
    assert "ALFKI" not in text
