"""Who works on a run, who may interrupt it, and what is due."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta

import pytest
from channels.layers import get_channel_layer
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from datasources import schedule
from datasources.models import DataSource, SyncRun
from datasources.sources import pause_run, request_sync, resume_run, stop_run
from datasources.sync import progress, sync_source
from datasources.syncing import leases, notices
from datasources.syncing.leases import claim, free_dead_leases, is_dead, worker_name
from datasources.syncing.turns import next_run
from tests import factories
from tests.datasources.syncing import account, assert_exact, synced

pytestmark = pytest.mark.django_db
LONG = "\n\n".join(f"Sentence {n} of a long text. " * 20 for n in range(200))


@pytest.fixture
def sent(monkeypatch):
    """(task, id) that went on the queue."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr("datasources.syncing.queueing._send", lambda task, row: found.append((task, str(row))))
    return found


def in_background(run) -> threading.Thread:
    def work() -> None:
        try:
            sync_source(run)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def until(run, condition, seconds=20.0) -> SyncRun:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run.refresh_from_db()
        if condition(run):
            return run
        time.sleep(0.02)
    raise AssertionError(f"it did not come to it: {run.state} {run.error}")


def test_a_run_is_claimed_once(source, place, embedder):
    run = request_sync(source, by=None)
    assert claim(run.pk).pk == run.pk
    assert claim(run.pk) is None
    sync_source(run)
    assert place.cursors == []


def test_an_expired_lease_is_taken_over(source, place, embedder):
    place.files = {"a.md": "Text."}
    run = request_sync(source, by=None)
    claim(run.pk)
    SyncRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    sync_source(run)
    run.refresh_from_db()
    assert run.state == "done"


def test_a_worker_that_lost_its_lease_writes_nothing_more(source, place, embedder):
    run = request_sync(source, by=None)
    claimed = claim(run.pk)
    lease = leases.Lease(claimed)
    SyncRun.objects.filter(pk=run.pk).update(worker="somebody else")
    with pytest.raises(leases.LeaseLost):
        lease.write(indexed=99)
    run.refresh_from_db()
    assert run.indexed == 0
    with pytest.raises(leases.LeaseLost):
        lease.check()


def test_a_lease_of_a_process_that_ended_is_over_at_once(source, place, embedder, sent):
    run = request_sync(source, by=None)
    claim(run.pk)
    place_, _, token = worker_name().rpartition("/")
    dead = f"{place_.rpartition('/')[0]}/999999999/{token}"
    assert is_dead(dead)
    assert not is_dead(worker_name())
    assert not is_dead("elsewhere/1/999999999/aaaa")
    assert free_dead_leases() == 0
    SyncRun.objects.filter(pk=run.pk).update(worker=dead)
    assert free_dead_leases() == 1
    assert claim(run.pk) is not None


def test_there_is_one_open_run_a_source(source, place, embedder, cast):
    run = request_sync(source, by=cast.admin.user)
    assert request_sync(source, by=cast.admin.user) == run
    assert SyncRun.objects.filter(source=source).count() == 1


def test_what_came_in_meanwhile_is_synced_after_the_run(source, place, embedder):
    run = request_sync(source, by=None)
    assert request_sync(source, by=None, again=True) == run
    sync_source(run)
    following = SyncRun.objects.get(source=source, state="queued")
    assert following != run
    sync_source(following)
    assert not SyncRun.objects.filter(source=source, state="queued").exists()


@pytest.mark.django_db(transaction=True)
def test_pause_and_resume_inside_one_long_document(source, place, embedder, cast):
    place.files = {"long.md": LONG}
    embedder.seconds = 0.01
    run = request_sync(source, by=None)
    thread = in_background(run)
    until(run, lambda r: r.state == "syncing")
    time.sleep(0.5)
    pause_run(run, by=cast.admin.user)
    until(run, lambda r: r.state == "paused", 5.0)
    thread.join(10)
    source.refresh_from_db()
    assert source.state == "paused"
    embedder.seconds = 0.0
    resume_run(run, by=cast.admin.user)
    sync_source(run)
    run.refresh_from_db()
    assert (run.state, account(run)) == ("done", {"discovered": 1, "indexed": 1})
    assert_exact(source, embedder.space)


