"""Moves, renames, orders of telling, and deletions that are too many to be believed."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from datasources.connectors.base import Checkpoint, Complete, ConnectorError, Delete, Move, Skipped, Upsert
from datasources.models import Node, SyncRun, node_id
from datasources.sources import approve_deletions, reject_deletions
from datasources.sync import sync_source
from tests.datasources.syncing import account, assert_exact, file_node, folder_node, in_index, synced

pytestmark = pytest.mark.django_db


def ids(source) -> set[str]:
    return set(Node.objects.filter(source=source).values_list("external_id", flat=True))


def by_id(place) -> list[Upsert]:
    """A place whose ids do not say where things are: a folder in a folder, with two pages."""
    place.files = {"p1": "# One\n\nText one.", "p2": "# Two\n\nText two."}
    return [
        Upsert(folder_node("top", None)),
        Upsert(folder_node("sub", "top")),
        Upsert(folder_node("other", None)),
        Upsert(file_node("p1", place.files["p1"], "sub")),
        Upsert(file_node("p2", place.files["p2"], "top")),
    ]


def test_a_moved_folder_takes_all_below_with_it_and_embeds_nothing(source, place, embedder):
    place.script = [*by_id(place), Checkpoint({"at": 1}), Complete(None)]
    synced(source)
    embedder.texts = 0
    place.fetched.clear()
    place.script = [Move("sub", "other"), Checkpoint({"at": 2})]
    run = synced(source)
    assert run.state == "done"
    assert (embedder.texts, place.fetched) == (0, [])
    page = Node.objects.get(external_id="p1")
    assert page.parents == [node_id(source.pk, name) for name in ("p1", "sub", "other")]
    assert (page.path, page.depth) == ("other / sub / p1", 2)
    assert_exact(source, embedder.space)
    assert {tuple(p["parents"]) for p in in_index(source, embedder.space).values()} == {
        tuple(str(parent) for parent in node.parents) for node in Node.objects.filter(status="indexed")
    }


def test_a_folder_told_elsewhere_is_a_move_too(source, place, embedder):
    place.script = [*by_id(place), Complete(None)]
    synced(source)
    place.script = [
        change if change.node.external_id != "sub" else Upsert(folder_node("sub", "other")) for change in by_id(place)
    ]
    run = synced(source)
    assert account(run) == {"discovered": 2, "unchanged": 2}
    assert Node.objects.get(external_id="p1").path == "other / sub / p1"
    assert_exact(source, embedder.space)


def test_a_renamed_folder_changes_the_paths_below(source, place, embedder):
    place.script = [*by_id(place), Complete(None)]
    synced(source)
    place.script = [Move("top", None, "Handbook")]
    synced(source)
    assert Node.objects.get(external_id="p1").path == "Handbook / sub / p1"
    assert_exact(source, embedder.space)


def test_a_renamed_page_is_embedded_again_under_its_new_title(source, place, embedder):
    place.script = [*by_id(place), Complete(None)]
    synced(source)
    place.fetched.clear()
    place.script = [Move("p1", "sub", "A better name")]
    run = synced(source)
    assert account(run) == {"discovered": 1, "indexed": 1}
    assert place.fetched == []
    assert_exact(source, embedder.space)


def test_children_may_be_told_before_their_parents(source, place, embedder, monkeypatch):
    monkeypatch.setattr("datasources.syncing.discovery.BATCH", 1)
    place.script = [*reversed(by_id(place)), Complete(None)]
    run = synced(source)
    assert account(run) == {"discovered": 2, "indexed": 2}
    assert Node.objects.get(external_id="p1").path == "top / sub / p1"
    assert_exact(source, embedder.space)


def test_folders_that_hold_each_other_do_not_hang_the_sync(source, place, embedder):
    place.files = {"p": "Text."}
    place.script = [Upsert(folder_node("a", "b")), Upsert(folder_node("b", "a")), Upsert(file_node("p", "Text.", "a"))]
    assert synced(source).state == "done"
    place.script = [Upsert(folder_node("b", None)), Upsert(folder_node("a", "b"))]
    assert synced(source).state == "done"
    assert Node.objects.get(external_id="p").path == "b / a / p"
    assert_exact(source, embedder.space)


def test_what_the_source_says_was_deleted_goes_with_all_below(source, place, embedder):
    place.script = [*by_id(place), Complete(None)]
    synced(source)
    place.script = [Delete("sub"), Checkpoint({"at": 2})]
    run = synced(source)
    assert account(run) == {"removed": 1}
    assert ids(source) == {"top", "other", "p2"}
    assert_exact(source, embedder.space)


def test_a_delete_of_what_never_came_in_takes_nothing_but_what_hangs_below_it(source, place, embedder):
    place.files = {"p1": "Text one.", "p2": "Text two."}
    told = [Upsert(folder_node("sub", "never told")), Upsert(file_node("p1", "Text one.", "sub"))]
    place.script = [*told, Upsert(file_node("p2", "Text two.", None))]
    assert account(synced(source)) == {"discovered": 2, "indexed": 2}
    place.script = [Delete(f"day-{number}") for number in range(300)]
    assert account(synced(source)) == {}
    place.script = [Delete("never told"), Delete("day-1")]
    assert account(synced(source)) == {"removed": 1}
    assert ids(source) == {"p2"}
    assert_exact(source, embedder.space)


def test_absence_deletes_only_below_what_was_told_completely(source, place, embedder):
    place.script = [*by_id(place), Complete(None)]
    synced(source)
    place.script = [Upsert(folder_node("sub", "top")), Complete("sub")]
    run = synced(source)
    assert account(run) == {"removed": 1}
    assert ids(source) == {"top", "sub", "other", "p2"}
    place.script = [Upsert(folder_node("top", None))]
    assert account(synced(source)) == {}
    assert ids(source) == {"top", "sub", "other", "p2"}


def test_a_listing_that_broke_off_deletes_nothing(source, place, embedder):
    place.files = {f"{n}.md": f"Text {n}." for n in range(8)}
    synced(source)
    del place.files["3.md"]
    place.listing_error = ConnectorError("The token was revoked: connect again", permanent=True)
    run = synced(source)
    assert (run.state, run.error) == ("failed", "The token was revoked: connect again")
    assert "3.md" in ids(source)
    place.listing_error = None
    assert account(synced(source))["removed"] == 1


def test_more_than_a_fifth_waits_for_a_yes(source, place, embedder, cast):
    place.files = {f"{n:02}.md": f"Text {n}." for n in range(20)}
    synced(source)
    place.files = {name: text for name, text in place.files.items() if name < "15"}
    run = synced(source)
    assert run.held == {"documents": 5, "of": 20, "examples": ["15.md", "16.md", "17.md", "18.md", "19.md"]}
    assert account(run) == {"discovered": 15, "unchanged": 15}
    assert len(ids(source)) == 20
    assert_exact(source, embedder.space)
    removal = approve_deletions(run, by=cast.admin.user)
    sync_source(removal)
    removal.refresh_from_db()
    assert (removal.state, account(removal)) == ("done", {"removed": 5})
    assert len(ids(source)) == 15
    assert_exact(source, embedder.space)
    with pytest.raises(ValidationError):
        approve_deletions(run, by=cast.admin.user)


@pytest.mark.parametrize(
    ("before", "after", "held"), [(6, 1, 5), (6, 4, None), (3, 0, 3), (2, 0, None), (20, 16, None)]
)
def test_what_is_held_of_a_small_source_is_more_than_a_fifth_and_more_than_two(
    source, place, embedder, before, after, held
):
    place.files = {f"{n:02}.md": f"Text {n}." for n in range(before)}
    synced(source)
    place.files = dict(list(place.files.items())[:after])
    run = synced(source)
    assert (run.held and run.held["documents"]) == held
    assert len(ids(source)) == (before if held else after)


def test_a_no_keeps_it_and_what_comes_back_is_not_asked_about(source, place, embedder, cast):
    place.files = {f"{n:02}.md": f"Text {n}." for n in range(20)}
    synced(source)
    everything, place.files = place.files, {}
    run = synced(source)
    assert run.held["documents"] == 20
    reject_deletions(run, by=cast.admin.user)
    assert not Node.objects.exclude(gone="").exists()
    place.files = everything
    assert synced(source).held is None
    assert SyncRun.objects.exclude(held=None).count() == 0
    assert_exact(source, embedder.space)


def test_what_the_connector_skips_is_in_the_account_with_its_reason(source, place, embedder):
    big = file_node("big.bin", "x")
    place.files = {"a.md": "Text."}
    place.script = [Upsert(file_node("a.md", "Text.")), Skipped(big, "Too large: 2 GB"), Complete(None)]
    run = synced(source)
    assert account(run) == {"discovered": 2, "indexed": 1, "skipped": 1}
    assert Node.objects.get(external_id="big.bin").reason == "Too large: 2 GB"
    place.script[1] = Upsert(big)
    place.files["big.bin"] = "Now small."
    run = synced(source)
    assert account(run) == {"discovered": 2, "unchanged": 1, "indexed": 1}
    place.script[1] = Skipped(big, "Too large: 2 GB")
    assert account(synced(source)) == {"discovered": 2, "unchanged": 1, "skipped": 1}
    assert_exact(source, embedder.space)


def test_names_that_no_database_can_hold_are_skipped_and_seen(source, place, embedder):
    place.script = [
        Upsert(file_node("bad\udcff.md", "x", title="bad\udcff.md")),
        Upsert(file_node("x" * 2000, "x")),
        Upsert(file_node("ok.md", "x", title="with\x00zero", url="http://a/\udcff", tags=("a\x00b", "c" * 200))),
    ]
    place.files = {"ok.md": "A text\x00 with a zero and half a pair \ud800."}
    run = synced(source)
    assert account(run) == {"discovered": 3, "indexed": 1, "skipped": 2}
    assert_exact(source, embedder.space)


def test_a_node_told_twice_in_one_run_counts_once(source, place, embedder, monkeypatch):
    monkeypatch.setattr("datasources.syncing.discovery.BATCH", 1)
    place.files = {"a.md": "Two."}
    place.script = [Upsert(file_node("a.md", "One.")), Upsert(file_node("a.md", "Two.")), Complete(None)]
    assert account(synced(source)) == {"discovered": 1, "indexed": 1}
    place.script = [Upsert(file_node("a.md", "Two.")), Delete("a.md")]
    assert account(synced(source)) == {"removed": 1}
    assert_exact(source, embedder.space)
