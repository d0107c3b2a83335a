"""Filling the index again from the database, without asking the sources for anything."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from datasources.connectors.base import ConnectorError, NodeError
from datasources.models import Document, SyncRun
from datasources.reading import open_index
from datasources.reindexing import reindex
from datasources.retrieval.types import Selector
from datasources.sources import request_sync
from datasources.sync import sync_source
from tests import factories
from tests.datasources.syncing import account, assert_exact, in_index, synced

FILES = {f"folder/page{n}.md": f"# Page {n}\n\nWhat page {n} says.\n" for n in range(5)}


@pytest.fixture(autouse=True)
def _shared_index(monkeypatch):
    """A command is a process of its own, which closes the index at its end; here others go on using it."""
    monkeypatch.setattr("datasources.management.commands.reindex.close_index", lambda: None)


@pytest.fixture
def lost(source, place, embedder, db):
    """A source that was synced, whose passages the index then lost; the place itself is out of reach."""
    place.files = dict(FILES)
    synced(source)
    open_index().for_workspace(source.workspace_id).delete(embedder.space, Selector())
    place.fetched.clear()
    place.listing_error = ConnectorError("The place is out of reach", permanent=True)
    place.errors = {name: [NodeError("It can't be read")] for name in FILES}
    return source


def again(source) -> SyncRun:
    (run,) = reindex(source.workspace)
    sync_source(run)
    return SyncRun.objects.get(pk=run.pk)


def test_an_index_that_was_lost_is_filled_from_the_database_alone(lost, place, embedder):
    run = again(lost)
    assert (run.state, account(run)) == ("done", {"discovered": 5, "indexed": 5})
    assert_exact(lost, embedder.space)
    assert place.fetched == []


def test_texts_without_a_version_are_taken_from_the_database_too(lost, place, embedder):
    lost.nodes.update(version="", fetched_version="")
    assert again(lost).state == "done"
    assert_exact(lost, embedder.space)
    assert place.fetched == []


def test_what_had_failed_is_left_to_the_next_sync(lost, place, embedder):
    node = lost.nodes.exclude(status="container").first()
    Document.objects.filter(pk=node.pk).delete()
    lost.nodes.filter(pk=node.pk).update(status="failed", reason="It was locked")
    run = again(lost)
    assert (run.state, account(run)) == ("done", {"discovered": 4, "indexed": 4})
    node.refresh_from_db()
    assert (node.status, node.reason) == ("failed", "It was locked")


def test_an_index_that_is_whole_is_only_looked_through(source, place, embedder, monkeypatch):
    place.files = dict(FILES)
    synced(source)
    before = in_index(source, embedder.space)
    monkeypatch.setattr(embedder, "embed_documents", None)
    assert again(source).state == "done"
    assert in_index(source, embedder.space) == before


def test_called_again_it_goes_on_where_it_was(lost, embedder):
    (run,) = reindex(lost.workspace)
    node = lost.nodes.exclude(status="container").first()
    Document.objects.filter(pk=node.pk).update(indexed_hash="done already")
    assert reindex(lost.workspace) == [run]
    assert Document.objects.get(pk=node.pk).indexed_hash == "done already"


def test_a_sync_that_is_open_already_meets_the_documents_that_lost_their_mark(lost, place, embedder):
    place.listing_error, place.errors = None, {}
    running = request_sync(lost, by=None)
    assert reindex(lost.workspace) == [running]
    sync_source(running)
    assert_exact(lost, embedder.space)


def test_each_workspace_has_its_own(cast, lost, embedder):
    factories.source(cast.elsewhere, kind="fake")
    assert [run.source for run in reindex(cast.workspace)] == [lost]


def test_a_workspace_that_is_not_there_is_named(cast, embedder):
    with pytest.raises(CommandError, match="no workspace 'acne'; there are: acme, umbra"):
        call_command("reindex", workspace="acne", stdout=io.StringIO())


@pytest.mark.django_db(transaction=True)
def test_the_command_says_how_far_it_is_and_how_it_ended(lost, embedder, monkeypatch):
    monkeypatch.setattr("datasources.management.commands.reindex.SAY_SECONDS", 0.0)
    said = io.StringIO()
    call_command("reindex", workspace=lost.workspace.slug, stdout=said)
    *far, ended = said.getvalue().splitlines()
    assert ended == f"acme: {lost.name}: done, 5 documents"
    assert far
    assert all(line.startswith(f"acme: {lost.name}: ") for line in far)
    assert_exact(lost, embedder.space)