@pytest.mark.django_db(transaction=True)
def test_stop_keeps_what_came_in_and_leaves_nothing_half_done(source, place, embedder, cast, monkeypatch):
    monkeypatch.setattr("datasources.syncing.embedding.PIECE", 64)
    monkeypatch.setattr("datasources.syncing.writing.POINTS", 32)
    place.files = {"a.md": "Text.", "long.md": LONG}
    embedder.seconds = 0.01
    run = request_sync(source, by=None)
    thread = in_background(run)
    until(run, lambda r: r.passages > 60)
    stop_run(run, by=cast.admin.user)
    until(run, lambda r: r.state == "stopped", 5.0)
    thread.join(10)
    assert_exact(source, embedder.space)
    embedder.seconds = 0.0
    assert synced(source).state == "done"
    assert_exact(source, embedder.space)


@pytest.mark.django_db(transaction=True)
def test_a_process_that_ends_gives_its_runs_back(source, place, embedder, monkeypatch):
    place.files = {"long.md": LONG}
    embedder.seconds = 0.01
    run = request_sync(source, by=None)
    thread = in_background(run)
    until(run, lambda r: r.state == "syncing")
    leases.leave()
    thread.join(10)
    run.refresh_from_db()
    assert (run.state, run.worker, run.lease_until) == ("queued", "", None)
    leases._leaving.clear()
    embedder.seconds = 0.0
    sync_source(run)
    run.refresh_from_db()
    assert run.state == "done"
    assert_exact(source, embedder.space)


@pytest.mark.django_db(transaction=True)
def test_the_lease_is_renewed_while_a_worker_waits(source, place, embedder, monkeypatch):
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.1)
    run = claim(request_sync(source, by=None).pk)
    before = run.lease_until
    with leases.Lease(run):
        time.sleep(1.5)
    run.refresh_from_db()
    assert run.lease_until > before


def test_a_queued_run_is_paused_resumed_and_stopped_at_once(source, place, embedder, cast, sent):
    run = request_sync(source, by=None)
    assert pause_run(run, by=cast.admin.user).state == "paused"
    sync_source(run)
    with pytest.raises(ValidationError):
        pause_run(run, by=cast.admin.user)
    assert resume_run(run, by=cast.admin.user).state == "queued"
    assert stop_run(run, by=cast.admin.user).state == "stopped"
    for verb in (pause_run, resume_run, stop_run):
        with pytest.raises(ValidationError):
            verb(run, by=cast.admin.user)


def test_what_is_due_goes_on_the_queue(source, place, embedder, sent, django_capture_on_commit_callbacks):
    source.schedule, source.next_run = "hourly", timezone.now() - timedelta(minutes=1)
    source.save()
    with django_capture_on_commit_callbacks(execute=True):
        assert schedule.enqueue_due() == 1
    run = SyncRun.objects.get(source=source)
    assert run.trigger == "schedule"
    assert set(sent) == {("datasources.sync_source", str(run.pk))}
    source.refresh_from_db()
    assert timezone.now() + timedelta(minutes=59) < source.next_run
    claim(run.pk)
    assert schedule.enqueue_due() == 0
    SyncRun.objects.filter(pk=run.pk).update(lease_until=timezone.now())
    assert schedule.enqueue_due() == 1
    SyncRun.objects.filter(pk=run.pk).update(not_before=timezone.now() + timedelta(minutes=5))
    assert schedule.enqueue_due() == 0


def test_progress_says_how_far_it_is(source, place, embedder):
    place.files = {f"{n}.md": f"Text {n}." for n in range(10)}
    run = request_sync(source, by=None)
    told = progress(run)
    assert (told["state"], told["open"], told["percent"], told["seconds_left"]) == ("queued", True, None, None)
    run.state, run.listed, run.discovered, run.indexed, run.failed, run.rate = "syncing", True, 10, 3, 1, 2.0
    told = progress(run)
    assert (told["done"], told["left"], told["percent"], told["seconds_left"]) == (4, 6, 40.0, 3)
    run.refresh_from_db()
    sync_source(run)
    told = progress(SyncRun.objects.get(pk=run.pk))
    assert (told["state"], told["percent"], told["left"], told["current"]) == ("done", 100.0, 0, "")


