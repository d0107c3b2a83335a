"""Each kind of place is connected by hand: its key, two branches, the sync, a change at the vendor, and the answer that has it.

The vendors are their loopback servers, the portal is a real one, and what is pressed is what a person presses.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from bench.product import Portal
from tests.browser.conftest import serious
from tests.browser.places import PLACES, SLACK, Place, address
from tests.browser.screen import answer, ask, finished, main
from tests.vendors.places import slack
from tests.vendors.places.loopback import Loopback

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    """One of its own: what comes in here would turn up in the answers of the story."""
    data = Path(tempfile.mkdtemp(prefix="atrium-places-"))
    made = Portal(data)
    made.start()
    yield made
    made.stop()
    shutil.rmtree(data, ignore_errors=True)


def test_slack_is_connected_by_mouse_and_keyboard(page: Page, look) -> None:
    with SLACK.serve() as server:
        page.goto("/w/demo/data/")
        main(page).get_by_role("link", name="Connect").first.click()
        page.get_by_label("Find a kind").click()
        page.keyboard.type("slack")
        expect(main(page).get_by_role("link", name=re.compile("Notion"))).to_have_count(0)
        look(page, "places-kinds-found")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(r"kind=slack$"))
        look(page, "places-slack-oauth")
        slack_key(page, server, look)
        slack_choice(page, look)
        expect(page.locator("#estimate")).to_contain_text("passages")
        look(page, "places-slack-start")
        main(page).get_by_label("Name").press("Enter")
        source = came_in(page, SLACK)
        look(page, "places-slack-contents")
        SLACK.change(server)
        address, secret = hook_of(page, source, SLACK, look)
        deliver(server, SLACK, address, secret)
        runs(page, source, 2)
        answered(page, SLACK)
        look(page, "places-slack-answer")


def slack_key(page: Page, server: Loopback, look) -> None:
    """A wrong token is told in words; the right one is taken."""
    main(page).get_by_text("Bot token", exact=True).first.click()
    page.get_by_label("Bot token", exact=True).last.click()
    page.keyboard.type("xoxb-wrong")
    page.locator("summary", has_text="More").click()
    page.get_by_label(re.compile("^Address")).click()
    page.keyboard.type(server.base_url)
    page.get_by_role("button", name="Test connection").click()
    result = page.locator("#test-result .status")
    expect(result).to_have_attribute("data-tone", "bad")
    look(page, "places-slack-refused", result)
    page.get_by_label("Bot token", exact=True).last.fill(slack.TOKEN)
    page.get_by_role("button", name="Test connection").press("Enter")
    expect(result).to_have_attribute("data-tone", "ok")
    expect(result).to_contain_text("Acme")
    look(page, "places-slack-token", result)
    page.get_by_label(re.compile("^Address")).press("Enter")
    expect(page).to_have_url(re.compile("/data/[0-9a-f-]{36}/choose/"))


def slack_choice(page: Page, look) -> None:
    """By keyboard: found by name and ticked with the space bar, then the next below it by arrow."""
    general = main(page).get_by_label("general", exact=True)
    expect(general).to_be_visible()
    general.focus()
    page.keyboard.press("Space")
    expect(general).to_be_checked()
    page.get_by_label("Find in the tree").click()
    page.keyboard.type("supp")
    expect(general).to_have_count(0)
    main(page).get_by_label("support", exact=True).focus()
    page.keyboard.press("Space")
    look(page, "places-slack-found")
    page.get_by_label("Find in the tree").fill("")
    expect(general).to_be_checked()
    expect(main(page).get_by_label("support", exact=True)).to_be_checked()
    expect(main(page).get_by_label("random", exact=True)).not_to_be_checked()
    look(page, "places-slack-choose")
    main(page).get_by_role("button", name="Continue").press("Enter")


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.kind)
def test_a_place_is_connected_and_what_changes_there_is_answered(page: Page, place: Place) -> None:
    with place.serve() as server:
        page.goto("/w/demo/data/new/")
        main(page).locator(f"a.choice[href='?kind={place.kind}']").click()
        expect(page).to_have_url(re.compile(f"kind={place.kind}$"))
        serious(page, f"The form of {place.kind}")
        enter(page, place, server)
        choose(page, place)
        expect(page.locator("#estimate")).to_contain_text("passages")
        main(page).get_by_role("button", name="Connect and sync").click()
        source = came_in(page, place)
        hook = hook_of(page, source, place) if place.send else None
        place.change(server)
        if hook:
            deliver(server, place, *hook)
        else:
            page.goto(source)
            page.get_by_role("button", name="Sync now").click()
        runs(page, source, 2)
        answered(page, place)


def enter(page: Page, place: Place, server: Loopback) -> None:
    if place.way:
        main(page).get_by_text(place.way, exact=True).first.click()
    where = page.locator("[name=base_url]")
    if not where.is_visible():
        page.locator("summary", has_text="More").click()
    where.fill(address(place, server))
    for name, value in place.entered.items():
        field = page.locator(f"[name='{name}']")
        field.select_option(value) if field.evaluate("e => e.tagName") == "SELECT" else field.fill(value)
    page.get_by_role("button", name="Test connection").click()
    result = page.locator("#test-result .status")
    expect(result).to_be_visible()
    assert result.get_attribute("data-tone") == "ok", result.inner_text()
    main(page).get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile("/data/[0-9a-f-]{36}/choose/"))


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
