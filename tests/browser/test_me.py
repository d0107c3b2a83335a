"""What is a person's own, in a real browser: passkeys, a picture, a language; and the menu on a phone, by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Page, expect

from bench.product import Portal
from tests.assistants.pictured import a_picture
from tests.browser.conftest import SIZES, link_in
from tests.browser.screen import main

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

HOME = re.compile(r"/w/demo/$")
PIA = """
import django
django.setup()
from portal.models import Membership, Workspace
from portal.people import make_person, sign_in_link
pia = make_person(email="pia@example.com", name="Pia Passkey", password="a long password")
Membership.objects.create(workspace=Workspace.objects.get(slug="demo"), user=pia)
print(sign_in_link(pia))
"""
WITH_AN_APP = """
import django
django.setup()
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from portal.models import User
TOTP.activate(User.objects.get(email="pia@example.com"), generate_totp_secret())
"""


class Device:
    """What keeps a person's passkeys: a phone or a laptop, with a finger that is always on it."""

    def __init__(self, page: Page) -> None:
        self.cdp: CDPSession = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable", {"enableUI": False})
        self.take()

    def take(self) -> None:
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        self.id = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def another(self) -> None:
        """They sit at one that has no passkey."""
        self.cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self.id})
        self.take()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Signed out; fails for any script error or any refusal of the content security policy."""
    made = context.new_page()
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on("console", lambda said: problems.append(said.text) if "Content Security" in said.text else None)
    yield made
    assert not problems


def test_a_passkey_signs_in_alone_and_beside_an_app_until_it_is_removed(portal: Portal, page: Page):
    page.goto(link_in(portal.python("-c", PIA).splitlines()[-1]))
    device = Device(page)
    add(page)
    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(HOME)

    portal.python("-c", WITH_AN_APP)
    page.context.clear_cookies()
    by_password(page)
    expect(page.get_by_label("Code")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(HOME)

    page.goto("/accounts/2fa/webauthn/")
    page.get_by_role("link", name="Remove Chrome on Linux").click()
    it_is_me(page)
    page.get_by_role("button", name="Remove it").click()
    expect(main(page)).to_contain_text("No passkey yet")
    page.context.clear_cookies()
    by_password(page)
    expect(page.get_by_label("Code")).to_be_visible()
    expect(page.get_by_role("button", name="Use a passkey")).to_have_count(0)

    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(main(page)).to_contain_text("That passkey does not sign in here: it was removed")
    device.another()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("No passkey was used: this device has none for this account")


def test_at_an_address_of_numbers_one_is_told_the_name(portal: Portal, page: Page):
    page.goto(f"http://127.0.0.1:{portal.port}/accounts/login/")
    Device(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text(f"open http://localhost:{portal.port} instead")


def test_a_picture_and_a_language_are_chosen(portal: Portal, admin: BrowserContext, look):
    page = admin.new_page()
    page.goto("/me/")
    file = {"name": "me.png", "mimeType": "image/png", "buffer": a_picture(size=(300, 200)).getvalue()}
    page.get_by_label("A picture of you").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Use this picture").click()
    shown = page.locator("#rail .avatar img")
    expect(shown).to_be_visible()
    assert shown.evaluate("async (image) => (await image.decode(), image.naturalWidth)") == 256
    page.get_by_label("Answer me in").select_option("Deutsch")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_label("Answer me in")).to_have_value("de")
    look(page, "me")
    look(page, "me-notifications", at=page.get_by_role("heading", name="Notifications"))
    page.get_by_role("button", name="Take it away").click()
    expect(shown).to_have_count(0)
    page.get_by_label("Answer me in").select_option("As I ask")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_label("Answer me in")).to_have_value("")
    page.close()


def test_the_menu_on_a_phone_takes_the_focus_and_gives_it_back(admin: BrowserContext):
    page = admin.new_page()
    page.set_viewport_size(SIZES["390"])  # type: ignore[arg-type]
    page.goto("/me/")
    opener = page.get_by_role("link", name="Open the menu")
    opener.press("Enter")
    first = page.get_by_role("button", name="Workspace Demo: switch")
    expect(first).to_be_focused()
    first.press("Shift+Tab")
    expect(page.get_by_role("button", name="Keyboard shortcuts")).to_be_focused()
    page.keyboard.press("Tab")
    expect(first).to_be_focused()
    assert page.locator("#main").evaluate("main => main.inert"), "what lies below is not read"
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#rail :focus")).to_have_count(0)
    page.close()


def add(page: Page) -> None:
    """From Me, as somebody who came by a link and has to show that they know the password; twice on one device is refused."""
    page.goto("/me/")
    page.get_by_role("link", name="Second factor and passkeys").click()
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Add it")).to_be_enabled()
    page.get_by_label("Name").press("Enter")
    expect(main(page)).to_contain_text("The passkey is added.")
    page.goto("/accounts/2fa/webauthn/add/")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("alert")).to_have_text("This device has a passkey for your account already.")


def by_password(page: Page) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill("pia@example.com")
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()


def it_is_me(page: Page) -> None:
    """Asked once more before what guards the account changes; here by the passkey itself."""
    page.get_by_role("link", name="Use a passkey").click()
    page.get_by_role("button", name="Use a passkey").click()
