"""Signing in at each vendor, against its own addresses on loopback: there and back, what is kept, and access that is renewed.

GitHub's is in connectors/test_github.py, what all have in common in test_oauth.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from datasources import oauth, sources
from datasources.connectors.registry import about
from datasources.models import DataSource
from datasources.oauth import StoredTokens, secret_of
from portal.models import Credential
from tests.callers import Caller
from tests.vendors.places import confluence, google_drive, intercom, jira, notion, salesforce, slack, slack_held
from tests.vendors.places.oauth import CLIENT_ID, CLIENT_SECRET, OAuthServer

pytestmark = pytest.mark.django_db

ATLASSIAN = ("https://auth.atlassian.com/authorize", "https://auth.atlassian.com/oauth/token")
CONSENT = {"audience": "api.atlassian.com", "prompt": "consent"}
CONFLUENCE_SCOPES = (
    "search:confluence read:confluence-content.all read:confluence-content.permission read:confluence-space.summary "
    "read:confluence-user read:confluence-groups readonly:content.attachment:confluence read:space:confluence "
    "read:page:confluence read:folder:confluence read:attachment:confluence read:space.permission:confluence offline_access"
)


@dataclass(frozen=True)
class Vendor:
    """``addresses``: of consent and of tokens, as the vendor documents them. ``asks``: what else goes to the first of them.

    ``keeps``: what is kept besides the tokens. ``lasts``: seconds of an access token, where the answer says so.
    """

    kind: str
    server: Callable[[], Any]
    addresses: tuple[str, str]
    scope: str | None
    asks: Mapping[str, str] = field(default_factory=dict)
    keeps: Mapping[str, str] = field(default_factory=dict)
    lasts: int | None = None
    renews: bool = True
    rotates: bool = True


VENDORS = (
    Vendor(
        "slack",
        lambda: slack.SlackServer(slack_held.small_company()),
        ("https://slack.com/oauth/v2/authorize", "https://slack.com/api/oauth.v2.access"),
        "channels:read,channels:history,channels:join,groups:read,groups:history,users:read,users:read.email,files:read,"
        "canvases:read",
        keeps={"bot_user_id": "U0APP"},
        lasts=43200,
    ),
    Vendor(
        "notion",
        notion.NotionServer,
        ("https://api.notion.com/v1/oauth/authorize", "https://api.notion.com/v1/oauth/token"),
        None,
        asks={"owner": "user"},
        keeps={"workspace_name": "Harbour Lane"},
    ),
    Vendor(
        "google_drive",
        google_drive.filled,
        ("https://accounts.google.com/o/oauth2/v2/auth", "https://oauth2.googleapis.com/token"),
        "https://www.googleapis.com/auth/drive.readonly",
        asks={"access_type": "offline", "prompt": "consent"},
        lasts=3599,
        rotates=False,
    ),
    Vendor("confluence", confluence.ConfluenceServer, ATLASSIAN, CONFLUENCE_SCOPES, asks=CONSENT, lasts=3600),
    Vendor(
        "jira",
        lambda: jira.fernholt(jira.JiraServer()),
        ATLASSIAN,
        "read:jira-work read:jira-user offline_access",
        asks=CONSENT,
        lasts=3600,
    ),
    Vendor(
        "intercom",
        intercom.filled,
        ("https://app.intercom.com/oauth", "https://api.intercom.io/auth/eagle/token"),
        None,
        renews=False,
    ),
    Vendor(
        "salesforce",
        salesforce.filled,
        (
            "https://login.salesforce.com/services/oauth2/authorize",
            "https://login.salesforce.com/services/oauth2/token",
        ),
        "api refresh_token id openid",
        asks={"prompt": "login consent"},
        rotates=False,
    ),
)
RENEWING = tuple(vendor for vendor in VENDORS if vendor.renews)


def names(vendor: Vendor) -> str:
    return vendor.kind


@dataclass
class SigningIn:
    """A builder with a draft of the vendor's kind, on the way to its consent page."""

    client: Client
    server: Any
    kind: str

    @property
    def vendor(self) -> OAuthServer:
        found: OAuthServer = self.server.sign_in
        return found

    @property
    def label(self) -> str:
        return about(self.kind).label

    def source(self) -> DataSource:
        return DataSource.objects.select_related("workspace", "credential").get()

    def secret(self) -> dict[str, Any]:
        return secret_of(Credential.objects.get())

    def enter(self, client_secret: str = CLIENT_SECRET) -> str:
        """The draft's page, from where one goes to the vendor."""
        entered = {"auth": "oauth", "oauth-client_id": CLIENT_ID, "oauth-client_secret": client_secret}
        address = f"{reverse('data_new', args=['acme'])}?kind={self.kind}"
        answer = self.client.post(address, {**entered, "base_url": self.server.base_url})
        assert answer.status_code == 302, answer.content.decode()
        return answer["Location"]

    def there(self) -> str:
        """The address at the vendor that the person is sent to."""
        return self.client.get(reverse("data_sign_in", args=["acme", self.source().pk]))["Location"]

    def back(self, *, yes: bool = True) -> str:
        return self.vendor.allow(self.there(), yes=yes).removeprefix("https://atrium.acme.example")

    def allow(self) -> DataSource:
        answer = self.client.get(self.back())
        source = self.source()
        assert answer["Location"] == reverse("data_choose", args=["acme", source.pk])
        return source


