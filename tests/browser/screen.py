"""What people do on most pages: look at what they are about, ask, and wait for an answer."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect


def main(page: Page) -> Locator:
    return page.locator("main")


def answer(page: Page) -> Locator:
    return page.locator("article.answer").last


def ask(page: Page, text: str) -> None:
    field = page.get_by_label("Your question").last
    field.fill(text)
    field.press("Enter")


def finished(page: Page) -> None:
    expect(answer(page)).to_have_attribute("data-status", "completed", timeout=30_000)
