"""Listing everything anew: by the clock, and after another choice, of which only the difference moves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from datasources import schedule
from datasources.connectors.base import Checkpoint, Chosen, Complete, Upsert
from datasources.connectors.lines import Lines
from datasources.models import DataSource, SyncRun
from datasources.sources import update_source
from datasources.sync import sync_source
from tests.datasources.syncing import account, assert_exact, synced

pytestmark = pytest.mark.django_db


@pytest.fixture
def feed(place):
    """The fake place tells all that is chosen from an empty cursor, and from another just that nothing changed."""

    def changes(cursor, chosen):
        place.cursors.append(dict(cursor))
        if not cursor:
            lines = Lines(chosen)
            told = [n for n in place.nodes() if lines.takes(*_chain(n.external_id))]
            above = {key for n in told for key in _chain(n.external_id)}
            yield from (Upsert(n) for n in place.nodes() if n in told or (not n.has_text and n.external_id in above))
        yield Checkpoint({"at": len(place.cursors)})
        if not cursor:
            yield Complete(None)

    place.changes = changes
    return place


def _chain(path):
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(len(parts), 0, -1)]


def run_open(source) -> SyncRun:
    sync_source(source.runs.get(state="queued"))
    return source.runs.order_by("-created").first()


def test_a_cursor_goes_on_until_everything_is_due_to_be_listed_anew(feed, source):
    feed.files = {"a.md": "One."}
    DataSource.objects.update(schedule="hourly")
    synced(source)
    source.refresh_from_db()
    assert timezone.now() + timedelta(hours=23) < source.full_due < timezone.now() + timedelta(hours=25)
    assert not synced(source).full
    DataSource.objects.update(full_due=timezone.now() - timedelta(minutes=1))
    schedule.enqueue_due()
    run = run_open(source)
    assert (run.trigger, run.full) == ("full", True)
    assert feed.cursors == [{}, {"at": 1}, {}]
    source.refresh_from_db()
    assert source.full_due > timezone.now() + timedelta(hours=23)
    assert source.cursor == {"at": 3}


def test_nothing_is_listed_anew_by_the_clock_where_nobody_asked_for_a_schedule(feed, source):
    synced(source)
    DataSource.objects.update(full_due=timezone.now() - timedelta(minutes=1))
    schedule.enqueue_due()
    assert source.runs.count() == 1
    DataSource.objects.update(hook_token="open")
    schedule.enqueue_due()
    schedule.enqueue_due()
    assert list(source.runs.values_list("trigger", flat=True)) == ["full", "person"]


def test_where_every_run_lists_everything_none_is_due(place, source):
    place.files = {"a.md": "One."}
    DataSource.objects.update(schedule="hourly")
    synced(source)
    source.refresh_from_db()
    assert source.full_due is None


def test_a_full_listing_that_broke_off_goes_on_from_its_checkpoint(feed, source):
    synced(source)
    run = SyncRun.objects.create(source=source, full=True, cursor={"at": "the middle"}, trigger="full")
    sync_source(run)
    assert feed.cursors[-1] == {"at": "the middle"}


def test_another_choice_moves_only_the_difference(feed, source, embedder):
    feed.files = {f"{folder}/{n}.md": f"Text {n} of {folder}." for folder in "abc" for n in range(10)}
    update_source(source, by=None, selection=[Chosen("a"), Chosen("b")])
    assert account(run_open(source)) == {"discovered": 20, "indexed": 20}
    feed.fetched.clear()
    embedded = embedder.texts
    update_source(source, by=None, selection=[Chosen("a"), Chosen("c")])
    run = run_open(source)
    assert run.held is None
    assert account(run) == {"discovered": 20, "indexed": 10, "unchanged": 10, "removed": 10}
    assert {path[0] for path in feed.fetched} == {"c"}
    assert embedder.texts - embedded == 10
    assert sorted(source.nodes.filter(parent=None).values_list("title", flat=True)) == ["a", "c"]
    assert_exact(source, embedder.space)


def test_what_went_by_itself_is_held_also_while_something_is_unticked(feed, source):
    feed.files = {f"{folder}/{n}.md": f"Text {n} of {folder}." for folder in "ab" for n in range(10)}
    synced(source)
    for n in range(6):
        del feed.files[f"a/{n}.md"]
    update_source(source, by=None, selection=[Chosen("a"), Chosen("b", include=False)])
    run = run_open(source)
    assert run.removed == 10
    assert run.held["documents"] == 6


def test_a_choice_below_an_excluded_folder_keeps_what_is_above_it(feed, source):
    feed.files = {"a/x/1.md": "One.", "a/y/2.md": "Two.", "b/3.md": "Three."}
    synced(source)
    update_source(source, by=None, selection=[Chosen(None), Chosen("a", include=False), Chosen("a/y")])
    run_open(source)
    paths = sorted(source.nodes.values_list("external_id", flat=True))
    assert paths == ["a", "a/y", "a/y/2.md", "b", "b/3.md"]


def test_a_choice_made_while_a_run_is_open_is_followed_after_it(feed, source):
    feed.files = {"a/1.md": "One.", "b/2.md": "Two."}
    source.runs.create(trigger="person")
    update_source(source, by=None, selection=[Chosen("a")])
    sync_source(source.runs.get())
    run = run_open(source)
    assert (run.trigger, run.full) == ("full", True)
