"""Listing everything anew: by the clock, and after another choice, of which only the difference moves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from datasources import narrowing, schedule
from datasources.access import readable_branches
from datasources.browsing import documents_below
from datasources.choosing import choose
from datasources.connectors.base import Checkpoint, Chosen, Complete, ConnectorError, Upsert
from datasources.connectors.lines import Lines
from datasources.explaining import why
from datasources.models import DataSource, Node, SyncRun, node_id
from datasources.retrieval.types import Branch
from datasources.sources import update_source
from datasources.sync import sync_source
from datasources.syncing import told
from tests.datasources.syncing import account, assert_exact, in_index, synced

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


def test_a_run_that_had_listed_already_hands_its_cursor_to_the_source_and_keeps_none(feed, source):
    synced(source)
    run = SyncRun.objects.create(source=source, listed=True, cursor={"at": "the end"}, trigger="schedule")
    sync_source(run)
    source.refresh_from_db()
    run.refresh_from_db()
    assert (run.state, run.cursor, source.cursor) == ("done", {}, {"at": "the end"})


def test_lists_of_runs_and_of_sources_load_no_cursors(feed, source):
    synced(source)
    with CaptureQueriesContext(connection) as asked:
        list(source.runs.all())
        list(DataSource.objects.all())
    assert not any("cursor" in query["sql"] for query in asked.captured_queries)


def test_another_choice_moves_only_the_difference(feed, source, embedder):
    feed.files = {f"{folder}/{n}.md": f"Text {n} of {folder}." for folder in "abc" for n in range(10)}
    choose(source, [Chosen("a"), Chosen("b")], by=None)
    assert account(run_open(source)) == {"discovered": 20, "indexed": 20}
    feed.fetched.clear()
    embedded = embedder.texts
    choose(source, [Chosen("a"), Chosen("c")], by=None)
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
    choose(source, [Chosen("a"), Chosen("b", include=False)], by=None)
    run = run_open(source)
    assert run.removed == 10
    assert run.held["documents"] == 6


def test_a_choice_below_an_excluded_folder_keeps_what_is_above_it(feed, source):
    feed.files = {"a/x/1.md": "One.", "a/y/2.md": "Two.", "b/3.md": "Three."}
    synced(source)
    choose(source, [Chosen(None), Chosen("a", include=False), Chosen("a/y")], by=None)
    run_open(source)
    paths = sorted(source.nodes.values_list("external_id", flat=True))
    assert paths == ["a", "a/y", "a/y/2.md", "b", "b/3.md"]


def test_a_choice_made_while_a_run_is_open_is_followed_after_it(feed, source):
    feed.files = {"a/1.md": "One.", "b/2.md": "Two."}
    source.runs.create(trigger="person")
    choose(source, [Chosen("a")], by=None)
    sync_source(source.runs.get())
    run = run_open(source)
    assert (run.trigger, run.full) == ("full", True)


def test_a_place_that_is_changed_while_a_run_is_open_is_listed_from_its_beginning(feed, source):
    feed.files = {"a.md": "One."}
    synced(source)
    listed = feed.changes

    def changes(cursor, chosen):
        yield from listed(cursor, chosen)
        feed.changes = listed
        update_source(DataSource.objects.get(pk=source.pk), by=None, config={"place": "elsewhere"})

    feed.changes = changes
    synced(source)
    run_open(source)
    assert feed.cursors[-1] == {}, "what was said of the old place says nothing of the new one"


def test_a_run_that_waits_goes_on_at_another_place_from_its_beginning(feed, source):
    feed.files = {"a.md": "One."}
    synced(source)
    run = source.runs.create(trigger="person", state="paused", cursor={"at": 7}, scopes=[None])
    update_source(DataSource.objects.get(pk=source.pk), by=None, config={"place": "elsewhere"})
    run.refresh_from_db()
    assert (run.cursor, run.scopes) == ({}, [])


# ---- What a person lets go ---------------------------------------------------------------------------------------


def ids(nodes) -> set[str]:
    return set(nodes.values_list("external_id", flat=True))


def broken(place, error):
    def changes(cursor, chosen):
        raise error
        yield

    place.changes = changes


def test_what_is_unticked_is_read_no_more_although_the_source_never_answers_again(feed, source, cast, embedder):
    feed.files = {"a/1.md": "One.", "b/2.md": "Two.", "b/3.md": "Three."}
    synced(source)
    readable = Node.objects.readable_by(cast.member)
    assert ids(readable) == {"a", "a/1.md", "b", "b/2.md", "b/3.md"}
    choose(source, [Chosen("a")], by=cast.admin.user)
    assert ids(readable) == {"a", "a/1.md"}, "read until a worker comes"
    assert ids(Node.objects.browsable_by(cast.admin)) == {"a", "a/1.md"}
    assert documents_below(source, [node_id(source.pk, key) for key in "ab"], None) == {node_id(source.pk, "a"): 1}
    unticked = Branch(source.pk, (node_id(source.pk, "b"),))
    assert [place.name for place in narrowing.suggested(cast.member, "")] == [source.name, "a"]
    with pytest.raises(narrowing.OutOfReach):
        narrowing.checked([unticked], readable_branches(cast.member))
    told_why = why(Node.objects.get(external_id="b/2.md"), cast.member)
    assert (told_why.may, "is being removed" in told_why.reasons[0]) == (False, True)
    broken(feed, ConnectorError("The token was revoked: connect again", permanent=True))
    run = run_open(source)
    assert (run.state, run.removed) == ("failed", 2)
    assert ids(source.nodes) == {"a", "a/1.md"}
    assert len(in_index(source, embedder.space)) == 1
    assert_exact(source, embedder.space)


def test_what_is_ticked_again_before_a_worker_came_stays_as_it_was(feed, source, cast, embedder):
    feed.files = {"a/1.md": "One.", "b/2.md": "Two.", "c/3.md": "Three."}
    synced(source)
    by_hand = Node.objects.get(external_id="a/1.md")
    choose(source, [Chosen("a")], by=cast.admin.user)
    Node.objects.filter(pk=by_hand.pk).update(gone="agreed")
    choose(source, [Chosen("a"), Chosen("b")], by=cast.admin.user)
    agreed = ids(Node.objects.filter(gone="agreed"))
    assert agreed == {"a/1.md", "c", "c/3.md"}, "only what the choice had let go is taken back"
    feed.fetched.clear()
    run_open(source)
    assert feed.fetched == ["a/1.md"]
    assert_exact(source, embedder.space)


def test_what_is_unticked_while_it_is_listed_is_not_brought_back_by_that_listing(feed, source, cast, embedder):
    feed.files = {"a/1.md": "One.", "b/2.md": "Two."}
    synced(source)
    listed = feed.changes

    def changes(cursor, chosen):
        for number, change in enumerate(list(listed(cursor, chosen))):
            if not number:
                choose(source, [Chosen("a")], by=cast.admin.user)
            yield change

    feed.changes = changes
    DataSource.objects.update(cursor={})
    run = synced(source)
    assert ids(source.nodes) == {"a", "a/1.md"}
    assert run.removed == 1
    assert_exact(source, embedder.space)


def test_what_is_unticked_while_its_change_is_written_is_not_brought_back(feed, source, cast, embedder, monkeypatch):
    feed.files = {"a/1.md": "One.", "b/2.md": "Two."}
    synced(source)
    rows = told.rows

    def slowly(*args):
        found = rows(*args)
        choose(source, [Chosen("a")], by=cast.admin.user)
        return found

    monkeypatch.setattr(told, "rows", slowly)
    feed.files["b/2.md"] = "Two, edited."
    DataSource.objects.update(cursor={})
    run = synced(source)
    assert ids(source.nodes) == {"a", "a/1.md"}
    assert run.removed == 1
    assert_exact(source, embedder.space)


def test_what_is_added_later_stays_out_where_the_choice_says_so(place, source, embedder):
    place.files = {"a/1.md": "One.", "b/2.md": "Two."}
    now = timezone.now().isoformat()
    choose(source, [Chosen("a", future=False, options={"chosen_at": now}), Chosen("b")], by=None)
    run_open(source)
    place.files |= {"a/new.md": "Later.", "a/deep/new.md": "Later.", "b/new.md": "Later."}
    assert account(synced(source)) == {"discovered": 5, "unchanged": 2, "indexed": 1, "skipped": 2}
    assert Node.objects.get(external_id="a/new.md").reason.startswith("Added after the choice")
    place.files["a/1.md"] = "One, edited."
    assert account(synced(source)) == {"discovered": 5, "unchanged": 2, "indexed": 1, "skipped": 2}
    choose(source, [Chosen("a"), Chosen("b")], by=None)
    assert account(run_open(source)) == {"discovered": 5, "unchanged": 3, "indexed": 2}
    assert_exact(source, embedder.space)


def test_a_first_listing_that_broke_off_is_no_reason_to_leave_out_the_rest(place, source, embedder):
    now = timezone.now().isoformat()
    choose(source, [Chosen(None, future=False, options={"chosen_at": now})], by=None)
    place.files = {"a.md": "One."}
    place.listing_error = ConnectorError("The token was revoked: connect again", permanent=True)
    run_open(source)
    place.files["b.md"], place.listing_error = "Two.", None
    assert account(synced(source))["indexed"] == 2
