"""A source that fails: it waits, it slows nobody, people are told once; and how fresh what was found is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from datasources import schedule
from datasources.connectors.base import ConnectorError, Upsert
from datasources.freshness import Freshness, freshness_of
from datasources.health import health
from datasources.models import DataSource, Document, SyncRun
from datasources.runs import request_look, request_sync
from datasources.sync import sync_source
from datasources.syncing.circuit import circuit_of
from datasources.syncing.turns import next_run
from tests import factories
from tests.callers import key
from tests.datasources.syncing import file_node, synced

pytestmark = pytest.mark.django_db
REVOKED = "The token was revoked: connect again"


def fails(source, times=1):
    for _ in range(times):
        run = request_sync(source, by=None, trigger="schedule")
        SyncRun.objects.filter(pk=run.pk).update(not_before=None)
        sync_source(run)
        run.refresh_from_db()
        assert run.state == "failed"


def test_a_source_that_keeps_failing_waits_longer_each_time(source, place):
    place.listing_error = ConnectorError(REVOKED, permanent=True)
    fails(source)
    assert circuit_of(source).until is None
    waits = []
    for _ in range(3):
        fails(source)
        waits.append(circuit_of(source).until - timezone.now())
    for wait, minutes in zip(waits, (5, 10, 20), strict=True):
        assert timedelta(minutes=minutes - 1) < wait <= timedelta(minutes=minutes * 1.25)
    assert len({circuit_of(source).until for _ in range(5)}) > 1, "many sources would be tried again at one moment"
    fails(source, 12)
    assert circuit_of(source).until - timezone.now() < timedelta(hours=12, minutes=1)


def test_a_run_by_the_clock_or_a_webhook_waits_and_takes_no_turn_from_others(source, place, cast):
    place.files = {"a.md": "Text."}
    synced(source)
    place.listing_error = ConnectorError(REVOKED, permanent=True)
    fails(source, 3)
    DataSource.objects.update(schedule="hourly", next_run=timezone.now() - timedelta(minutes=1))
    schedule.enqueue_due()
    run = source.runs.get(state="queued")
    assert run.not_before > timezone.now() + timedelta(minutes=9)
    other = request_sync(factories.source(cast.workspace, kind="fake"), by=None)
    assert next_run().pk == other.pk
    run.delete()
    assert request_look(source, ["a.md"]).not_before is not None


def test_a_person_who_syncs_by_hand_does_not_wait(source, place, cast):
    place.listing_error = ConnectorError(REVOKED, permanent=True)
    fails(source, 3)
    run = request_sync(source, by=cast.admin.user)
    assert run.not_before is None
    place.listing_error = None
    sync_source(run)
    assert circuit_of(source).failures == 0


def test_a_person_who_syncs_by_hand_wakes_a_run_that_waits(source, place, cast):
    place.listing_error = ConnectorError(REVOKED, permanent=True)
    fails(source, 3)
    waiting = request_sync(source, by=None, trigger="schedule")
    assert waiting.not_before is not None
    run = request_sync(source, by=cast.admin.user)
    assert run.pk == waiting.pk
    run.refresh_from_db()
    assert run.not_before is None


def test_owner_and_admins_are_told_once_a_breakage(source, place, cast, django_capture_on_commit_callbacks):
    DataSource.objects.update(created_by=cast.builder.user)
    factories.member(cast.workspace)
    place.files = {"a.md": "Text."}
    synced(source)

    def breaks():
        with django_capture_on_commit_callbacks(execute=True):
            fails(source)

    place.listing_error = ConnectorError(REVOKED, permanent=True)
    breaks()
    breaks()
    assert sorted(to for sent in mail.outbox for to in sent.to) == ["admin@acme.example", "builder@acme.example"]
    assert REVOKED in mail.outbox[0].body
    assert f"/w/acme/data/{source.pk}/" in mail.outbox[0].body
    place.listing_error = None
    sync_source(request_sync(source, by=cast.admin.user))
    source.refresh_from_db()
    assert source.broken_since is None
    place.listing_error = ConnectorError("The folder is gone", permanent=True)
    breaks()
    assert len(mail.outbox) == 4


def test_a_mail_server_that_does_not_answer_stops_nothing(
    source, place, monkeypatch, django_capture_on_commit_callbacks
):
    def refuses(*args, **kwargs):
        raise ConnectionRefusedError

    monkeypatch.setattr("datasources.alerts.send_mail", refuses)
    place.listing_error = ConnectorError(REVOKED, permanent=True)
    with django_capture_on_commit_callbacks(execute=True):
        fails(source)
    source.refresh_from_db()
    assert source.state == "needs_attention"


def test_home_says_which_sources_need_one(source, place, cast, client):
    DataSource.objects.update(created_by=cast.builder.user)
    place.listing_error = ConnectorError(REVOKED, permanent=True)
    fails(source)
    for person, told in ((cast.admin, True), (cast.builder, True), (cast.member, False)):
        client.force_login(person.user)
        page = client.get(reverse("home", args=["acme"])).content.decode()
        assert (REVOKED in page) is told


def test_the_time_from_a_change_to_being_found_is_measured(source, place):
    long_ago = timezone.now() - timedelta(days=90)
    place.files = {"a.md": "One.", "b.md": "Two."}
    place.script = [Upsert(file_node(name, text, modified=long_ago)) for name, text in place.files.items()]
    synced(source)
    # What was there before anybody looked was not late.
    assert freshness_of([source.pk]) == {}
    Document.objects.update(updated=timezone.now() - timedelta(minutes=10))
    changed = timezone.now() - timedelta(seconds=90)
    place.files["a.md"] = "One, changed."
    place.script = [Upsert(file_node("a.md", "One, changed.", modified=changed))]
    synced(source)
    lag = Document.objects.get(node__external_id="a.md").lag
    assert 90 <= lag < 120
    assert Document.objects.get(node__external_id="b.md").lag is None
    assert freshness_of([source.pk]) == {source.pk: Freshness(lag, lag, 1)}
    Document.objects.update(updated=timezone.now() - timedelta(days=8))
    assert freshness_of([source.pk]) == {}


def test_p50_and_p95_are_of_all_updates_of_a_source(source):
    for number in range(1, 101):
        factories.node(source, f"{number}.md", text="Text.")
        Document.objects.filter(node__external_id=f"{number}.md").update(lag=number)
    found = freshness_of([source.pk])[source.pk]
    assert (found.p50, round(found.p95, 2), found.updates) == (50.5, 95.05, 100)


def test_progress_is_said_in_words(source):
    run = SyncRun(source=source, state="syncing", listed=True, discovered=340, indexed=120, rate=3.24)
    assert health(source, run).words == "Syncing 120 of 340, 3.2 a second, 1 min left"
    run.rate = 0.5
    assert "30 a minute" in health(source, run).words
    run = SyncRun(source=source, state="queued")
    assert health(source, run).words == "Waiting for its turn"
    run.not_before = timezone.now() + timedelta(minutes=20, seconds=5)
    assert health(source, run).words == "It failed several times in a row; the next try is in 20 min"
    run.attempts, run.error = 1, "Slack says wait."
    assert health(source, run).words == "Slack says wait; it goes on in 20 min"


def test_a_source_whose_first_sync_was_stopped_says_so_once_something_is_in(source):
    assert health(source, None).words == "Not synced yet"
    assert health(source, None, documents=42).words == "Not read to its end yet"


def test_what_a_run_could_not_do_is_shown_with_the_source(source):
    source.last_synced, source.state, source.state_detail = timezone.now(), "ok", "A group could not be read."
    assert health(source, None).words == "Last sync: A group could not be read. Last read through"


def test_freshness_is_on_the_list_the_page_and_in_the_api(source, cast, client):
    factories.node(source, "a.md", text="Text.")
    Document.objects.update(lag=40)
    DataSource.objects.update(last_synced=timezone.now(), state="ok")
    client.force_login(cast.member.user)
    words = "Changes are found after 40 s"
    assert f">{words}<" in client.get(reverse("data", args=["acme"])).content.decode(), "in words, not as a title"
    assert words in client.get(reverse("data_source", args=["acme", source.pk])).content.decode()
    headers = {"authorization": f"Bearer {key(cast.member, 'read')}"}
    shown = client.get("/api/v1/workspaces/acme/data-sources/", headers=headers).json()["results"][0]
    assert shown["freshness"] == {"p50": 40.0, "p95": 40.0, "updates": 1}
