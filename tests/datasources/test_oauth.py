"""Signing in at a vendor: there and back, what goes wrong on the way, and tokens that renew themselves."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.urls import reverse

from datasources import connecting, oauth
from datasources.connectors.base import ConnectorError
from datasources.models import DataSource
from datasources.oauth import StoredTokens, secret_of
from portal.models import AuditEvent, Credential
from tests.callers import Caller
from tests.datasources.places import wiki  # noqa: F401
from tests.vendors.places.oauth import CLIENT_ID, CLIENT_SECRET, OAuthServer

pytestmark = pytest.mark.django_db


def url(name, *args):
    return reverse(name, args=["acme", *args])


@pytest.fixture
def vendor():
    with OAuthServer() as server:
        yield server


@pytest.fixture
def client(client, cast, settings):
    settings.PRIVATE_HOSTS = ["127.0.0.0/8"]
    settings.BASE_URL = "https://atrium.acme.example"
    client.force_login(cast.builder.user)
    return client


@pytest.fixture
def draft(client, vendor, wiki):  # noqa: F811
    asked = {"auth": "oauth", "oauth-client_id": CLIENT_ID, "oauth-client_secret": CLIENT_SECRET}
    answer = client.post(url("data_new") + "?kind=wiki", {**asked, "base_url": vendor.base_url})
    source = DataSource.objects.get()
    assert answer["Location"] == url("data_connect", source.pk)
    return source


def sign_in(client, source, vendor, *, yes=True):
    """The address that the browser is sent back to."""
    there = client.get(url("data_sign_in", source.pk))
    assert there.status_code == 302
    assert there["Location"].startswith(vendor.base_url + "/oauth/authorize?")
    return vendor.allow(there["Location"], yes=yes).removeprefix("https://atrium.acme.example")


def tokens_of(source):
    return StoredTokens(DataSource.objects.select_related("credential").get(pk=source.pk))


# ---- There and back ------------------------------------------------------------------------------------------------


def test_access_is_asked_for_given_and_kept(client, draft, vendor):
    shown = client.get(url("data_connect", draft.pk)).content.decode()
    assert "https://atrium.acme.example/w/acme/data/oauth/" in shown
    assert "Go to Wiki and allow it" in shown
    assert CLIENT_SECRET not in shown
    assert client.get(url("data_resume", draft.pk))["Location"] == url("data_connect", draft.pk)
    back = client.get(sign_in(client, draft, vendor))
    assert back["Location"] == url("data_choose", draft.pk)
    assert vendor.asked[0]["scope"] == "read:pages offline"
    draft.refresh_from_db()
    secret = secret_of(draft.credential)
    assert secret["access_token"] in vendor.access
    assert secret["refresh_token"] in vendor.refresh
    assert secret["team"] == "Acme"
    assert secret["expires_at"] > time.time()
    assert AuditEvent.objects.filter(action="credential.allow").exists()
    assert CLIENT_SECRET[-4:] == draft.credential.key_hint


def test_a_no_is_told_and_can_be_taken_back(client, draft, vendor):
    answer = client.get(sign_in(client, draft, vendor, yes=False))
    # A page of its own: what is pressed there goes to the source, not to the address that the vendor sent somebody to.
    assert answer["Location"] == url("data_connect", draft.pk)
    assert "It was not allowed at Wiki." in client.get(answer["Location"]).content.decode()
    assert "not allowed at" not in client.get(answer["Location"]).content.decode()
    assert not oauth.is_allowed(draft)
    assert client.get(sign_in(client, draft, vendor))["Location"] == url("data_choose", draft.pk)


def test_a_state_counts_once_in_one_browser(client, cast, draft, vendor):
    back = sign_in(client, draft, vendor)
    from django.test import Client

    other = Client()
    other.force_login(cast.builder.user)
    assert "not known here" in other.get(back).content.decode()
    assert "not known here" in client.get(url("data_oauth") + "?state=made-up&code=1").content.decode()
    client.get(back)
    assert "used already" in client.get(back).content.decode()
    assert "not known here" in client.get(url("data_oauth")).content.decode()


def test_somebody_elses_draft_is_not_finished_by_me(client, cast, draft, vendor):
    back = sign_in(client, draft, vendor)
    DataSource.objects.update(created_by=cast.admin.user)
    assert client.get(back).status_code == 404


def test_an_expired_code_is_told(client, draft, vendor):
    back = sign_in(client, draft, vendor)
    vendor.expire_codes()
    assert "expired or was used already" in client.get(back, follow=True).content.decode()
    assert not oauth.is_allowed(DataSource.objects.get())


def test_a_wrong_client_secret_is_told(client, draft, vendor):
    client.post(
        url("data_connect", draft.pk),
        {"auth": "oauth", "base_url": vendor.base_url, "oauth-client_id": CLIENT_ID, "oauth-client_secret": "wrong"},
    )
    assert "does not know this client" in client.get(sign_in(client, draft, vendor), follow=True).content.decode()


def test_a_vendor_with_a_fault_is_told(client, draft, vendor):
    back = sign_in(client, draft, vendor)
    vendor.refuse(503)
    assert "Wiki has a fault of its own" in client.get(back, follow=True).content.decode()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "Wiki sent no code back."),
        ("&error=server_error&error_description=Come+later", "Wiki says: Come later."),
    ],
)
def test_who_sends_somebody_back_without_access_is_named(client, draft, query, said):
    client.get(url("data_sign_in", draft.pk))
    state = next(iter(client.session[oauth.KEY]))
    assert said in client.get(f"{url('data_oauth')}?state={state}{query}", follow=True).content.decode()


def test_the_way_takes_an_hour_at_most(client, draft, vendor, monkeypatch):
    back = sign_in(client, draft, vendor)
    now = time.time()
    monkeypatch.setattr("datasources.oauth.time.time", lambda: now + 4000)
    assert "longer than an hour" in client.get(back, follow=True).content.decode()


def test_it_is_not_started_without_access(client, cast, draft):
    from portal.models import Space

    company = Space.objects.get(workspace=cast.workspace, name="Company")
    answer = client.post(url("data_finish", draft.pk), {"name": "W", "spaces": [company.pk], "schedule": "daily"})
    assert answer.status_code == 422
    assert "has not allowed access yet" in answer.content.decode()


def test_the_token_address_obeys_the_operator(client, draft, vendor, settings):
    back = sign_in(client, draft, vendor)
    settings.PRIVATE_HOSTS = []
    assert "ATRIUM_PRIVATE_HOSTS" in client.get(back, follow=True).content.decode()
    assert [path for _, path in vendor.requests if path == "/oauth/token"] == []


def test_a_source_that_lost_its_access_is_allowed_anew(client, draft, vendor):
    client.get(sign_in(client, draft, vendor))
    DataSource.objects.update(state="needs_attention", state_detail="Wiki does not renew the access any more")
    client.get(sign_in(client, draft, vendor))
    source = DataSource.objects.get()
    assert source.state == "new"
    assert source.runs.get().state == "queued"


# ---- Tokens --------------------------------------------------------------------------------------------------------


@pytest.fixture
def allowed(client, draft, vendor):
    client.get(sign_in(client, draft, vendor))
    return draft


def test_a_good_token_is_used_as_it_is(allowed, vendor):
    assert tokens_of(allowed).access() in vendor.access
    assert vendor.refreshed == 0


def test_a_token_that_ends_is_renewed_and_the_new_refresh_token_kept(allowed, vendor, monkeypatch):
    first = secret_of(Credential.objects.get())
    now = time.time()
    monkeypatch.setattr("datasources.oauth.time.time", lambda: now + 3550)
    tokens = tokens_of(allowed)
    token = tokens.access()
    assert token != first["access_token"]
    kept = secret_of(Credential.objects.get())
    assert kept["access_token"] == token
    assert kept["refresh_token"] != first["refresh_token"]
    assert kept["client_secret"] == CLIENT_SECRET
    vendor.expire_access()
    assert tokens.access(renew=True) in vendor.access
    assert vendor.refreshed == 2


def test_a_refresh_token_that_stays_is_kept(allowed, vendor):
    first = secret_of(Credential.objects.get())["refresh_token"]
    vendor.rotates = False
    tokens_of(allowed).access(renew=True)
    assert secret_of(Credential.objects.get())["refresh_token"] == first


def test_a_refused_renewal_wants_a_person(allowed, vendor):
    vendor.refuse_refresh = True
    with pytest.raises(ConnectorError, match="connect it anew") as refused:
        tokens_of(allowed).access(renew=True)
    assert refused.value.permanent


def test_access_without_renewal_that_ends_wants_a_person(allowed, vendor):
    credential = Credential.objects.get()
    oauth.keep(credential, {**secret_of(credential), "refresh_token": "", "expires_at": None})
    credential.save()
    tokens = tokens_of(allowed)
    assert tokens.access() in vendor.access
    with pytest.raises(ConnectorError, match="connect it anew") as refused:
        tokens.access(renew=True)
    assert refused.value.permanent


def test_a_vendor_that_does_not_answer_is_asked_again_later(allowed, vendor):
    vendor.refuse(503, headers={"Retry-After": "7"})
    with pytest.raises(ConnectorError) as waiting:
        tokens_of(allowed).access(renew=True)
    assert not waiting.value.permanent
    assert waiting.value.retry_after == 7
    vendor.refuse(429, headers={"Retry-After": "9"})
    with pytest.raises(ConnectorError) as waiting:
        tokens_of(allowed).access(renew=True)
    assert waiting.value.retry_after == 9
    assert tokens_of(allowed).access(renew=True) in vendor.access


def test_a_connector_gets_tokens_that_it_may_renew(allowed, vendor, cast):
    vendor.expire_access()
    entered = connecting.sources.check_connection(DataSource.objects.select_related("workspace", "credential").get())
    assert "The wiki answers" in entered
    assert vendor.refreshed == 1


def test_a_source_whose_access_ended_is_tried_with_other_settings_and_changed(client, allowed, vendor, cast):
    """The trial renews the access that is kept, and the change does not write the spent refresh token back over it."""
    call, at = Caller(cast.builder), f"data-sources/{allowed.pk}/"
    settings = {**allowed.config, "drafts": True}
    for send, path in ((call.post, f"{at}test/"), (call.patch, at)):
        credential = Credential.objects.get()
        oauth.keep(credential, {**secret_of(credential), "expires_at": 1})
        credential.save()
        before, renewed = secret_of(credential)["refresh_token"], vendor.refreshed
        answer = send(path, {"config": settings})
        assert answer.status_code == 200, answer.content
        assert vendor.refreshed == renewed + 1
        kept = secret_of(Credential.objects.get())
        assert kept["refresh_token"] != before
        assert kept["refresh_token"] in vendor.refresh
    allowed.refresh_from_db()
    assert allowed.config["drafts"] is True
    assert Credential.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_workers_and_threads_that_need_one_renewal_make_one(allowed, vendor):
    """Each refresh token counts once: a second renewal with the same one would lose the access for good."""
    shared = tokens_of(allowed)
    workers = [shared, shared, tokens_of(allowed), tokens_of(allowed)]
    vendor.expire_access()
    together = threading.Barrier(len(workers))

    def ask(tokens):
        try:
            together.wait(5)
            return tokens.access(renew=True)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(workers)) as pool:
        found = set(pool.map(ask, workers))
    assert len(found) == 1
    assert found <= vendor.access
    assert vendor.refreshed == 1
