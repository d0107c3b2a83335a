"""What a new user does, from the printed link to a colleague who reads along; steps build on each other, in order."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from bench.product import Portal
from tests.browser.conftest import SIZES
from tests.browser.dropping import Dragged
from tests.browser.keyboard import Keys
from tests.browser.screen import answer, ask, finished, main
from tests.vendors.openai import OpenAIServer
from tests.vendors.server import Script

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

WRITTEN = (
    "You may request up to 240 hours of advanced sick leave [1]. Tell your manager before ten [1].\n\n"
    "| What | How much |\n|---|---|\n| Advanced leave | 240 hours |\n\n```python\nhours = 240\n```\n\n"
    "![a picture](https://evil.example/pixel.png) and [a link](https://evil.example/)\n"
)


@pytest.fixture(scope="module")
def vendor() -> Iterator[OpenAIServer]:
    with OpenAIServer(Script(text=WRITTEN, delay=0.02)) as server:
        yield server


def test_1_the_first_question_is_answered_from_the_guide_without_any_key(page, look):
    page.goto("/w/demo/")
    look(page, "home-new")
    ask(page, "How do I connect a folder?")
    expect(page).to_have_url(re.compile("/w/demo/c/"))
    finished(page)
    expect(answer(page)).to_contain_text("No model is configured")
    expect(answer(page)).to_contain_text("Choose Folder")
    expect(answer(page).locator(".cite").first).to_be_visible()
    look(page, "answer-quotes")

    ask(page, "What did the Romans pay for a kilogram of pepper?")
    expect(page.locator("article.answer")).to_have_count(2)
    finished(page)
    expect(answer(page)).to_contain_text("nothing")
    look(page, "answer-nothing-found")


def test_2_a_folder_is_connected_and_every_page_accounted_for(page, folder: Path, look):
    page.goto("/w/demo/data/")
    main(page).get_by_role("link", name="Connect").first.click()
    look(page, "connect-kinds")
    main(page).get_by_role("link", name=re.compile("Folder")).click()
    main(page).get_by_label("Folder").fill(str(folder / "nowhere"))
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#test-result")).to_contain_text(re.compile("no|not", re.I))
    main(page).get_by_label("Folder").fill(str(folder / "handbook"))
    look(page, "connect-folder")
    main(page).get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile("/data/[0-9a-f-]{36}/choose/"))
    main(page).get_by_label("All of handbook").check()
    expect(main(page).get_by_text("Everything in handbook")).to_be_visible()
    look(page, "choose")
    main(page).get_by_role("button", name="Continue").click()
    expect(page.locator("#estimate")).to_contain_text("passages")
    main(page).get_by_label("Name").fill("Handbook")
    look(page, "finish")
    main(page).get_by_role("button", name="Connect and sync").click()
    expect(page).to_have_url(re.compile("/data/[0-9a-f-]{36}/$"))
    expect(page.locator("#run")).to_contain_text("Up to date", timeout=60_000)
    page.goto(urlsplit(page.url).path)
    expect(page.get_by_text("empty.md").or_(page.get_by_text("notes")).first).to_be_visible()
    look(page, "source-contents")
    main(page).get_by_role("link", name="Runs").click()
    look(page, "source-runs")
    page.locator("#runs table a").first.click()
    expect(page.get_by_text("empty.md").first).to_be_visible()
    look(page, "run-account")


def test_2_a_larger_folder_is_paused_resumed_and_stopped_and_a_child_left_out(page, folder: Path, look):
    page.goto("/w/demo/data/new/?kind=folder")
    main(page).get_by_label("Folder").fill(str(folder / "archive"))
    main(page).get_by_role("button", name="Continue").click()
    tick = main(page).get_by_label("All of archive")
    tick.check()
    main(page).get_by_label("drafts", exact=True).uncheck()
    expect(tick).to_have_js_property("indeterminate", True)
    main(page).get_by_role("button", name="Continue").click()
    expect(page.locator("#estimate")).to_contain_text("400")
    main(page).get_by_role("button", name="Connect and sync").click()

    run = page.locator("#run")
    bar = run.get_by_role("progressbar", name="Progress of the sync")
    expect(run).to_contain_text(re.compile(r"Syncing [1-9]\d+ of 400"))
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
    run.get_by_role("button", name="Pause").click()
    expect(run).to_contain_text(re.compile(r"Paused at \d+ of 400"))
    look(page, "source-paused")
    paused = read_so_far(run)
    run.get_by_role("button", name="Resume").click()
    expect(run).to_contain_text(re.compile(r"Left\s*\d"))
    for _ in range(100):
        if read_so_far(run) > paused:
            break
        page.wait_for_timeout(100)
    assert read_so_far(run) > paused
    run.get_by_role("button", name="Stop").click()
    expect(bar).to_have_count(0)
    page.goto(urlsplit(page.url).path)
    expect(page.locator("#contents")).to_contain_text("Waiting")
    expect(page.locator("#contents")).not_to_contain_text("drafts")


def read_so_far(run: Locator) -> int:
    """How many documents the card of a run says that it has read."""
    found = re.search(r"Read\s*(\d+)", run.inner_text())
    assert found, run.inner_text()
    return int(found.group(1))


def test_3_files_folders_and_zips_are_dropped_in(page, tmp_path: Path, look):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(
            "policies/bicycles.md", "# Bicycles\n\nA bicycle costs 30 euros a month through the company.\n"
        )
    (tmp_path / "policies.zip").write_bytes(packed.getvalue())
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 this is no pdf")
    (tmp_path / "yard" / "cranes").mkdir(parents=True)
    (tmp_path / "yard" / "tides.md").write_text("# Tides\n\nThe yard floods twice a year.\n")
    (tmp_path / "yard" / "cranes" / "hooks.md").write_text("# Hooks\n\nHooks are oiled in May.\n")
    page.goto("/w/demo/data/new/?kind=upload")
    main(page).get_by_label("Name").fill("Policies")
    main(page).get_by_role("button", name="Connect").click()
    expect(page).to_have_url(re.compile("/data/[0-9a-f-]{36}/"))
    source, field, words = urlsplit(page.url).path, page.locator("#drop"), page.locator("[data-drop-words]")
    contents = page.locator("#contents")
    page.locator("input[data-drop-files]").set_input_files([tmp_path / "policies.zip"])
    expect(words).to_have_text("1 of 1 files are in.")

    dropped = Dragged(page, tmp_path / "broken.pdf", tmp_path / "yard")
    as_ever = field.evaluate("(field) => getComputedStyle(field).backgroundColor")
    dropped.over(field)
    expect(field).not_to_have_css("background-color", as_ever)
    dropped.drop(field)
    expect(field).to_have_css("background-color", as_ever)
    expect(words).to_have_text("4 of 4 files are in.")
    for name in ("policies.zip", "broken.pdf", "yard"):
        expect(contents).to_contain_text(name, timeout=60_000)
    for said in ("https://evil.example/", "just words"):
        Dragged(page, text=said).drop(field)
        expect(words).to_have_text("That is no file. Drop files, folders or zips.")
    (tmp_path / "bare").mkdir()
    Dragged(page, tmp_path / "bare").drop(field)
    expect(words).to_have_text("There are no files in it.")
    # What lands beside the field would else take the place of the page.
    (tmp_path / "beside.md").write_text("# Beside\n\nIt fell off the crane.\n")
    Dragged(page, tmp_path / "beside.md").drop(page.get_by_role("heading", name="Policies"))
    expect(words).to_have_text("5 of 5 files are in.")
    drop_a_picture_of_another_page(field)
    expect(words).to_have_text("6 of 6 files are in.")
    assert urlsplit(page.url).path == source
    expect(contents).to_contain_text("beside.md", timeout=60_000)
    contents.get_by_role("button", name="Open yard").click()
    contents.get_by_role("button", name="Open cranes").click()
    expect(contents.get_by_role("link", name="hooks.md")).to_be_visible()
    expect(page.locator("#run [role=progressbar]")).to_have_count(0, timeout=60_000)
    look(page, "upload-contents")
    page.goto(source)
    main(page).get_by_role("link", name=re.compile("^(Failed|Skipped) 1$")).click()
    with page.expect_response(re.compile("/retry/")):
        main(page).get_by_role("button", name="Retry this one").click()
    page.goto(f"{urlsplit(page.url).path}runs/")
    page.locator("#runs tbody tr").first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=re.compile("^Retry of what failed"))).to_be_visible()
    expect(page.get_by_text("broken.pdf").first).to_be_visible()


def drop_a_picture_of_another_page(field: Locator) -> None:
    """Such a one is a file that stands in no folder."""
    field.evaluate("""(field) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(["# Handed over\\n\\nBy another page.\\n"], "handed-over.md"));
      field.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
    }""")


def test_4_the_tree_opens_and_a_document_reads_as_text(page, look):
    page.goto("/w/demo/data/")
    main(page).get_by_role("link", name="Handbook").first.click()
    page.get_by_role("button", name="Open leave").click()
    page.get_by_role("link", name="sick-leave.md").click()
    expect(page.get_by_text("240 hours of advanced sick leave")).to_be_visible()
    expect(page.get_by_text("Company", exact=True)).to_be_visible()
    look(page, "document")


def test_5_a_key_is_added_in_the_admin_and_tested(page, vendor, look):
    page.goto("/w/demo/govern/")
    look_at(page, look, "govern")
    page.goto("/w/demo/govern/portal/credential/add/")
    page.locator("[name=kind]").select_option("openai_compatible")
    page.locator("[name=name]").fill("House model")
    page.locator("[name=base_url]").fill(vendor.base_url)
    page.locator("[name=api_key]").fill("sk-a-secret-that-nobody-sees-again")
    page.get_by_role("button", name=re.compile("^Save( and continue editing)?$")).first.click()
    page.goto("/w/demo/govern/portal/credential/")
    page.get_by_role("link", name="House model").first.click()
    assert "sk-a-secret" not in page.content()
    page.get_by_role("link", name=re.compile("^Test")).or_(
        page.get_by_role("button", name=re.compile("^Test"))
    ).first.click()
    expect(page.get_by_text("is now the workspace's default model")).to_be_visible(timeout=30_000)
    expect(page.get_by_label("Default model of the workspace")).to_have_value("gpt-5")


def look_at(page: Page, look, name: str) -> None:
    look(page, name)


def test_6_an_assistant_is_built_tried_and_published(page, look):
    page.goto("/w/demo/assistants/new/")
    look(page, "new-assistant")
    page.get_by_role("link", name="Start blank").first.click()
    page.get_by_label("Name", exact=True).fill("Leave helper")
    page.get_by_label("Handle").fill("leave-helper")
    page.get_by_label("Emoji").fill("🌴")
    page.get_by_label("What it does, in one line").fill("Answers questions on leave.")
    page.locator("[name=instructions]").fill("Answer questions on leave, shortly.")
    handbook = page.locator("li[data-source]", has_text="Handbook").first
    handbook.get_by_role("button", name="Open Handbook").click()
    leave = handbook.get_by_label("leave", exact=True)
    leave.check()
    handbook.get_by_role("button", name="Open leave").click()
    handbook.get_by_label("parental-leave.md", exact=True).uncheck()
    expect(leave).to_have_js_property("indeterminate", True)
    page.locator("[name=model]").select_option(index=1)
    look(page, "builder")
    trial = page.locator("[data-trial]")
    field = trial.locator("textarea")
    field.fill("How many hours of advanced sick leave?")
    field.press("Enter")
    expect(trial).to_contain_text("240 hours of advanced sick leave", timeout=30_000)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile("/assistants/leave-helper/"))
    page.goto("/w/demo/assistants/leave-helper/edit/")
    page.get_by_role("button", name="Publish").first.click()
    page.goto("/w/demo/assistants/")
    expect(page.get_by_text("Leave helper").first).to_be_visible()
    look(page, "gallery")
    page.goto("/w/demo/assistants/leave-helper/")
    look(page, "assistant")


def test_7_the_answer_streams_cites_and_opens_the_source_at_the_passage(page, vendor, admin, look):
    page.goto("/w/demo/assistants/leave-helper/")
    ask(page, "How many hours of advanced sick leave may I request?")
    expect(page).to_have_url(re.compile("/w/demo/c/"))
    second = admin.new_page()
    second.goto(page.url)
    finished(page)
    finished(second)
    expect(answer(second)).to_contain_text("240 hours of advanced sick leave")
    for tab in (page, second):
        expect(answer(tab).get_by_role("button", name="Copy the code")).to_be_visible()
    written = answer(page).locator(".answer-body").inner_text()
    expect(answer(second).locator(".answer-body")).to_have_text(written, use_inner_text=True)
    second.close()
    expect(page.locator("#sources")).to_contain_text("Sick leave")
    expect(page.locator("#sources")).not_to_contain_text("Parental leave")
    admin.grant_permissions(["clipboard-read", "clipboard-write"])
    answer(page).get_by_role("button", name="Copy the answer").click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()).includes('240 hours')")

    body = answer(page).locator(".answer-body")
    expect(body.locator("table")).to_be_visible()
    expect(body.locator("pre")).to_contain_text("hours = 240")
    expect(body.locator("img")).to_have_count(0)
    expect(body.locator("a[href^='https://evil']")).to_have_count(0)
    chip = body.locator(".cite").first
    chip.hover()
    card = page.locator("#citation-card")
    for words in ("Sick leave", "Handbook / leave / sick-leave.md", "Changed", "Has “hours”"):
        expect(card).to_contain_text(words)
    expect(card.locator(".source-said")).to_have_text("You may request up to 240 hours of advanced sick leave.")
    look(page, "answer")
    chip.click()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/documents/"))
    expect(page.locator("mark", has_text="advanced sick leave").first).to_be_in_viewport()
    look(page, "document-cited")


def test_8_stop_reload_ask_again_edit_and_thumbs(page, vendor, admin, look):
    vendor.script = Script(text="Slowly does it, " * 200, delay=0.05)
    page.goto("/w/demo/assistants/leave-helper/")
    ask(page, "What is said of sick leave?")
    expect(page).to_have_url(re.compile("/w/demo/c/"))
    expect(answer(page).locator(".answer-body")).to_contain_text("Slowly does it", timeout=30_000)
    page.reload()
    expect(answer(page).locator(".answer-body")).to_contain_text("Slowly does it")
    second = admin.new_page()
    second.goto(page.url)
    for tab in (page, second):
        body = answer(tab).locator(".answer-body")
        expect(body).to_contain_text("Slowly does it")
        # It goes on after a reload, and in a second tab.
        before = len(body.inner_text())
        tab.wait_for_function("([body, before]) => body.innerText.length > before", arg=[body.element_handle(), before])
        expect(answer(tab)).to_have_attribute("data-status", "running")
    look(page, "answer-streaming")
    page.get_by_label("Your question").last.press("Escape")
    for tab in (page, second):
        expect(answer(tab)).to_have_attribute("data-status", "stopped")
    second.close()
    kept = answer(page).locator(".answer-body").inner_text()
    page.reload()
    expect(answer(page).locator(".answer-body")).to_have_text(kept, use_inner_text=True)

    vendor.script = Script(text="The second answer is short [1].")
    page.get_by_role("button", name="Ask again").last.click()
    expect(answer(page)).to_contain_text("The second answer is short")
    finished(page)
    expect(page.get_by_text("2/2").first).to_be_visible()

    vendor.script = Script(text="An answer to the edited question [1].")
    page.locator("summary", has_text="Edit").last.click()
    page.locator("[data-edit] textarea").last.fill("Who is told of sick leave?")
    page.get_by_role("button", name="Ask anew").last.click()
    expect(answer(page)).to_contain_text("edited question")
    finished(page)
    answer(page).get_by_role("button", name="Not a good answer").click()
    answer(page).get_by_text("Something is missing").click()
    answer(page).get_by_label("In your words, if you like").fill("It says nothing of fathers.")
    answer(page).get_by_role("button", name="Send").click()
    expect(answer(page).get_by_text("Thank you")).to_be_visible()


def test_9_a_vendor_that_fails_is_told_in_words_and_can_be_tried_again(page, vendor, look):
    vendor.script = Script(status=401)
    page.goto("/w/demo/assistants/leave-helper/")
    ask(page, "How many hours of sick leave?")
    expect(answer(page)).to_have_attribute("data-status", "error", timeout=30_000)
    expect(answer(page)).to_contain_text("key")
    look(page, "answer-error")
    vendor.script = Script(text="Now it works [1].")
    page.get_by_role("button", name="Try again").click()
    expect(answer(page)).to_contain_text("Now it works", timeout=30_000)


def test_10_a_colleague_joins_sees_what_a_member_may_see_and_reads_a_shared_conversation(
    page, portal, chromium, vendor, folder: Path, look
):
    page.goto("/w/demo/people/")
    page.get_by_role("button", name="Invite").first.click()
    page.get_by_label("E-mail addresses").fill("colleague@example.com")
    page.locator("#invite").get_by_role("button", name="Invite").click()
    link = page.locator("code[id^=link-]").first.inner_text()
    look(page, "people")
    vendor.script = Script(text="Receipts go to the finance folder [1].")
    page.goto("/w/demo/")
    ask(page, "Where do receipts go?")
    finished(page)
    page.get_by_role("button", name="Share").first.click()
    page.get_by_label(re.compile("Everyone in Demo")).check()
    page.locator("#share").get_by_role("button", name="Save").click()
    expect(page.locator("#share")).to_be_hidden()
    shared = page.url

    context = chromium.new_context(base_url=f"http://localhost:{portal.port}", viewport=SIZES["1280"])
    colleague = context.new_page()
    colleague.goto(link)
    look(colleague, "invitation")
    colleague.get_by_label(re.compile("name", re.I)).first.fill("Cleo Colleague")
    colleague.locator("input[type=password]").first.fill("a long password for cleo")
    if colleague.locator("input[type=password]").count() > 1:
        colleague.locator("input[type=password]").nth(1).fill("a long password for cleo")
    colleague.get_by_role("button", name=re.compile("Join")).click()
    expect(colleague).to_have_url(re.compile("/w/demo/"))
    expect(colleague.get_by_text("Govern")).to_have_count(0)
    look(colleague, "home-member")
    colleague.goto("/w/demo/assistants/")
    expect(colleague.get_by_text("Leave helper").first).to_be_visible()
    colleague.goto(shared)
    expect(answer(colleague)).to_contain_text("Receipts")
    for path in ("/w/demo/govern/", "/w/demo/data/new/"):
        assert colleague.goto(path).status in (403, 404)
    assert colleague.goto("/w/elsewhere/").status == 404

    for_the_board_alone(portal, folder / "board")
    vendor.script = Script(text="\n\n".join(f"Fact number {n} [{n}]." for n in range(1, 9)))
    page.goto("/w/demo/")
    ask(page, "How many people of the shipyard will be laid off?")
    finished(page)
    swan = page.locator("[data-sources] .source", has_text="Project Swan").first
    secret = swan.get_attribute("data-n")
    assert colleague.goto(page.url).status == 404
    page.locator("[data-answer-menu]").last.click()
    page.locator("#answer-menu").get_by_role("button", name="Share").click()
    page.get_by_label("People, by e-mail").fill("colleague@example.com")
    page.locator("#share").get_by_role("button", name="Save").click()
    expect(page.locator("#share")).to_be_hidden()
    colleague.goto(page.url)
    shown = answer(colleague).locator(".answer-body")
    expect(shown).to_contain_text("Withheld")
    expect(shown).not_to_contain_text(f"Fact number {secret} ")
    expect(shown.locator(".cite")).to_have_count(7)
    expect(colleague.locator("[data-sources] .source", has_text="Withheld")).to_have_count(1)
    assert "Swan" not in colleague.content()
    look(colleague, "answer-withheld")
    context.close()


def for_the_board_alone(portal: Portal, folder: Path) -> None:
    """A folder that only the admin may read, synced to its end."""
    with portal.client() as api:
        me = api.get("me/").json()["user"]["id"]
        space = api.post("spaces/", json={"name": "Board", "kind": "restricted", "members": [me]}).json()["id"]
        asked = {"kind": "folder", "name": "Board papers", "config": {"path": str(folder)}, "spaces": [space]}
        source = api.post("data-sources/", json=asked).json()["id"]
        for _ in range(300):
            run = api.get(f"data-sources/{source}/").json()["last_run"]
            if run and run["state"] == "done":
                return
            time.sleep(0.1)
    raise AssertionError(run)


def test_11_the_keyboard_alone_suffices(page, vendor):
    vendor.script = Script(text=WRITTEN)
    keys = Keys(page)
    ask_by_keyboard(page, "How many hours of sick leave?")
    finished(page)
    keys.to(page.locator(".answer-body .cite").first)
    expect(page.locator("#citation-card")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/documents/"))
    expect(page.locator("mark", has_text="advanced sick leave").first).to_be_in_viewport()

    vendor.script = Script(text="Slowly does it, " * 200, delay=0.05)
    ask_by_keyboard(page, "What is said of sick leave?")
    expect(answer(page).locator(".answer-body")).to_contain_text("Slowly does it")
    page.keyboard.press("Escape")
    expect(answer(page)).to_have_attribute("data-status", "stopped")
    keys.to(page.locator(".composer [name=content]"))
    page.keyboard.press("ArrowUp")
    edited = page.locator("[data-edit] textarea").last
    expect(edited).to_be_focused()
    expect(edited).to_have_value("@leave-helper What is said of sick leave?")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Your question").last).to_be_focused()

    page.keyboard.press("Control+k")
    page.keyboard.type("Handbook")
    # At once, before anything was found.
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/w/demo/data/"))


def test_12_by_keyboard_files_come_in_and_colleagues_are_invited(page, tmp_path: Path):
    keys = Keys(page)
    page.goto("/w/demo/data/")
    keys.go("Policies")
    keys.round()
    choose, words = page.get_by_label("Choose files"), page.locator("[data-drop-words]")
    (tmp_path / "parking.md").write_text("# Parking\n\nCars park behind the sail loft.\n")
    page.route("**/upload/", lambda route: None)  # on its way for ever
    choose_by_keyboard(keys, choose, tmp_path / "parking.md")
    expect(words).to_have_text("Sent 0 of 1 files")
    keys.use(page.get_by_role("button", name="Stop"))
    expect(words).to_have_text("Stopped. No file came in.")
    expect(choose).to_be_focused()
    page.unroute("**/upload/")
    choose_by_keyboard(keys, choose, tmp_path / "parking.md")
    expect(words).to_have_text("1 of 1 files are in.")
    expect(choose).to_be_focused()
    take_out = page.get_by_role("button", name="Take out parking.md")
    expect(take_out).to_be_visible(timeout=60_000)
    expect(page.locator("#run [role=progressbar]")).to_have_count(0, timeout=60_000)
    keys.to(take_out)
    keys.press("Space")
    expect(page.locator("#sheet")).to_contain_text("parking.md")
    expect(page.locator("#sheet :focus")).to_have_count(1)
    keys.press("Escape")
    expect(take_out).to_be_focused()

    keys.back_to(page.locator("#rail").get_by_role("link", name="People", exact=True))
    keys.press("Enter")
    invite, addresses = page.get_by_role("button", name="Invite").first, page.get_by_label("E-mail addresses")
    keys.use(invite)
    expect(addresses).to_be_focused()
    keys.press("Escape")
    expect(invite).to_be_focused()
    keys.press("Enter")
    keys.round()
    keys.to(addresses)
    keys.type("keys@example.com")
    keys.to(page.get_by_label("Member"))
    keys.press("ArrowDown")
    expect(page.get_by_label("Builder")).to_be_checked()
    keys.use(page.locator("#invite").get_by_role("button", name="Invite"))
    expect(page.locator("code[id^=link-]")).to_be_visible()
    expect(page.locator("#people")).to_contain_text("keys@example.com")
    expect(invite).to_be_focused()


def choose_by_keyboard(keys: Keys, field: Locator, path: Path) -> None:
    keys.to(field)
    with keys.page.expect_file_chooser() as opened:
        keys.press("Enter")
    opened.value.set_files(path)


def test_13_by_keyboard_an_answer_is_judged_and_shared_and_menus_open_and_close(page, vendor):
    vendor.script = Script(text=WRITTEN)
    keys = Keys(page)
    ask_by_keyboard(page, "How much sick leave is there?")
    finished(page)
    keys.round()
    thumb = answer(page).get_by_role("button", name="Not a good answer")
    keys.to(thumb)
    keys.press("Space")
    reasons = answer(page).get_by_role("radio")
    expect(reasons.first).to_be_visible()
    expect(thumb).to_be_focused()
    keys.to(reasons.first)
    missing = answer(page).get_by_label("Something is missing")
    keys.to(missing, "ArrowDown")
    expect(missing).to_be_checked()
    keys.to(answer(page).get_by_label("In your words, if you like"))
    keys.type("It says nothing of fathers.")
    keys.use(answer(page).get_by_role("button", name="Send"))
    expect(answer(page).get_by_text("Thank you")).to_be_visible()
    expect(thumb).to_be_focused()

    menu, dialog, more = (
        page.locator("#answer-menu"),
        page.locator("#share"),
        answer(page).get_by_role("button", name="More"),
    )
    items = menu.locator(".menu-item:visible")
    keys.use(more)
    for key, item in (("", items.first), ("ArrowUp", items.last), ("ArrowDown", items.first), ("End", items.last)):
        if key:
            keys.press(key)
        expect(item).to_be_focused()
        keys.seen()
    keys.press("Escape")
    expect(menu).to_be_hidden()
    expect(more).to_be_focused()
    keys.press("Enter")
    keys.to(menu.get_by_role("button", name="Share…"), "ArrowDown")
    keys.press("Enter")
    expect(dialog.locator(":focus")).to_have_count(1)
    keys.press("Escape")
    expect(more).to_be_focused()

    share = page.get_by_role("button", name="Share").first
    keys.back_to(share)
    keys.press("Enter")
    expect(dialog.locator(":focus")).to_have_count(1)
    keys.round()
    everyone = dialog.get_by_role("checkbox")
    keys.to(everyone)
    keys.press("Space")
    expect(everyone).to_be_checked()
    keys.use(dialog.get_by_role("button", name="Save"))
    expect(dialog).to_be_hidden()
    expect(share).to_be_focused()

    row = page.locator("[data-conversation]", has=page.locator("[aria-current=page]"))
    keys.back_to(row.locator("[data-conversation-menu]"))
    keys.press("Enter")
    expect(page.locator("#conversation-menu .menu-item").first).to_be_focused()
    keys.seen()
    keys.press("Enter")
    expect(page.get_by_label("Name of the conversation")).to_be_focused()
    keys.type("Sick days")
    keys.press("Enter")
    expect(page.locator("[data-conversation]", has_text="Sick days").locator("[aria-current=page]")).to_be_focused()

    person = page.locator("#person")
    keys.use(page.get_by_role("button", name=re.compile("account and settings")))
    expect(person.locator(".menu-item").first).to_be_focused()
    keys.seen()
    # On by Tab, past its end: what was left does not stay open over the page.
    keys.to(page.get_by_role("button", name="Keyboard shortcuts"))
    expect(person).to_be_hidden()


def ask_by_keyboard(page: Page, question: str) -> None:
    """Begin a conversation with the assistant of the story, without a mouse."""
    page.goto("/w/demo/data/")
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("/w/demo/$"))
    expect(page.get_by_label("Your question").last).to_be_focused()
    page.keyboard.type("@leave")
    expect(page.locator(".completion [role=option]", has_text="Leave helper")).to_be_visible()
    page.keyboard.press("Enter")
    page.keyboard.type(question)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/w/demo/c/"))
