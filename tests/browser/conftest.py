"""A real portal on the embedded default, and a real Chromium in front of it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from bench.product import ROOT, Portal
from tests.first_start import FirstStart

ARTIFACTS = ROOT / "artifacts" / "screens"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"1280": {"width": 1280, "height": 860}, "390": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """For one module: while Playwright runs, its event loop is the thread's, and other tests could not have theirs."""
    executable = os.environ.get("ATRIUM_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not executable:
        pytest.fail("The browser tests need Chromium; name one with ATRIUM_CHROMIUM.")
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A company's folder, with a file that can't be read among the good ones; a larger archive; and what only few may read."""
    directory = Path(tempfile.mkdtemp(prefix="atrium-folder-"))
    pages = {
        "handbook/leave/sick-leave.md": "# Sick leave\n\nYou may request up to 240 hours of advanced sick leave.\n\n"
        "Tell your manager before ten o'clock on the first day.\n",
        "handbook/leave/parental-leave.md": "# Parental leave\n\nParents take 16 weeks of paid leave, in one piece or in two.\n",
        "handbook/travel/rail.md": "# Rail travel\n\nBook trains through the travel desk. First class needs a director's yes.\n",
        "handbook/finance/expenses.md": "# Expenses\n\nSend receipts within 30 days. Meals are paid up to 45 euros a day.\n",
        "board/layoffs.md": "# Project Swan\n\nForty people of the shipyard will be laid off in March.\n",
        "handbook/notes/kitchen.txt": "The kitchen is cleaned on Fridays. Please empty the fridge before noon.\n",
    }
    # Long enough that a sync of them can be met on its way on any machine.
    remarks = (
        "The clerk counted what came ashore, weighed a tenth of it, and wrote both into this sheet by lamp light. " * 9
    )
    for year in ("1987", "1988", "drafts"):
        pages |= {
            f"archive/{year}/sheet-{n:03}.md": f"# Sheet {n}\n\nBarrels of herring in {year}: {n}.\n\n{remarks}\n"
            for n in range(200)
        }
    for path, text in pages.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    (directory / "handbook/notes/empty.md").write_text("")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def fresh_portal(started_once: FirstStart, **environment: str) -> Iterator[Portal]:
    """As it stands after its first start, on a directory of its own."""
    place = Path(tempfile.mkdtemp(prefix="atrium-browser-"))
    made = Portal(started_once.copy_to(place / "data"), environment=environment)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def portal(folder: Path, started_once: FirstStart) -> Iterator[Portal]:
    """One of each module's own: what one story brings in would turn up in the answers, ranks and charts of another."""
    with fresh_portal(started_once, FOLDER=str(folder)) as made:
        yield made


@pytest.fixture(scope="session")
def look() -> Callable[..., None]:
    """Keep pictures of a page at both sizes, light and dark, and hold it to axe's serious rules.

    Axe looks at each size and at each scheme once: contrast goes with the scheme, and what lies where with the size.
    """
    ARTIFACTS.mkdir(parents=True, exist_ok=True)

    def shoot(page: Page, name: str, at: Locator | None = None) -> None:
        """``at``: what has to be in the picture, where that is further down."""
        before = page.viewport_size
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            for size, viewport in SIZES.items():
                page.set_viewport_size(viewport)  # type: ignore[arg-type]
                page.wait_for_timeout(150)
                if at is not None:
                    at.scroll_into_view_if_needed()
                page.screenshot(path=str(ARTIFACTS / f"{name}-{size}-{scheme}.png"))
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                    f"{name} scrolls sideways at {size}"
                )
                if (size, scheme) in (("1280", "light"), ("390", "dark")):
                    serious(page, f"{name}, {size}, {scheme}")
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        if before:
            page.set_viewport_size(before)

    return shoot


def serious(page: Page, name: str) -> None:
    """No violation that axe calls serious or critical."""
    found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    told = [f"{v['id']}: {v['help']}: {[n['target'] for n in v['nodes']][:3]}" for v in found]
    assert not told, f"{name}: {told}"


@pytest.fixture
def context(chromium: Browser, portal: Portal) -> Iterator[BrowserContext]:
    made = chromium.new_context(base_url=f"http://localhost:{portal.port}", viewport=SIZES["1280"], bypass_csp=False)  # type: ignore[arg-type]
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture(scope="module")
def admin(chromium: Browser, portal: Portal) -> Iterator[BrowserContext]:
    """The admin's browser, signed in with the link that the start printed."""
    context = chromium.new_context(base_url=f"http://localhost:{portal.port}", viewport=SIZES["1280"])
    context.set_default_timeout(20_000)
    page = context.new_page()
    line = next(line for line in portal.said if "Sign in as" in line)
    page.goto(link_in(line))
    expect(page).to_have_url(re.compile(r"/w/demo/$"))
    page.close()
    yield context
    context.close()


@pytest.fixture
def page(admin: BrowserContext) -> Iterator[Page]:
    """A page that fails the test for any script error or any refusal of the content security policy."""
    made = admin.new_page()
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
    yield made
    made.close()
    assert not problems


def link_in(text: str) -> str:
    """The first address in a mail or in a line of the terminal."""
    found = re.search(r"https?://\S+", text)
    assert found, text
    return found.group(0)
