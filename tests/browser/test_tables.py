"""A table that somebody hands over is browsed, sorted and filtered, and asked by SQL, with its result as rows and as a chart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import fresh_portal
from tests.browser.screen import main
from tests.browser.wizard import hand_over

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PORTS = ("Aarhus", "Bergen", "Cuxhaven", "Den Helder", "Esbjerg", "Frederikshavn", "Göteborg", "Harlingen")
REMARK = (
    "Weighed at the quay by two clerks, one of whom was late; see the sheet of the day before for what was left over."
)


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
def portal(started_once):
    with fresh_portal(started_once) as made:
        yield made


def test_a_table_is_browsed_filtered_asked_and_drawn(page: Page, landed: Path, look) -> None:
    page.goto("/w/demo/data/new/?kind=upload")
    main(page).get_by_label("Name").fill("Landings")
    main(page).get_by_role("button", name="Connect", exact=True).click()
    hand_over(page, landed)
    expect(page.locator("#run")).to_contain_text("Up to date", timeout=60_000)
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
