"""The builder helps: drafts taken part by part, handles checked as they are typed, advice, pictures, versions compared and brought back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from bench.product import Portal
from tests.assistants.pictured import a_picture
from tests.browser.conftest import fresh_portal
from tests.browser.keyboard import Keys
from tests.browser.screen import main
from tests.vendors.openai import OpenAIServer
from tests.vendors.server import Script

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

# A model for everybody, and what stands in the form before it is asked.
BEFORE = """
import django
django.setup()
import json, sys
from assistants import lifecycle
from portal.credentials import create_credential
from portal.models import User, Workspace
here = Workspace.objects.get(slug="demo")
admin = User.objects.get(email="admin@example.com")
key = create_credential(workspace=here, by=admin, kind="openai_compatible", base_url=sys.argv[1], name="House model")
here.default_credential, here.default_model = key, "gpt-5"
here.save()
lifecycle.create_assistant(workspace=here, by=admin, handle="leave-desk", **json.loads(sys.argv[2]))
"""
# 2,100 pages in three folders; what the admin was answered by @archive came from two of them.
WIDE = """
import django
django.setup()
from assistants import lifecycle
from assistants.models import Citation, Conversation, Message
from datasources.models import DataSource, Document, Grant, Node, node_id
from portal.models import Space, User, Workspace
here = Workspace.objects.get(slug="demo")
admin = User.objects.get(email="admin@example.com")
source = DataSource.objects.create(workspace=here, kind="upload", name="Archive", state="ok")
Grant.objects.create(space=Space.objects.get(workspace=here, name="Company"), source=source)
nodes = []
for folder in ("Contracts", "Minutes", "Drawings"):
    above = node_id(source.pk, folder)
    about = dict(workspace=here, source=source)
    nodes.append(Node(id=above, external_id=folder, kind="folder", title=folder, parents=[above], path=folder,
                      status="container", has_children=True, **about))
    for n in range(700):
        key = node_id(source.pk, f"{folder}/{n}")
        nodes.append(Node(id=key, external_id=f"{folder}/{n}", kind="file", title=f"Page {n}", parent_id=above,
                          parents=[key, above], path=f"{folder} / Page {n}", depth=1, status="indexed", **about))
Node.objects.bulk_create(nodes)
made = lifecycle.create_assistant(workspace=here, by=admin, handle="archive", name="Archive", description="Old papers.",
    instructions="You look into old papers.", starters=["What did we sign?"],
    knowledge=[{"data_source": str(source.pk), "parents_in": None, "parents_not_in": []}])
talk = Conversation.objects.create(workspace=here, owner=admin, assistant=made)
answer = Message.objects.create(conversation=talk, role="assistant", author=admin, assistant=made, version=made.latest)
for n, name in enumerate(("Contracts/1", "Contracts/2", "Minutes/1"), 1):
    node = node_id(source.pk, name)
    Document.objects.create(node_id=node, text="We signed.", content_hash="h", indexed_hash="h")
    Citation.objects.create(message=answer, n=n, cited=True, source=source.pk, node=node, start=0, end=5, content_hash="h")
