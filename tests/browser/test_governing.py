"""An assistant's life, by hand: installed from a template, tried, published, vetted, found by typing a question, judged, ranked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from bench.product import Portal
from tests.browser.conftest import ARTIFACTS, SIZES, link_in, serious
from tests.browser.screen import answer, ask, finished, main

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

# Beside the people, what everybody asks so far: vetted, and asked by one person yesterday.
BEFORE = """
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from assistants import lifecycle, uses
from gallery import standing
from portal.models import Membership, Role, User, Workspace
from portal.people import make_person, sign_in_link
here = Workspace.objects.get(slug="demo")
admin = User.objects.get(email="admin@example.com")
made = lifecycle.create_assistant(workspace=here, by=admin, handle="ask-all", name="Ask everything")
lifecycle.vet(lifecycle.publish(made, admin), admin)
uses.count([uses.Use(here.pk, made.pk, admin.pk, True)], timezone.now() - timedelta(days=1))
standing.refresh(here.pk)
for name, role in (("Bo Builder", Role.BUILDER), ("Mia Member", Role.MEMBER)):
    user = make_person(email=f"{name.split()[0].lower()}@example.com", name=name)
    Membership.objects.create(workspace=here, user=user, role=role)
    print(sign_in_link(user))
"""
# What an admin's lists hold after a while; it leaves ranks and the week's questions alone.
FILLED = """
import django
django.setup()
from dataclasses import replace
from decimal import Decimal
from assistants.models import Assistant
from gallery.marketplace import offering
from portal import inviting
from portal.models import Credential, Space, UsageRecord, User, Workspace
from portal.spaces import save_space
from portal.spending import budgets
here = Workspace.objects.get(slug="demo")
admin = User.objects.get(email="admin@example.com")
mia = User.objects.get(email="mia@example.com")
sales = save_space(Space(workspace=here), by=admin, members=[mia], name="Sales", kind="restricted")
about = {"workspace": here, "by": admin, "mail": False}
inviting.invite(email="a.person.with.quite.a.long.address@subsidiary.example.com", role="member", spaces=[sales], **about)
key = Credential.objects.create(workspace=here, kind="openai", name="OpenAI")
for model, user, cost in (("a-model-with-a-rather-long-name-2026-11-21", mia, "3.2"), ("small", admin, None)):
    UsageRecord.objects.create(workspace=here, user=user, purpose="answer", vendor="openai", model=model, credential=key,
                               input_tokens=90000, output_tokens=1200, cost=cost)
limits = (("workspace", "month", "tokens", 200000), ("person", "day", "tokens", 95000), ("assistant", "month", "currency", 5))
for covers, period, unit, limit in limits:
    budgets.create_budget(workspace=here, by=admin, covers=covers, period=period, unit=unit, limit=Decimal(limit))
