"""The wizard as a person goes through it, and what becomes of it: steps that every kind of place shares."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Page, expect

from tests.browser.conftest import serious
from tests.browser.places import Place, address
from tests.browser.screen import answer, ask, finished, main
from tests.vendors.places.loopback import Loopback


def begin(page: Page, place: Place) -> None:
    page.goto("/w/demo/data/new/")
    main(page).locator(f"a.choice[href='?kind={place.kind}']").click()
    expect(page).to_have_url(re.compile(f"kind={place.kind}$"))
    serious(page, f"The form of {place.kind}")


def hand_over(page: Page, path: Path) -> None:
    """Chosen as from a file dialog; shown as soon as it is there."""
    page.locator("input[data-drop-files]").set_input_files(path)
    expect(page.locator("[data-drop-words]")).to_have_text("1 of 1 files are in.")
    if page.url.endswith("/files/"):
        expect(page.locator("#contents")).to_contain_text(path.name)


def write(where: str, key: str, *items: dict[str, str]) -> None:
    told = httpx.post(where, json={"items": items}, headers={"Authorization": f"Bearer {key}"})
    assert told.status_code in (200, 201), told.text


def enter(page: Page, place: Place, server: Loopback) -> None:
    if place.way:
        main(page).get_by_text(place.way, exact=True).first.click()
    entered(page, place, server)
    try_it(page)


def entered(page: Page, place: Place, server: Loopback) -> None:
    where = page.locator("[name=base_url]")
    if not where.is_visible():
        page.locator("summary", has_text="More").click()
    where.fill(address(place, server))
    for name, value in place.entered.items():
        field = page.locator(f"[name='{name}']")
        field.select_option(value) if field.evaluate("e => e.tagName") == "SELECT" else field.fill(value)


def try_it(page: Page, *, waits: bool = False) -> None:
    """``waits``: for the vendor, which has to be asked before there is anything to choose from."""
    page.get_by_role("button", name="Test connection").click()
    result = page.locator("#test-result .status")
    expect(result).to_be_visible()
    assert result.get_attribute("data-tone") == "ok", result.inner_text()
    main(page).get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile(f"/data/[0-9a-f-]{{36}}/{'connect' if waits else 'choose'}/"))


def choose(page: Page, place: Place) -> None:
    """Tick each path, opening what is above it."""
    for path in place.ticked:
        row = page.locator(".picker-tree")
        for above in path[:-1]:
            row = row.locator("li[data-node]", has=page.get_by_label(f"Open {above}", exact=True)).last
            opener = row.get_by_role("button", name=f"Open {above}", exact=True)
            if opener.get_attribute("aria-expanded") == "false":
                opener.click()
        row.get_by_label(path[-1], exact=True).check()
        expect(page.get_by_role("list", name="What is ticked")).to_contain_text(" / ".join(path))
    main(page).get_by_role("button", name="Continue").click()


def came_in(page: Page, place: Place) -> str:
    """The first sync ends with nothing lost; what was ticked is there, and nothing else is. The source's path."""
    expect(page).to_have_url(re.compile("/data/[0-9a-f-]{36}/$"))
    expect(page.locator("#run")).to_contain_text("Up to date", timeout=60_000)
    source = urlsplit(page.url).path
    page.goto(source)
    find = page.get_by_label("Find by name")
    find.fill(place.absent)
    expect(page.locator("#contents")).to_contain_text(f"Nothing has “{place.absent}” in its name")
    for name in place.there:
        find.fill(name)
        expect(page.locator("#contents").get_by_role("link", name=re.compile(re.escape(name))).first).to_be_visible()
    return source


def hook_of(page: Page, source: str, place: Place, look=None) -> tuple[str, str]:
    """Make the webhook's address in the settings: (address, secret that deliveries are signed with)."""
    page.goto(f"{source}settings/")
    page.get_by_role("button", name="Make an address").click()
    where = page.locator("#hook-url").inner_text()
    if look:
        look(page, f"places-{place.kind}-webhook", page.locator("#hook-theirs"))
    if not place.theirs:
        return where, page.locator("#hook-secret").inner_text()
    field = page.get_by_label(re.compile("^Secret that"))
    if field.count():
        field.fill(place.theirs)
        page.get_by_role("button", name="Keep", exact=True).click()
        expect(page.get_by_placeholder("One is stored")).to_be_visible()
    else:
        httpx.post(where, json={"verification_token": place.theirs}).raise_for_status()
        page.reload()
        expect(page.locator("#settings")).to_contain_text(place.theirs)
    return where, place.theirs


def deliver(server: Loopback, place: Place, where: str, secret: str) -> None:
    assert place.send is not None
    body, headers = place.send(server, secret)
    told = httpx.post(where, content=body, headers=dict(headers))
    assert told.status_code == 200, told.text


def runs(page: Page, source: str, number: int) -> None:
    """So many runs have begun, and the last is through, with everything accounted for."""
    for _ in range(120):
        page.goto(f"{source}runs/")
        states = page.locator("#runs tbody .status")
        if states.count() >= number and states.first.get_attribute("data-tone") != "busy":
            break
        page.wait_for_timeout(500)
    expect(page.locator("#runs tbody tr")).to_have_count(number)
    expect(page.locator("#runs tbody .status").first).to_have_text("Done")


def answered(page: Page, place: Place) -> None:
    page.goto("/w/demo/")
    ask(page, place.question)
    expect(page).to_have_url(re.compile("/w/demo/c/"))
    finished(page)
    expect(answer(page)).to_contain_text(place.says)
    expect(answer(page).get_by_role("button", name="Not a good answer")).to_be_visible()