"""
PRESENT = {
    "name": "Leave desk",
    "description": "Leave.",
    "instructions": "You answer questions on leave.\n\nBe short.",
    "starters": ["How many holidays do I have?"],
}
DRAFT = {
    "name": "Leave desk",
    "description": "Answers questions on holidays and sick leave.",
    "instructions": "You answer questions on leave.\n\nSay how many days first.\n\nName who approves.",
    "starters": ["How many holidays do I have?", "Who approves my leave?"],
}
STARTERS = "\n".join(DRAFT["starters"])


def reply(body: dict[str, Any]) -> str:
    return json.dumps(DRAFT) if "You draft assistants" in body["messages"][0]["content"] else "Ask your manager."


@pytest.fixture(scope="module")
def portal(started_once) -> Iterator[Portal]:
    with OpenAIServer(Script(text=reply)) as vendor, fresh_portal(started_once) as made:
        made.python("-c", BEFORE, vendor.base_url, json.dumps(PRESENT))
        made.python("-c", WIDE)
        yield made


def test_a_draft_is_shown_as_differences_and_taken_part_by_part(page: Page, look) -> None:
    page.goto("/w/demo/assistants/leave-desk/edit/")
    page.locator("summary", has_text="Help me write this").click()
    wish = page.get_by_label("What should change? A sentence is enough.")
    wish.fill("Days first, and always say who approves")
    page.get_by_role("button", name="Write a draft").click()
    written = page.locator("#written")
    expect(page.get_by_text("A draft is there, of 3 parts.")).to_be_attached()
    # Its name would stay: that is no part of the draft.
    expect(written.get_by_role("heading")).to_have_text(
        ["What it does, in one line", "Instructions", "Starter questions"]
    )
    expect(in_diff(written, "Instructions", "del")).to_have_text(["Be short."])
    expect(in_diff(written, "Instructions", "ins")).to_have_text(["Say how many days first.", "", "Name who approves."])
    expect(in_diff(written, "Starter questions", "del")).to_have_count(0)
    expect(in_diff(written, "Starter questions", "ins")).to_have_text(["Who approves my leave?"])
    holds(page, description="Leave.", instructions=PRESENT["instructions"])
    look(page, "builder-draft", written)

    unsaved = page.get_by_text("Unsaved changes")
    expect(unsaved).to_be_hidden()
    written.get_by_role("button", name="Accept: Instructions").click()
    holds(page, description="Leave.", instructions=DRAFT["instructions"], starters=PRESENT["starters"][0])
    expect(unsaved).to_be_visible()
    expect(written.get_by_role("button", name="Accept: What it does, in one line")).to_be_visible()
    written.get_by_role("button", name="Undo: Instructions").click()
    holds(page, description="Leave.", instructions=PRESENT["instructions"])
    expect(unsaved).to_be_hidden()
    written.get_by_role("button", name="Accept: What it does, in one line").click()
    holds(page, description=DRAFT["description"], instructions=PRESENT["instructions"])
    written.get_by_role("button", name="Accept all").click()
    holds(page, description=DRAFT["description"], instructions=DRAFT["instructions"], starters=STARTERS)
    expect(written.get_by_role("button", name=re.compile("^Undo: "))).to_have_count(3)
    expect(page.locator("[data-trial]").get_by_role("button", name="Who approves my leave?")).to_be_visible()
    # What was there comes back after all of it was taken, too.
    written.get_by_role("button", name="Undo: Starter questions").click()
    holds(page, instructions=DRAFT["instructions"], starters=PRESENT["starters"][0])
    written.get_by_role("button", name="Discard").click()
    expect(written).to_be_empty()
    expect(wish).to_be_focused()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(unsaved).to_be_hidden()
    expect(page.get_by_label("What should change? A sentence is enough.")).to_have_value("")

    page.goto("/w/demo/assistants/leave-desk/edit/")
    holds(page, description=DRAFT["description"], instructions=DRAFT["instructions"], starters=PRESENT["starters"][0])


def in_diff(written: Locator, part: str, kind: str) -> Locator:
    return written.get_by_role("region", name=part).locator(f".diff {kind}")


def holds(page: Page, **fields: Any) -> None:
    for name, value in fields.items():
        expect(page.locator(f"#builder [name={name}]")).to_have_value(value)


def test_a_handle_is_checked_as_it_is_typed_and_the_nearest_free_one_named(page: Page) -> None:
    page.goto("/w/demo/assistants/new/form/")
    handle = page.get_by_label("Handle", exact=True)
    told = page.locator("[data-handle-state]")
    # As long as nobody typed one, it follows the name.
    page.get_by_label("Name", exact=True).press_sequentially("Leave desk")
    expect(handle).to_have_value("leave-desk")
    expect(told).to_have_text("@leave-desk is taken. Choose another handle, such as @leave-desk-2.")
    expect(handle).to_have_attribute("aria-invalid", "true")
    handle.fill("leave-desk-2")
    expect(told).to_have_text("@leave-desk-2 is free.")
    expect(handle).to_have_attribute("aria-invalid", "false")
    handle.fill("new")
    expect(told).to_have_text("@new is a word of the product. Choose another handle, such as @new-2.")
    handle.fill("ä")
    expect(told).to_contain_text("3 to 40 small letters")
    handle.fill("leave-office")
    expect(told).to_have_text("@leave-office is free.")
    page.get_by_label("Name", exact=True).fill("Holidays")
    expect(handle).to_have_value("leave-office")


def test_an_assistant_is_built_tried_and_published_by_keyboard(page: Page) -> None:
    keys = Keys(page)
    page.goto("/w/demo/assistants/")
    keys.use(page.get_by_role("link", name="New assistant").first)
    expect(page).to_have_url(re.compile("/assistants/new/$"))
    keys.use(page.get_by_role("link", name="Start blank"))
    expect(page).to_have_url(re.compile("/assistants/new/form/"))
    keys.to(page.get_by_label("Emoji"))
    keys.type("🚆")
    keys.to(page.get_by_label("Name", exact=True))
    keys.type("Travel desk")
    expect(page.locator("[data-handle-state]")).to_have_text("@travel-desk is free.")
    keys.to(page.get_by_label("Handle", exact=True))
    keys.press("End")
    keys.type("s")
    expect(page.locator("[data-handle-state]")).to_have_text("@travel-desks is free.")
    keys.to(page.locator("[name=colour]:checked"))
    keys.press("ArrowRight")
    keys.to(page.locator("[name=instructions]"))
    keys.type("Answer questions on travel, shortly.")
    guide = page.locator("li[data-source]", has_text="Atrium user guide").first
    opener = guide.get_by_role("button", name="Open Atrium user guide")
    keys.to(opener)
    if opener.get_attribute("aria-expanded") == "false":
        keys.press("ArrowRight")
    connectors = guide.get_by_label("connectors", exact=True)
    keys.to(connectors)
    keys.press("Space")
    expect(connectors).to_be_checked()
    trial = page.locator("[data-trial]")
    keys.to(trial.get_by_label("Your question"))
    keys.type("How do I connect a folder?")
    keys.press("Enter")
    expect(trial).to_contain_text("Ask your manager.")
    expect(trial.get_by_role("button", name="Stop the answer")).to_be_hidden()
    expect(trial.get_by_label("Your question")).to_be_focused()
    keys.round()
    keys.use(page.get_by_role("button", name="Save", exact=True))
    expect(page).to_have_url(re.compile("/assistants/travel-desks/edit/"))
    holds(page, name="Travel desk", emoji="🚆", instructions="Answer questions on travel, shortly.")
    expect(page.locator("[data-picker-words]").first).to_contain_text("1 ticked")
    keys.use(page.get_by_role("button", name="Publish"))
    expect(page.get_by_role("button", name="Publish")).to_have_count(0)

    more, menu = page.get_by_role("button", name="More", exact=True), page.locator("#builder-more")
    keys.use(more)
    items = menu.locator(".menu-item:visible")
    for key, item in (("", items.first), ("ArrowUp", items.last), ("ArrowDown", items.first)):
        if key:
            keys.press(key)
        expect(item).to_be_focused()
        keys.seen()
    keys.to(items.last, "ArrowDown")
    keys.press("Enter")
    expect(page.locator("#archive-assistant :focus")).to_have_count(1)
    keys.press("Escape")
    expect(more).to_be_focused()


def test_advice_stands_beside_its_field_as_long_as_it_holds(page: Page, look) -> None:
    page.goto("/w/demo/assistants/archive/edit/")
    wide = page.locator("#advice-knowledge")
    expect(wide).to_contain_text("It searches 2\u202f100 pages; narrower answers better.")
    expect(wide.locator(".advice-cited li")).to_have_text(
        [re.compile("^Contracts\\s*2$"), re.compile("^Minutes\\s*1$")]
    )
    empty = page.locator("#advice-instructions")
    expect(empty).to_be_empty()
    instructions = page.locator("#builder [name=instructions]")
    instructions.fill("")
    expect(empty).to_contain_text("It has no instructions: it answers like any other.")
    look(page, "builder-advice", empty)
    page.get_by_role("checkbox", name="All of Archive").uncheck()
    expect(wide).to_be_empty()
    instructions.fill("You look into old papers.")
    expect(empty).to_be_empty()


def test_one_that_does_the_same_is_named_while_it_is_built(page: Page) -> None:
    page.goto("/w/demo/assistants/new/form/")
    page.get_by_label("Name", exact=True).fill("Holidays")
    description = page.locator("#builder [name=description]")
    similar = page.locator("#advice-description").get_by_role("link", name="@leave-desk")
    # The index hears of what was saved a moment later: each letter asks again.
    for marks in range(1, 40):
        with page.expect_response("**/building/advice/"):
            description.fill(DRAFT["description"] + "!" * marks)
        if similar.count():
            break
    expect(page.locator("#advice-description")).to_contain_text(
        "This looks like @leave-desk. Perhaps that does what you need."
    )
    expect(similar).to_have_attribute("href", "/w/demo/assistants/leave-desk/")
    description.fill("Draws bridges of steel.")
    expect(similar).to_have_count(0)


def test_a_picture_is_shown_and_a_file_that_is_none_is_refused_in_words(page: Page) -> None:
    page.goto("/w/demo/assistants/leave-desk/edit/")
    file, told = page.get_by_label("Or a picture"), page.locator("[data-picture-words]")
    shown = page.locator("[data-picture-shown]")
    expect(shown).to_be_hidden()
    file.set_input_files({"name": "note.png", "mimeType": "image/png", "buffer": b"A note, not a picture."})
    expect(told).to_contain_text("not a picture that can be used")
    expect(shown).to_be_hidden()
    picture = {"name": "leave.png", "mimeType": "image/png", "buffer": a_picture(size=(300, 200)).getvalue()}
    file.set_input_files(picture)  # type: ignore[arg-type]
    expect(told).to_have_text("This picture is shown once you save.")
    expect(page.locator("[data-trial-picture] img")).to_be_visible()
    file.set_input_files({"name": "drawing.svg", "mimeType": "image/svg+xml", "buffer": b"<svg/>"})
    expect(told).to_contain_text("not a picture that can be used")
    expect(shown).to_be_visible()  # the one that was taken stays
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Unsaved changes")).to_be_hidden()
    page.goto("/w/demo/assistants/leave-desk/")
    image = main(page).locator(".avatar img").first
    assert image.evaluate("async (image) => (await image.decode(), image.naturalWidth)") == 256


def test_any_two_versions_are_compared_and_an_old_one_is_brought_back(page: Page, look) -> None:
    for name, text in (("Days and notes", "You answer.\n\nBe exact."), ("Notes", "You answer.\n\nBe kind.")):
        page.goto("/w/demo/assistants/archive/edit/")
        page.get_by_label("Name", exact=True).fill(name)
        page.locator("#builder [name=instructions]").fill(text)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Unsaved changes")).to_be_hidden()
    page.goto("/w/demo/assistants/archive/versions/")
    page.get_by_role("group", name="Compare version 1").get_by_label("as the older one").check()
    page.get_by_role("group", name="Compare version 3").get_by_label("as the newer one").check()
    page.get_by_role("button", name="Compare").click()
    found = page.locator("#comparison")
    expect(found.get_by_role("heading", name="Version 1 → 3")).to_be_visible()
    expect(found.get_by_role("region", name="Name").locator("del")).to_have_text("Archive")
    expect(found.get_by_role("region", name="Name").locator("ins")).to_have_text("Notes")
    expect(in_diff(found, "Instructions", "del")).to_have_text(["You look into old papers."])
    expect(in_diff(found, "Instructions", "ins")).to_have_text(["You answer.", "", "Be kind."])
    expect(page).to_have_url(re.compile("new=3&old=1"))
    look(page, "versions-compared", found)
    page.get_by_role("group", name="Compare version 2").get_by_label("as the older one").check()
    page.get_by_role("button", name="Compare").click()
    expect(in_diff(found, "Instructions", "del")).to_have_text(["Be exact."])
    expect(in_diff(found, "Instructions", "ins")).to_have_text(["Be kind."])

    page.get_by_role("button", name="Go back to this (version 1)").click()
    expect(page.get_by_text("Version 4 is what version 1 was.")).to_be_visible()
    expect(main(page).get_by_role("listitem").first).to_contain_text("Version 4")
    page.goto("/w/demo/assistants/archive/edit/")
    holds(page, name="Archive", instructions="You look into old papers.")