made = Assistant.objects.get(workspace=here, handle="ask-all")
offering.offer(made, admin, replace(offering.drafted(made), description="It looks through all that there is."))
"""
# In a row that is a card: a name of a column that is broken within a word, or that is another column's.
BROKEN = """() => [...document.querySelectorAll("#result_list [data-label]")].some((cell) => {
  const label = getComputedStyle(cell, "::before");
  if (label.content === "none") return false;
  return label.overflowWrap === "anywhere" || (cell.dataset.label === "Select record" && !cell.querySelector("input"));
})"""
CSV = "email,name,role,spaces\nana@example.com,Ana Costa,builder,Sales\nmia@example.com,,builder,\nnonsense,,,\n"
QUESTION = "How do I connect a folder of the server?"


@contextmanager
def somebody(chromium: Browser, portal: Portal, link: str) -> Iterator[Page]:
    """Their own browser, signed in; script errors and refusals of the content security policy fail the test."""
    context = chromium.new_context(base_url=f"http://localhost:{portal.port}", viewport=SIZES["1280"])
    context.set_default_timeout(20_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
    page.goto(link_in(link))
    expect(page).to_have_url(re.compile("/w/demo/$"))
    yield page
    context.close()
    assert not problems


def test_from_a_template_to_vetted_to_found_and_ranked(chromium, portal, admin, look):
    builder_link, member_link = portal.python("-c", BEFORE).splitlines()[-2:]
    with somebody(chromium, portal, builder_link) as bo, somebody(chromium, portal, member_link) as mia:
        install(bo)
        try_and_publish(bo, look)
        vet(admin.new_page(), look)
        find_and_ask(mia, look)
        search_as_one_types(mia, look)
        moved(bo, admin.new_page(), look)


def test_an_admins_pages_hold_on_a_phone_and_on_a_desk(portal, page: Page):
    portal.python("-c", FILLED)
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    pages = (
        ("overview", "", "a-model-with-a-rather-long-name"),
        ("adoption", "adoption/", "Sales has no data of its own"),
        ("workspace", "workspace/", "A vetting lasts, in days"),
        ("members", "portal/membership/", "mia@example.com"),
        ("budgets", "portal/budget/", "spent"),
        ("audit", "portal/auditevent/", "budget.create"),
        ("templates", "gallery/template/", "Ask everything"),
    )
    for place, (name, address, words) in enumerate(pages):
        scheme = "light" if place % 2 else "dark"
        page.emulate_media(color_scheme=scheme)
        page.goto(f"/w/demo/govern/{address}")
        expect(page.locator("body")).to_contain_text(words)
        hold(page, f"governing-{name}-filled-{scheme}")
    grant_a_part(page)
    page.goto("/w/demo/govern/portal/membership/import/")
    page.get_by_label("Or paste it").fill(CSV)
    page.get_by_role("button", name="Look at it first").click()
    expect(page.get_by_role("button", name="Import 2, leave 1 out")).to_be_visible()
    hold(page, "governing-import-lines")
    page.get_by_role("button", name="Import 2, leave 1 out").click()
    expect(page.get_by_role("status")).to_contain_text("1 invited, 1 changed, 1 left out.")


def test_every_page_of_the_admin_fits_a_phone(portal, page: Page):
    """Those of the menu, and one row of each; what is wider, such as a table, scrolls in a box of its own."""
    page.set_viewport_size(SIZES["390"])  # type: ignore[arg-type]
    page.goto("/w/demo/govern/")
    menu = page.locator("a[href^='/w/demo/govern/']").evaluate_all("links => links.map(a => a.getAttribute('href'))")
    lists = [link for link in dict.fromkeys(menu) if re.fullmatch(r"/w/demo/govern/([a-z]+/){0,2}", link)]
    assert len(lists) >= 18, lists
    wide = []
    for link in lists:
        wide += too_wide(page, link)
        row = page.locator("#result_list a[href*='/change/']").first
        if row.count():
            wide += too_wide(page, str(row.get_attribute("href")))
    wide += too_wide(page, "/w/demo/govern/portal/membership/import/")
    assert not wide


def too_wide(page: Page, link: str) -> list[str]:
    """The page, if it scrolls sideways or has something to press or to read that nobody gets at."""
    page.goto(link)
    page.screenshot(
        path=str(ARTIFACTS / f"phone-{re.sub('[^a-z]+', '-', link.removeprefix('/w/demo/govern/'))}.png"),
        full_page=True,
    )
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [link] if wide or page.evaluate(BROKEN) else []


def grant_a_part(page: Page) -> None:
    """Of a source: searched for by name, chosen, and there when it is opened again."""
    page.goto("/w/demo/govern/datasources/grant/add/")
    page.locator("select[name=source]").select_option(label="Atrium user guide")
    page.locator("select[name=space]").select_option(label="Sales")
    page.get_by_role("searchbox", name="Parts").press_sequentially("connectors not")
    page.get_by_role("option", name="connectors / notion.md").click()
    expect(page.get_by_role("radio", name="Only these parts")).to_be_checked()
    hold(page, "governing-grant")
    page.get_by_role("button", name="Save", exact=True).click()
    row = page.locator("#result_list tr", has_text="Sales")
    expect(row).to_contain_text("connectors / notion.md")
    row.get_by_role("link").first.click()
    expect(page.locator(".select2-selection__choice")).to_contain_text("connectors / notion.md")
    page.get_by_role("radio", name="All of the source").check()
    expect(page.locator(".select2-selection__choice")).to_have_count(0)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#result_list tr", has_text="Sales")).to_contain_text("All of it")


def hold(page: Page, name: str) -> None:
    """What ``look`` asks, of a page of the admin: that takes up light or dark only as it opens, so one of them is looked at."""
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        page.wait_for_timeout(150)
        page.screenshot(path=str(ARTIFACTS / f"{name}-{size}.png"))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways at {size}"
        serious(page, f"{name}, {size}")


def shot(page: Page, name: str) -> None:
    """A picture alone, of screens that are held to the rules where they are tested."""
    page.screenshot(path=str(ARTIFACTS / f"{name}.png"))


def first(page: Page) -> Locator:
    """The card on top of the gallery."""
    page.goto("/w/demo/assistants/")
    return page.locator("#gallery-all > li").first


def questions_this_week(page: Page) -> int:
    page.goto("/w/demo/govern/?days=7")
    return int(page.locator("dt", has_text="Questions this week").locator("xpath=../dd").inner_text())


def install(bo: Page) -> None:
    bo.goto("/w/demo/templates/")
    bo.get_by_label("Search templates").fill("where is it")
    shot(bo, "governing-templates")
    main(bo).get_by_role("link", name=re.compile("Where is it")).first.click()
    shot(bo, "governing-template")
    main(bo).get_by_role("link", name="Install", exact=True).or_(
        bo.get_by_role("link", name="Install", exact=True)
    ).first.click()
    for field in main(bo).locator("input[name^=text-]").all():
        field.fill("Atrium")
    for slot in main(bo).locator(".install-slot").all():
        slot.get_by_role("checkbox", name="All of Atrium user guide").check()
    shot(bo, "governing-fill")
    bo.get_by_role("button", name="Look at it").click()
    bo.get_by_label("Name", exact=True).fill("Guide finder")
    bo.get_by_label("Handle").fill("guide-finder")
    shot(bo, "governing-look")
    bo.get_by_role("button", name="Install", exact=True).click()
    expect(bo).to_have_url(re.compile("/assistants/guide-finder/"))


def try_and_publish(bo: Page, look) -> None:
    bo.goto("/w/demo/assistants/guide-finder/edit/")
    instructions = bo.locator("[name=instructions]")
    before = instructions.input_value()
    instructions.fill("Answer {{reader.nome}}.")
    bo.get_by_role("button", name="Save", exact=True).click()
    expect(bo.get_by_text("1 to put right below")).to_be_visible()
    expect(instructions).to_be_focused()
    expect(bo.get_by_text("Nothing can be put in for")).to_be_in_viewport()
    instructions.fill(before)
    bo.get_by_role("button", name="Save", exact=True).click()
    expect(bo.get_by_text("1 to put right below")).to_be_hidden()
    trial = bo.locator("[data-trial]")
    trial.locator("textarea").fill(QUESTION)
    trial.locator("textarea").press("Enter")
    expect(trial.locator("article.answer").last).to_have_attribute("data-status", "completed", timeout=30_000)
    shot(bo, "governing-builder")
    bo.goto("/w/demo/assistants/guide-finder/publishing/")
    bo.get_by_role("button", name="Publish", exact=True).click()
    bo.get_by_label("Ask an admin to offer version").fill("Everybody asks me how this works.")
    bo.get_by_role("button", name="Ask for vetting").click()
    expect(main(bo)).to_contain_text("waits for an admin")
    look(bo, "governing-publishing")


def vet(page: Page, look) -> None:
    assert questions_this_week(page) == 1
    shot(page, "governing-dashboard")
    page.get_by_role("link", name="@guide-finder").first.click()
    expect(page.locator(".govern-request")).to_contain_text("Everybody asks me how this works.")
    expect(page.locator(".govern-request")).to_contain_text("Atrium user guide")
    look(page, "governing-request")
    page.get_by_label("Comment").fill("Stays within the guide.")
    page.get_by_role("button", name="Approve version").click()
    expect(page.get_by_text("vetted and offered to everybody").first).to_be_visible()
    page.close()


def find_and_ask(mia: Page, look) -> None:
    expect(first(mia)).to_contain_text("Ask everything")
    mia.goto("/w/demo/")
    field = mia.get_by_label("Your question").last
    suggested = mia.locator("[data-fits] .fit", has_text="Guide finder")
    # Typed on while the index may still be behind: each letter asks again.
    for marks in range(1, 20):
        field.fill(f"Where do I find how to connect a folder in the user guide{'?' * marks}")
        mia.wait_for_timeout(800)
        if suggested.count():
            break
    look(mia, "governing-fits")
    suggested.click()
    chosen_and_taken_back(mia, field, suggested, look)
    ask(mia, QUESTION)
    expect(mia).to_have_url(re.compile("/w/demo/c/"))
    finished(mia)
    expect(answer(mia)).to_contain_text("Folder")
    good = answer(mia).get_by_role("button", name="Good answer", exact=True)
    # The answer may be there before the page's scripts are: then the form is sent as it stands, and the page comes anew.
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    shot(mia, "governing-thumb")
    # One who asked today and liked it counts more than one who asked yesterday and did not say.
    expect(first(mia)).to_contain_text("Guide finder")
    expect(first(mia)).to_contain_text("Vetted")
    look(mia, "governing-gallery")


def search_as_one_types(mia: Page, look) -> None:
    """The results follow the letters and the filters stay; where nothing is found, it says what to do."""
    mia.goto("/w/demo/assistants/")
    field, cards = mia.get_by_label("Search assistants"), mia.locator("#gallery-all > li")
    expect(cards).to_have_count(2)
    field.press_sequentially("everyth")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("Ask everything")
    expect(field).to_be_focused()
    expect(mia).to_have_url(re.compile(r"/assistants/\?q=everyth$"))
    mia.get_by_label("Offered to whom").select_option("Vetted")
    expect(mia).to_have_url(re.compile(r"q=everyth&scope=vetted"))
    field.fill("guide")
    expect(cards).to_contain_text("Guide finder")
    expect(mia.get_by_label("Offered to whom")).to_have_value("vetted")
    mia.get_by_label("Offered to whom").select_option("Published")
    nothing = mia.locator("#cards .empty")
    expect(nothing).to_contain_text("No assistant fits “guide” with these filters.")
    expect(nothing).to_contain_text("Try one word of the task, or make one")
    expect(nothing.get_by_role("link", name="Make an assistant")).to_be_visible()
    look(mia, "governing-nothing-found")
    mia.go_back()
    expect(cards).to_contain_text("Guide finder")
    mia.get_by_label("Offered to whom").select_option("Scope")
    field.fill("")
    expect(cards).to_have_count(2)


def chosen_and_taken_back(mia: Page, field: Locator, suggested: Locator, look) -> None:
    """Whoever was chosen is named where they were suggested, and is taken back by mouse and by keyboard."""
    asking, select = mia.locator(".fits-chosen"), mia.get_by_label("Assistant", exact=True)
    back = asking.get_by_role("button", name="Guide finder: take back")
    expect(asking).to_contain_text("Asking")
    expect(select).to_have_value("guide-finder")
    expect(field).to_be_focused()
    look(mia, "governing-asking")
    back.click()
    expect(asking).to_be_hidden()
    expect(select).to_have_value("")
    expect(field).to_be_focused()
    suggested.focus()
    mia.keyboard.press("Enter")
    expect(back).to_be_visible()
    mia.keyboard.press("Control+Home")
    mia.keyboard.press("Backspace")
    expect(asking).to_be_hidden()
    suggested.focus()
    mia.keyboard.press("Enter")
    back.focus()
    mia.keyboard.press("Enter")
    expect(select).to_have_value("")
    expect(suggested).to_be_visible()
    select.select_option("guide-finder")
    expect(back).to_be_visible()


def moved(bo: Page, page: Page, look) -> None:
    """Its owner sees why it is ranked so and how it is used; the admin's charts have one question more."""
    bo.goto("/w/demo/assistants/guide-finder/")
    bo.get_by_text("Why is it ranked here?").click()
    expect(bo.locator(".why")).to_contain_text("number 1 of the 2 assistants")
    shot(bo, "governing-why")
    bo.goto("/w/demo/assistants/guide-finder/insight/")
    expect(main(bo)).to_contain_text("asked by 1 person")
    look(bo, "governing-insight")
    assert questions_this_week(page) == 2
    expect(page.locator("figure", has_text="Questions").first).to_contain_text("2")
    expect(page.get_by_role("link", name="@guide-finder").first).to_be_visible()
    shot(page, "governing-charts")
    page.close()