@pytest.fixture
def signing_in(request: pytest.FixtureRequest, client: Client, cast: Any, settings: Any) -> Iterator[SigningIn]:
    settings.PRIVATE_HOSTS = ["127.0.0.0/8"]
    settings.BASE_URL = "https://atrium.acme.example"
    client.force_login(cast.builder.user)
    with request.param.server() as server:
        yield SigningIn(client, server, request.param.kind)


def each(vendors: tuple[Vendor, ...]) -> pytest.MarkDecorator:
    """The same vendor for the test and for its fixture."""
    return pytest.mark.parametrize(
        ("vendor", "signing_in"), [(v, v) for v in vendors], indirect=["signing_in"], ids=map(names, vendors)
    )


@pytest.mark.parametrize("vendor", VENDORS, ids=names)
def test_without_an_address_of_ones_own_it_is_the_vendors(vendor: Vendor) -> None:
    auth = about(vendor.kind).auth("oauth")
    assert auth is not None
    assert auth.oauth is not None
    assert auth.oauth.at("") == vendor.addresses
    if vendor.addresses == ATLASSIAN:
        assert auth.oauth.at("https://acme.atlassian.net") == vendor.addresses


@each(VENDORS)
def test_one_is_sent_to_the_consent_page_with_what_the_vendor_asks_for(vendor: Vendor, signing_in: SigningIn) -> None:
    signing_in.enter()
    there = urlsplit(signing_in.there())
    assert f"{there.scheme}://{there.netloc}" == signing_in.server.base_url
    assert there.path == urlsplit(vendor.addresses[0]).path
    asked = dict(parse_qsl(there.query, strict_parsing=True))
    assert len(asked.pop("state")) >= 32
    assert len(asked.pop("code_challenge")) == 43
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": "https://atrium.acme.example/w/acme/data/oauth/",
        "code_challenge_method": "S256",
        **({"scope": vendor.scope} if vendor.scope else {}),
        **vendor.asks,
    }


@each(VENDORS)
def test_the_code_becomes_access_that_is_kept_encrypted_and_works(
    vendor: Vendor, signing_in: SigningIn, cast: Any
) -> None:
    signing_in.enter()
    before = time.time()
    source = signing_in.allow()
    secret = signing_in.secret()
    assert secret["access_token"] in signing_in.vendor.access
    assert secret["client_secret"] == CLIENT_SECRET
    assert secret.items() >= dict(vendor.keeps).items()
    if vendor.renews:
        assert secret["refresh_token"] in signing_in.vendor.refresh
    else:
        assert "refresh_token" not in secret
    if vendor.lasts is None:
        assert "expires_at" not in secret
    else:
        assert vendor.lasts - 1 <= secret["expires_at"] - before <= vendor.lasts + 60
    credential = Credential.objects.get()
    told = [secret[name] for name in ("access_token", "refresh_token", "client_secret") if name in secret]
    stored = bytes(credential.secret_encrypted) if credential.secret_encrypted else b""
    assert stored
    page = signing_in.client.get(reverse("data_connect", args=["acme", source.pk])).content
    assert not [one for one in told if one.encode() in stored + page]
    assert credential.key_hint == CLIENT_SECRET[-4:]
    assert sources.check_connection(source)
    answer = Caller(cast.builder).post(f"data-sources/{source.pk}/test/", {})
    assert answer.status_code == 200, answer.content
    assert signing_in.vendor.refreshed == 0


