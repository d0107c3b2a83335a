"""Each kind of place is connected by hand: its key, two branches, the sync, a change at the vendor, and the answer that has it.

The vendors are their loopback servers, the portal is a real one, and what is pressed is what a person presses.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from bench.product import Portal
from tests.browser.conftest import fresh_portal
from tests.browser.handed import HANDED, WRITTEN, folder
from tests.browser.places import PLACES, SIGNED_IN, SLACK, Place
from tests.browser.screen import main
from tests.browser.wizard import (
    answered,
    begin,
    came_in,
    choose,
    deliver,
    enter,
    entered,
    hand_over,
    hook_of,
    runs,
    try_it,
    write,
)
from tests.first_start import FirstStart
from tests.vendors.places import slack
from tests.vendors.places.loopback import Loopback

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """What the portal may read of its server."""
    made = Path(tempfile.mkdtemp(prefix="atrium-root-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def portal(root: Path, started_once: FirstStart) -> Iterator[Portal]:
    with fresh_portal(started_once, FOLDER=str(root)) as made:
        yield made


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
    main(page).get_by_role("button", name="Continue").press("Enter")
    missing = page.get_by_role("alert").filter(has_text="Tick what is to come in.")
    expect(missing).to_be_visible()
    general.focus()
    page.keyboard.press("Space")
    expect(general).to_be_checked()
    expect(missing).to_have_count(0)
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
        begin(page, place)
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


def offered(field: Locator) -> list[str]:
    """What the browser offers for a field, once the place has told it."""
    field.focus()
    field.page.wait_for_function("field => field.list?.options.length", arg=field.element_handle())
    return field.evaluate("field => [...field.list.options].map((option) => option.value)")


def of_kind(kind: str) -> Place:
    return next(place for place in PLACES if place.kind == kind)


def test_options_of_what_is_ticked_are_offered_as_the_place_has_them(page: Page, look) -> None:
    place = of_kind("salesforce")
    with place.serve() as server:
        begin(page, place)
        enter(page, place, server)
        main(page).get_by_label("Accounts", exact=True).check()
        main(page).get_by_label("Cases", exact=True).check()
        ticked = page.get_by_role("list", name="What is ticked").get_by_role("listitem")
        accounts = ticked.filter(has_text="Accounts")
        accounts.get_by_text("Only a part of it").click()
        view = accounts.get_by_label("Only this list view")
        assert sorted(offered(view)) == ["Energy customers", "My accounts"]
        look(page, "places-salesforce-options", view)
        view.fill("Energy customers")
        main(page).get_by_role("button", name="Continue").click()
        expect(page.locator("#estimate")).to_contain_text("passages")
        page.go_back()
        accounts.get_by_text("Only a part of it").wait_for()
        expect(accounts.get_by_label("Only this list view")).to_have_value("Energy customers")


def test_settings_are_offered_once_the_connection_was_tried(page: Page) -> None:
    place = of_kind("elasticsearch")
    with place.serve() as server:
        begin(page, place)
        if place.way:
            main(page).get_by_text(place.way, exact=True).first.click()
        entered(page, place, server)
        page.get_by_role("button", name="Test connection").click()
        assert "title" in offered(page.get_by_label("Field with the title"))


@pytest.mark.parametrize("place", HANDED, ids=lambda place: place.kind)
def test_files_are_handed_over_and_what_a_newer_one_says_is_answered(page: Page, place: Place, look) -> None:
    with place.serve() as folder:
        begin(page, place)
        if place.ticked:
            main(page).get_by_role("button", name="Continue").click()
            hand_over(page, folder / "export.zip")
            main(page).get_by_role("link", name="Continue").click()
            choose(page, place)
            expect(page.locator("#estimate")).to_contain_text(re.compile("passages|can’t be told"))
            main(page).get_by_role("button", name="Connect and sync").click()
        else:
            main(page).get_by_label("Name").fill("Handed over")
            main(page).get_by_role("button", name="Connect", exact=True).click()
            hand_over(page, folder / "export.zip")
        source = came_in(page, place)
        place.change(folder)
        page.goto(source)
        hand_over(page, folder / "export-newer.zip")
        runs(page, source, 2)
        answered(page, place)


def test_a_folder_of_the_server_is_connected_and_what_is_put_there_is_answered(page: Page, root: Path) -> None:
    place = folder(root)
    with place.serve() as there:
        begin(page, place)
        main(page).get_by_label("Folder", exact=True).fill(str(there))
        try_it(page)
        choose(page, place)
        expect(page.locator("#estimate")).to_contain_text("passages")
        main(page).get_by_role("button", name="Connect and sync").click()
        source = came_in(page, place)
        place.change(there)
        page.goto(source)
        page.get_by_role("button", name="Sync now").click()
        runs(page, source, 2)
        answered(page, place)


def test_what_a_program_writes_with_a_key_of_mine_is_answered(page: Page, look) -> None:
    """Nothing to connect or choose: the page of the source says where to write, and the key is made in the portal."""
    page.goto("/me/keys/")
    page.get_by_label("What uses it").fill("Canteen")
    page.get_by_label(re.compile("^Write")).check()
    page.get_by_role("button", name="Make the key").click()
    key = page.locator("#new-key").inner_text()
    begin(page, WRITTEN)
    main(page).get_by_label("Name").fill("Canteen")
    main(page).get_by_role("button", name="Connect", exact=True).click()
    where = page.locator("#write-address")
    expect(where).to_be_visible()
    look(page, "places-api-where")
    told = where.inner_text()
    canteen = {"external_id": "canteen", "title": "Canteen"}
    hours = {"external_id": "hours", "title": "Opening hours", "text": "It opens at noon.", "parent": "canteen"}
    menu = {"external_id": "menu", "title": "Menu", "text": "The canteen serves fish on Fridays.", "parent": "canteen"}
    write(told, key, canteen, hours, menu)
    source = came_in(page, WRITTEN)
    write(told, key, {**menu, "text": "The canteen serves bilberry soup on Mondays."})
    runs(page, source, 2)
    answered(page, WRITTEN)


def test_one_signs_in_at_the_vendor_says_no_and_then_yes(page: Page, look) -> None:
    place = SIGNED_IN
    with place.serve() as server:
        begin(page, place)
        main(page).get_by_text(place.way, exact=True).first.click()
        redirect = page.locator("#redirect-oauth")
        expect(redirect).to_have_text(re.compile(r"^http://localhost:\d+/w/demo/data/oauth/$"))
        entered(page, place, server)
        try_it(page, waits=True)
        page.get_by_role("link", name="Go to GitHub and allow it").click()
        expect(page.get_by_role("heading", name="GitHub")).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        refused = page.get_by_role("alert").filter(has_text="It was not allowed at GitHub.")
        expect(refused).to_be_visible()
        expect(page).to_have_url(re.compile("/data/[0-9a-f-]{36}/connect/"))
        look(page, "places-github-refused")
        # What was typed before one goes is kept first.
        page.get_by_label(re.compile("^Client secret")).fill("wrong")
        page.get_by_role("link", name="Go to GitHub and allow it").click()
        expect(main(page)).to_contain_text("One thing is left")
        page.get_by_role("link", name="Go to GitHub and allow it").click()
        page.get_by_role("button", name="Authorize atrium").click()
        expect(page.get_by_role("alert")).to_contain_text("Enter them again below and press Continue.")
        page.get_by_label(re.compile("^Client secret")).fill(place.entered["oauth-client_secret"])
        main(page).get_by_role("button", name="Continue").click()
        expect(main(page)).to_contain_text("One thing is left")
        page.get_by_role("link", name="Go to GitHub and allow it").click()
        page.get_by_role("button", name="Authorize atrium").click()
        expect(page).to_have_url(re.compile("/data/[0-9a-f-]{36}/choose/"))
        asked = server.sign_in.asked[-1]
        assert asked["redirect_uri"] == urljoin(page.url, "/w/demo/data/oauth/")
        assert asked["scope"] == "repo read:org read:discussion"
        draft = urlsplit(page.url).path
        page.goto(f"/w/demo/data/oauth/?code=made-up&state={asked['state']}")
        expect(main(page)).to_contain_text("was used already")
        look(page, "places-github-used")
        page.goto(draft)
        choose(page, place)
        expect(page.locator("#estimate")).to_contain_text("passages")
        main(page).get_by_role("button", name="Connect and sync").click()
        source = came_in(page, place)
        place.change(server)
        page.goto(source)
        page.get_by_role("button", name="Sync now").click()
        runs(page, source, 2)
        answered(page, place)