def test_a_source_on_its_way_out_is_not_synced(source, place, embedder):
    DataSource.objects.filter(pk=source.pk).update(state="deleting")
    with pytest.raises(ValidationError):
        request_sync(source, by=None)


def test_a_workspace_with_a_worker_lets_another_go_first(source, place, embedder, cast, sent):
    second = factories.source(cast.workspace, kind="fake")
    foreign = factories.source(cast.elsewhere, kind="fake")
    claim(request_sync(source, by=None).pk)
    waiting, theirs = request_sync(second, by=None), request_sync(foreign, by=None)
    schedule.take_turn()
    assert (SyncRun.objects.get(pk=theirs.pk).state, SyncRun.objects.get(pk=waiting.pk).state) == ("done", "queued")
    schedule.take_turn()
    assert SyncRun.objects.get(pk=waiting.pk).state == "done"


def test_workspaces_take_turns_and_in_each_the_oldest_run_comes_first(source, place, embedder, cast, sent):
    here = [request_sync(factories.source(cast.workspace, kind="fake"), by=None) for _ in range(3)]
    there = [request_sync(factories.source(cast.elsewhere, kind="fake"), by=None) for _ in range(2)]
    order = []
    while (run := next_run()) is not None:
        order.append(run.pk)
        sync_source(run)
    assert order == [run.pk for run in (here[0], there[0], here[1], there[1], here[2])]


def test_a_workspace_has_no_more_workers_than_its_share(source, place, embedder, cast, sent, settings):
    settings.SYNCS_PER_WORKSPACE = 2
    runs = [request_sync(factories.source(cast.workspace, kind="fake"), by=None) for _ in range(3)]
    for run in runs[:2]:
        assert next_run().pk == run.pk
        claim(run.pk)
    assert next_run() is None
    foreign = request_sync(factories.source(cast.elsewhere, kind="fake"), by=None)
    assert next_run().pk == foreign.pk


def test_what_follows_goes_on_the_queue_at_once(
    source, place, embedder, cast, sent, django_capture_on_commit_callbacks
):
    request_sync(source, by=None)
    second = request_sync(factories.source(cast.workspace, kind="fake"), by=None)
    with django_capture_on_commit_callbacks(execute=True):
        schedule.take_turn()
    assert ("datasources.sync_source", str(second.pk)) in sent


def test_a_long_run_lets_a_workspace_go_first_that_has_no_worker(
    source, place, embedder, cast, sent, monkeypatch, settings
):
    place.files = {f"{n}.md": f"Text {n}." for n in range(10)}
    run = request_sync(source, by=None)
    foreign = request_sync(factories.source(cast.elsewhere, kind="fake"), by=None)
    monkeypatch.setattr("datasources.syncing.turns.LOOK_SECONDS", 0.0)
    settings.SYNC_TURN_SECONDS = 0
    sync_source(run)
    run.refresh_from_db()
    assert (run.state, run.worker, run.attempts) == ("queued", "", 0)
    settings.SYNC_TURN_SECONDS = 600
    sync_source(foreign)
    sync_source(run)
    run.refresh_from_db()
    assert (run.state, account(run)) == ("done", {"discovered": 10, "indexed": 10})
    assert_exact(source, embedder.space)


@pytest.mark.django_db(transaction=True)
async def test_who_watches_a_source_is_woken(source, place, embedder, monkeypatch):
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(notices.group_of(source.pk), channel)
    await notices.remember_loop()
    place.files = {"a.md": "Text."}

    def sync() -> None:
        try:
            sync_source(request_sync(source, by=None))
        finally:
            connection.close()

    await asyncio.to_thread(sync)
    heard = await asyncio.wait_for(layer.receive(channel), 5)
    assert heard == {"type": "source.changed", "source": str(source.pk)}
    monkeypatch.setattr(notices, "_serving", None)


def test_notices_are_told_at_most_every_half_second(source, monkeypatch):
    told = []
    monkeypatch.setattr(notices, "tell", told.append)
    watched = notices.Notices(source.pk)
    for _ in range(50):
        watched.changed()
    assert len(told) == 1
    watched.changed(must=True)
    assert len(told) == 2
