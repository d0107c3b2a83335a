"""Webhooks: the public address, and what comes of a delivery."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from datasources import hooks, schedule
from datasources.connectors import registry
from datasources.connectors.about import WebhookHelp
from datasources.connectors.base import Checkpoint, Complete, Delete, DeliveryRefused, Heard, Upsert
from datasources.models import DataSource, SyncRun, WebhookDelivery, node_id
from datasources.sync import sync_source
from tests import factories
from tests.callers import Caller
from tests.datasources.syncing import account, assert_exact, file_node, synced

pytestmark = pytest.mark.django_db


def signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.fixture
def calling(place, source, monkeypatch):
    """The fake place can call us, and can tell single files."""
    help_ = WebhookHelp(("Enter {url} there.", "Sign with {secret}."))
    monkeypatch.setitem(registry.CONNECTORS, "fake", replace(place.about, webhook=help_))
    looked: list[list[str]] = []

    def webhook(delivery):
        if not hmac.compare_digest(delivery.headers.get("x-signature", ""), signature(delivery.secret, delivery.body)):
            raise DeliveryRefused("wrong signature")
        said = json.loads(delivery.body)
        return Heard(
            said.get("id", ""), tuple(said.get("nodes", ())), said.get("all", False), said.get("reply", ""), "text/html"
        )

    def look(ids, chosen):
        looked.append(list(ids))
        for path in ids:
            yield Upsert(file_node(path, place.files[path])) if path in place.files else Delete(path)
        yield Checkpoint({"moved": "by a look"})
        yield Complete(None)

    place.webhook, place.look, place.looked = webhook, look, looked
    return place


@pytest.fixture
def hook(calling, source):
    return hooks.open_hook(source, by=None)


def deliver(hook, secret=None, **said):
    body = json.dumps(said).encode()
    path = hook.url.split("//", 1)[1].split("/", 1)[1]
    headers = {"x-signature": signature(secret or hook.secret, body)}
    return Client(enforce_csrf_checks=True).post(f"/{path}", body, content_type="application/json", headers=headers)


def run_open(source) -> SyncRun:
    run = source.runs.get(state="queued")
    sync_source(run)
    return SyncRun.objects.get(pk=run.pk)


def test_a_delivery_becomes_a_sync_of_just_those_nodes(calling, source, hook, embedder):
    calling.files = {"a.md": "One.", "b.md": "Two."}
    synced(source)
    source.refresh_from_db()
    before = source.cursor, source.next_run
    calling.fetched.clear()
    calling.files["a.md"] = "One, changed."
    calling.files["b.md"] = "Two, changed, but nobody told."
    assert deliver(hook, id="1", nodes=["a.md"]).status_code == 200
    run = run_open(source)
    assert (run.trigger, run.state, run.hints) == ("webhook", "done", ["a.md"])
    assert account(run) == {"discovered": 1, "indexed": 1}
    assert calling.fetched == ["a.md"]
    source.refresh_from_db()
    assert (source.cursor, source.next_run) == before
    assert_exact(source, embedder.space)


def test_what_went_at_the_vendor_goes_here_without_a_listing(calling, source, hook):
    calling.files = {"a.md": "One.", "b.md": "Two."}
    synced(source)
    listings = len(calling.cursors)
    del calling.files["a.md"]
    deliver(hook, id="1", nodes=["a.md"])
    assert account(run_open(source)) == {"removed": 1}
    assert not source.nodes.filter(pk=node_id(source.pk, "a.md")).exists()
    assert source.nodes.filter(pk=node_id(source.pk, "b.md")).exists()
    assert len(calling.cursors) == listings


def test_a_replay_is_heard_once_and_forgotten_after_days(calling, source, hook):
    calling.files = {"a.md": "One."}
    synced(source)
    for _ in range(3):
        assert deliver(hook, id="same", nodes=["a.md"]).status_code == 200
    run_open(source)
    assert deliver(hook, id="same", nodes=["a.md"]).status_code == 200
    assert source.runs.filter(trigger="webhook").count() == 1
    WebhookDelivery.objects.update(created=timezone.now() - timedelta(days=4))
    schedule.enqueue_due()
    assert not WebhookDelivery.objects.exists()


def test_hints_that_come_during_a_run_are_looked_at_after_it(calling, source, hook):
    calling.files = {"a.md": "One.", "b.md": "Two."}
    synced(source)
    look = calling.look

    def interrupted(ids, chosen):
        deliver(hook, id="late", nodes=["b.md", "a.md"])
        deliver(hook, id="later", nodes=["b.md"])
        return look(ids, chosen)

    calling.files["a.md"] = "One, changed."
    calling.look = interrupted
    deliver(hook, id="first", nodes=["a.md"])
    run_open(source)
    calling.look = look
    run = run_open(source)
    assert calling.looked == [["a.md"], ["b.md", "a.md"]]
    assert run.hints == ["b.md", "a.md"]
    source.refresh_from_db()
    assert source.hints == []
    assert not source.runs.filter(state__in=SyncRun.OPEN).exists()


def test_something_changed_but_not_what_is_a_listing_from_the_cursor(calling, source, hook):
    calling.files = {"a.md": "One."}
    synced(source)
    calling.files["b.md"] = "Two."
    deliver(hook, id="1", all=True)
    run = run_open(source)
    assert run.trigger == "webhook"
    assert account(run) == {"discovered": 2, "indexed": 1, "unchanged": 1}


def test_before_the_first_sync_there_is_nothing_to_look_at(calling, source, hook):
    assert deliver(hook, id="1", nodes=["a.md"]).status_code == 200
    assert not source.runs.exists()


def test_a_connector_that_cannot_look_lists(calling, source, hook):
    del calling.look
    calling.files = {"a.md": "One."}
    synced(source)
    calling.files["a.md"] = "One, changed."
    deliver(hook, id="1", nodes=["a.md"])
    assert account(run_open(source)) == {"discovered": 1, "indexed": 1}


def test_who_does_not_sign_is_refused(calling, source, hook):
    synced(source)
    response = deliver(hook, secret="guessed", id="1", nodes=["a.md"])
    assert (response.status_code, response.content) == (401, b"")
    assert source.runs.count() == 1


def test_an_address_that_nobody_opened_is_not_there(calling, source, hook, client):
    assert client.post("/hooks/guessed/", b"{}", content_type="application/json").status_code == 404
    hooks.close_hook(source, by=None)
    assert deliver(hook, id="1").status_code == 404


def test_a_source_that_is_being_deleted_has_no_address(calling, source, hook):
    DataSource.objects.update(state="deleting")
    assert deliver(hook, id="1").status_code == 404


def test_a_delivery_of_more_than_a_megabyte_is_not_read(calling, source, hook):
    assert deliver(hook, id="1", padding="x" * 1_000_001).status_code == 413


def test_a_reply_is_never_a_page(calling, source, hook):
    response = deliver(hook, reply="<script>alert(1)</script>")
    assert response.content == b"<script>alert(1)</script>"
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_it_answers_in_milliseconds_whatever_the_source_does(calling, source, hook):
    synced(source)
    deliver(hook, id="warm", nodes=["a.md"])
    started = time.perf_counter()
    for number in range(20):
        deliver(hook, id=str(number), nodes=[f"{number}.md"])
    assert (time.perf_counter() - started) / 20 < 0.1
    source.refresh_from_db()
    assert len(source.hints) == 20


def test_so_many_hints_become_one_listing(calling, source, hook, monkeypatch):
    monkeypatch.setattr("datasources.runs.MOST_HINTS", 3)
    synced(source)
    deliver(hook, id="1", nodes=["a.md"])
    deliver(hook, id="2", nodes=["b", "c", "d", "e"])
    source.refresh_from_db()
    assert (source.hints, source.again) == ([], True)


def test_the_secret_is_shown_once_and_turned(calling, source, hook):
    source.refresh_from_db()
    assert hook.secret in "".join(hook.steps)
    assert hook.secret.encode() not in bytes(source.hook_secret_encrypted)
    assert hooks.hook_of(source).secret == ""
    again = hooks.rotate_hook_secret(source, by=None)
    assert again.url == hook.url
    assert deliver(hook, id="1").status_code == 401
    assert deliver(again, id="1").status_code == 200
    with pytest.raises(ValidationError, match="already"):
        hooks.open_hook(source, by=None)
    with pytest.raises(ValidationError, match="makes this secret up itself"):
        hooks.set_hook_secret(source, "theirs", by=None)


def test_the_vendors_own_secret_is_kept(calling, source, monkeypatch, place):
    help_ = WebhookHelp(("Enter {url} there.",), signed_with="theirs")
    monkeypatch.setitem(registry.CONNECTORS, "fake", replace(place.about, webhook=help_))
    hook = hooks.open_hook(source, by=None)
    assert not hook.secret
    hooks.set_hook_secret(source, " from the vendor ", by=None)
    assert deliver(hook, secret="from the vendor", id="1").status_code == 200
    with pytest.raises(ValidationError, match="made by Fake place"):
        hooks.rotate_hook_secret(source, by=None)


def test_a_place_that_cannot_call_gets_no_address(source, place):
    with pytest.raises(ValidationError, match="by schedule"):
        hooks.open_hook(source, by=None)


def test_a_secret_that_the_vendor_sends_is_kept_shown_and_not_replaced_by_a_stranger(calling, source, monkeypatch):
    """As Notion does it: its first call holds what it signs with, and wants to see it pasted."""
    sent = WebhookHelp(("Enter {url} there.", "Paste {secret}."), signed_with="sent")
    monkeypatch.setitem(registry.CONNECTORS, "fake", replace(calling.about, webhook=sent))
    opened = hooks.open_hook(source, by=None)
    assert (opened.secret, opened.steps[1]) == ("", "Paste the secret.")
    calling.webhook = lambda delivery: Heard(secret=json.loads(delivery.body)["token"])
    assert deliver(opened, "whatever", token="their-secret").status_code == 200
    source.refresh_from_db()
    assert hooks.secret_of(source) == "their-secret"
    assert hooks.hook_of(source).steps[1] == "Paste their-secret."
    deliver(opened, "whatever", token="a-stranger's")
    source.refresh_from_db()
    assert hooks.secret_of(source) == "their-secret"


def test_its_secret_is_encrypted_with_the_newest_key_when_keys_are_turned(calling, source, hook, settings, capsys):
    newest = Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [newest, *settings.ENCRYPTION_KEYS]
    call_command("rotate_keys")
    settings.ENCRYPTION_KEYS = [newest]
    assert deliver(hook, id="1").status_code == 200
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(SystemExit):
        call_command("rotate_keys")
    assert f"the webhook of {source}" in capsys.readouterr().out


# ---- Through the API ---------------------------------------------------------------------------------------------


def test_an_integration_opens_turns_and_closes_the_address(calling, source, cast):
    call, at = Caller(cast.admin), f"data-sources/{source.pk}/webhook/"
    before = call.get(at).json()
    assert (before["url"], before["secret"], before["has_secret"], before["signed_with"]) == ("", "", False, "ours")
    answer = call.post(at)
    opened = answer.json()
    assert (answer.status_code, opened["has_secret"]) == (201, True)
    assert opened["steps"] == [f"Enter {opened['url']} there.", f"Sign with {opened['secret']}."]
    assert call.post(at).status_code == 400
    shown = call.get(at).json()
    assert (shown["url"], shown["secret"], shown["has_secret"]) == (opened["url"], "", True)
    turned = call.post(f"{at}rotate/").json()
    assert turned["url"] == opened["url"]
    assert turned["secret"] not in ("", opened["secret"])
    assert deliver(hooks.Hook(opened["url"], opened["secret"], ()), id="1").status_code == 401
    assert deliver(hooks.Hook(opened["url"], turned["secret"], ()), id="2").status_code < 300
    assert call._send("put", f"{at}secret/", {"secret": "theirs"}).status_code == 400
    assert [call.delete(at).status_code, call.delete(at).status_code] == [204, 204]
    assert deliver(hooks.Hook(opened["url"], turned["secret"], ()), id="3").status_code == 404


def test_a_secret_of_the_vendor_is_kept_and_never_told(calling, source, cast, monkeypatch):
    help_ = WebhookHelp(("Copy the secret.",), signed_with="theirs")
    monkeypatch.setitem(registry.CONNECTORS, "fake", replace(calling.about, webhook=help_))
    call, at = Caller(cast.admin), f"data-sources/{source.pk}/webhook/"
    assert call.post(at).json()["has_secret"] is False
    told = call._send("put", f"{at}secret/", {"secret": "the vendor made this up"})
    assert told.json()["has_secret"] is True
    assert "the vendor made" not in told.content.decode() + call.get(at).content.decode()
    source.refresh_from_db()
    assert hooks.secret_of(source) == "the vendor made this up"
    assert call.post(f"{at}rotate/").status_code == 400


def test_nobody_else_touches_the_address_and_some_places_have_none(calling, source, cast):
    at = f"data-sources/{source.pk}/webhook/"
    for who, code in ((cast.member, 403), (cast.outsider, 404)):
        call = Caller(who, slug="acme")
        answers = [call.get(at), call.post(at), call.delete(at), call.post(f"{at}rotate/")]
        answers.append(call._send("put", f"{at}secret/", {"secret": "x"}))
        assert [answer.status_code for answer in answers] == [code] * 5
    folder = factories.source(cast.workspace, kind="folder")
    answer = Caller(cast.admin).get(f"data-sources/{folder.pk}/webhook/")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_webhook")