@each(VENDORS)
def test_a_wrong_client_secret_is_told_and_entered_again(vendor: Vendor, signing_in: SigningIn) -> None:
    page = signing_in.enter("wrong")
    told = signing_in.client.get(signing_in.back(), follow=True).content.decode()
    assert f"{signing_in.label} does not know this client id and secret. Enter them again below" in told
    assert not oauth.is_allowed(signing_in.source())
    again = {"auth": "oauth", "oauth-client_id": CLIENT_ID, "oauth-client_secret": CLIENT_SECRET}
    signing_in.client.post(page, {**again, "base_url": signing_in.server.base_url})
    assert oauth.is_allowed(signing_in.allow())


@each(VENDORS)
def test_a_no_and_a_code_that_has_expired_are_told_by_the_vendors_name(vendor: Vendor, signing_in: SigningIn) -> None:
    signing_in.enter()
    told = signing_in.client.get(signing_in.back(yes=False), follow=True).content.decode()
    assert f"It was not allowed at {signing_in.label}." in told
    back = signing_in.back()
    signing_in.vendor.expire_codes()
    told = signing_in.client.get(back, follow=True).content.decode()
    if vendor.kind == "intercom":  # it has no word for it that the others share
        assert "Intercom gave no access: Code not found." in told
    else:
        assert f"The code that {signing_in.label} gave has expired or was used already." in told
    assert not oauth.is_allowed(signing_in.source())


@each(RENEWING)
def test_access_that_ended_is_renewed_until_it_is_taken_back(vendor: Vendor, signing_in: SigningIn, cast: Any) -> None:
    signing_in.enter()
    source = signing_in.allow()
    first = signing_in.secret()
    signing_in.vendor.expire_access()
    assert sources.check_connection(source)
    kept = signing_in.secret()
    assert signing_in.vendor.refreshed == 1
    assert kept["access_token"] in signing_in.vendor.access
    assert kept["refresh_token"] in signing_in.vendor.refresh
    assert (kept["refresh_token"] != first["refresh_token"]) is vendor.rotates
    assert kept.items() >= dict(vendor.keeps).items()
    signing_in.vendor.expire_access()
    signing_in.vendor.refuse_refresh = True
    answer = Caller(cast.builder).post(f"data-sources/{source.pk}/test/", {})
    assert f"{signing_in.label} does not renew the access any more: connect it anew" in answer.content.decode()


@each(tuple(vendor for vendor in VENDORS if vendor.lasts))
def test_where_the_vendor_says_when_access_ends_it_is_renewed_before(
    vendor: Vendor, signing_in: SigningIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing_in.enter()
    source = signing_in.allow()
    first, now = signing_in.secret()["access_token"], time.time()
    assert StoredTokens(source).access() == first
    monkeypatch.setattr("datasources.oauth.time.time", lambda: now + (vendor.lasts or 0) - 60)
    assert StoredTokens(source).access() != first
    assert signing_in.vendor.refreshed == 1


@each(tuple(vendor for vendor in VENDORS if not vendor.renews))
def test_access_that_is_never_renewed_and_was_taken_back_wants_a_person(
    vendor: Vendor, signing_in: SigningIn, cast: Any
) -> None:
    signing_in.enter()
    source = signing_in.allow()
    signing_in.vendor.expire_access()
    answer = Caller(cast.builder).post(f"data-sources/{source.pk}/test/", {})
    assert f"{signing_in.label} gave access that ended: connect it anew" in answer.content.decode()


@each(tuple(vendor for vendor in VENDORS if not vendor.renews))
def test_who_signs_in_again_helps_what_is_under_way(vendor: Vendor, signing_in: SigningIn) -> None:
    signing_in.enter()
    connector = sources.connector_for(signing_in.allow())
    assert connector.test().ok
    signing_in.vendor.expire_access()
    signing_in.allow()
    assert connector.test().ok
