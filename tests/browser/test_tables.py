"""A table that somebody hands over is browsed, sorted and filtered, and asked by SQL, with its result as rows and as a chart.

So it is in an answer, whose SQL a model wrote.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from bench.product import Portal
from tests.browser.conftest import fresh_portal
from tests.browser.screen import answer, ask, finished, main
from tests.browser.wizard import hand_over
from tests.vendors.openai import OpenAIServer
from tests.vendors.server import Script

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PORTS = ("Aarhus", "Bergen", "Cuxhaven", "Den Helder", "Esbjerg", "Frederikshavn", "Göteborg", "Harlingen")
REMARK = (
    "Weighed at the quay by two clerks, one of whom was late; see the sheet of the day before for what was left over."
)

SQL = "SELECT Port, sum(Tons) AS tons FROM landings GROUP BY Port ORDER BY tons DESC"
# A model that writes SQL, and an assistant that asks nothing but the tables of one source.
ASKING = """
import django
django.setup()
import sys
from assistants import lifecycle
from datasources.models import DataSource
from portal.credentials import create_credential
from portal.models import User, Workspace
here = Workspace.objects.get(slug="demo")
admin = User.objects.get(email="admin@example.com")
key = create_credential(workspace=here, by=admin, kind="openai_compatible", base_url=sys.argv[1], name="House model")
source = DataSource.objects.get(workspace=here, name="Quay")
read = [{"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}]
lifecycle.create_assistant(
    workspace=here, by=admin, handle="quay", credential=key, model="gpt-5", knowledge=read, retrieval="tables"
)
"""


def landings() -> str:
    """A hundred and fifty landings: wide enough to scroll, long enough for pages, with empty cells and long ones."""
    lines = ["Port,Landed on,Tons,Price in EUR,Vessel,Captain,Remark"]
    for n in range(150):
        port, day = PORTS[n % 8], f"2026-{1 + n // 28 % 12:02}-{1 + n % 28:02}"
        price = "" if n % 11 == 0 else f"{1200.5 + 37 * n:.2f}"
        remark = f'"{REMARK}"' if n % 9 == 0 else ""
        lines.append(f"{port},{day},{(n * 7) % 90 + 1},{price},Vessel {n % 13},Captain {n % 5},{remark}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("landed") / "landings.csv"
    path.write_text(landings())
    return path


@pytest.fixture(scope="module")
def vendor() -> Iterator[OpenAIServer]:
    with OpenAIServer(Script(text=reply)) as server:
        yield server


@pytest.fixture(scope="module")
def portal(started_once):
    with fresh_portal(started_once) as made:
        yield made


def bring_in(page: Page, name: str, path: Path) -> None:
    page.goto("/w/demo/data/new/?kind=upload")
    main(page).get_by_label("Name").fill(name)
    main(page).get_by_role("button", name="Connect", exact=True).click()
    hand_over(page, path)
    expect(page.locator("#run")).to_contain_text("Up to date", timeout=60_000)


def test_a_table_is_browsed_filtered_asked_and_drawn(page: Page, landed: Path, look) -> None:
    bring_in(page, "Landings", landed)
    page.goto("/w/demo/tables/")
    look(page, "tables-list")
    main(page).get_by_role("link", name=re.compile("landings")).first.click()
    rows = page.locator("#rows")
    expect(rows.locator("tbody tr").first).to_be_visible()
    look(page, "tables-rows")
    rows.get_by_role("link", name="Tons").click()
    expect(rows.locator("th[aria-sort=ascending]")).to_have_text("Tons")
    expect(rows.locator("tbody tr").first.locator("td").nth(2)).to_have_text("1")
    page.get_by_label("Column to filter").select_option(label="Port")
    page.get_by_label("Filter rows").fill("bergen")
    expect(rows).to_contain_text("19 rows contain “bergen”")
    expect(rows.locator("th[aria-sort=ascending]")).to_have_text("Tons")
    look(page, "tables-filtered")
    page.get_by_label("Filter rows").fill("nowhere")
    expect(rows).to_contain_text("No row contains that")
    page.get_by_role("link", name="Ask by SQL").click()
    sql = page.get_by_label(re.compile("^One SELECT"))
    expect(sql).to_have_value(re.compile("FROM landings"))
    sql.press("Control+Enter")
    result = page.locator("#result")
    expect(result).to_contain_text("100 rows")
    look(page, "tables-sql-rows", result)
    sql.fill("SELECT port, sum(tons) AS tons FROM landings GROUP BY port ORDER BY tons DESC")
    main(page).get_by_role("button", name="Run").click()
    expect(result).to_contain_text("8 rows")
    result.get_by_role("button", name="Chart").click()
    expect(result.get_by_role("img", name="Chart of tons by port")).to_be_visible()
    look(page, "tables-sql-chart", result)
    sql.fill("SELECT landed_on, sum(tons) AS tons FROM landings GROUP BY landed_on")
    main(page).get_by_role("button", name="Run").click()
    expect(result.get_by_role("columnheader", name="landed_on")).to_have_count(1)
    result.get_by_role("button", name="Chart").click()
    expect(result.get_by_role("img", name="Chart of tons by landed_on")).to_be_visible()
    look(page, "tables-sql-line", result)
    sql.fill("SELECT nonsense FROM landings")
    main(page).get_by_role("button", name="Run").click()
    expect(result.get_by_role("alert")).to_contain_text("nonsense")


def reply(body: dict[str, Any]) -> str:
    if "SQL query for DuckDB" in body["messages"][0]["content"]:
        return f"```sql\n{SQL};\n```"
    return "Each port landed some of it [1]."


def test_an_answer_has_its_result_as_rows_as_a_file_and_as_a_chart(
    page: Page, portal: Portal, vendor: OpenAIServer, landed: Path, look
) -> None:
    bring_in(page, "Quay", landed)
    portal.python("-c", ASKING, vendor.base_url)
    page.goto("/w/demo/assistants/quay/")
    ask(page, "How many tons did each port land?")
    expect(page).to_have_url(re.compile("/w/demo/c/"))
    finished(page)
    tons = dict.fromkeys(PORTS, 0)
    for row in csv.DictReader(landed.read_text().splitlines()):
        tons[row["Port"]] += int(row["Tons"])
    by_tons = sorted(tons, key=lambda port: -tons[port])
    assert by_tons != sorted(PORTS)

    result = as_served(page)
    expect(ports_in(result)).to_have_text(by_tons)
    result.get_by_role("button", name="Port").click()
    expect(head(result, "Port")).to_have_attribute("aria-sort", "ascending")
    expect(ports_in(result)).to_have_text(sorted(PORTS))
    look(page, "answer-table", result)
    assert downloaded(page, result) == [["Port", "tons"], *([port, str(tons[port])] for port in sorted(PORTS))]
    for way, order in (("ascending", by_tons[::-1]), ("descending", by_tons)):
        result.get_by_role("button", name="tons").click()
        expect(head(result, "tons")).to_have_attribute("aria-sort", way)
        expect(ports_in(result)).to_have_text(order)
    draw(result)
    drawn(result, tons)
    look(page, "answer-table-chart", result)

    # Another question leaves what was chosen of the first one's result as it is.
    before = page.locator("article.answer").first
    ask(page, "And how many in all?")
    expect(page.locator("article.answer")).to_have_count(2)
    finished(page)
    as_served(page)
    drawn(before, tons)
    before.get_by_role("button", name="Rows").click()
    expect(head(before, "tons")).to_have_attribute("aria-sort", "descending")
    expect(before.get_by_role("img", name="Chart of tons")).to_be_hidden()

    page.reload()
    result = as_served(page)
    expect(ports_in(result)).to_have_text(by_tons)
    assert downloaded(page, result) == [["Port", "tons"], *([port, str(tons[port])] for port in by_tons)]
    draw(result)
    drawn(result, tons)
    result.get_by_role("link", name="landings").click()
    expect(page.locator("#rows tbody tr").first).to_be_visible()


def as_served(page: Page) -> Locator:
    """The result in the answer, once it is the server's: what was shown while it came has no links."""
    result = answer(page).get_by_role("region", name="Result of a query")
    expect(result.get_by_role("link", name="landings")).to_be_visible()
    expect(result).to_contain_text("8 rows")
    result.locator("summary", has_text="The SQL").click()
    expect(result.locator("code")).to_have_text(SQL)
    expect(result.get_by_role("link", name="Change it on the Tables page")).to_be_visible()
    expect(answer(page).locator(".answer-body")).to_contain_text("Each port landed some of it")
    expect(answer(page).locator(".answer-body .cite")).to_have_count(1)
    return result


def head(result: Locator, name: str) -> Locator:
    return result.get_by_role("columnheader", name=name)


def ports_in(result: Locator) -> Locator:
    return result.locator("tbody td:first-child")


def downloaded(page: Page, result: Locator) -> list[list[str]]:
    """The rows of the file that the button gives."""
    with page.expect_download() as coming:
        result.get_by_role("button", name="CSV").click()
    assert coming.value.suggested_filename == "answer.csv"
    with Path(coming.value.path()).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def draw(result: Locator) -> None:
    result.get_by_role("button", name="Chart").click()


def drawn(where: Locator, tons: dict[str, int]) -> None:
    """As a chart in place of the rows, with a bar for each port."""
    chart = where.get_by_role("img", name="Chart of tons by Port")
    expect(chart).to_be_visible()
    expect(where.locator("table")).to_be_hidden()
    expect(chart.locator("rect")).to_have_count(len(tons))
    for port, number in tons.items():
        expect(chart.locator("title", has_text=f"{port}: {number}")).to_have_count(1)
