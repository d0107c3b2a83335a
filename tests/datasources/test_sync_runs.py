"""One run after another over a place that changes: what comes in, what is left alone, what goes."""

from __future__ import annotations

import pytest

from datasources.models import Document, Node, RunItem, node_id
from tests.datasources.syncing import account, assert_exact, synced

pytestmark = pytest.mark.django_db

LONG = "\n\n".join(f"# Part {n}\n\n" + f"Sentence about topic {n} that goes on. " * 30 for n in range(8))


def test_a_first_sync_brings_everything_in(source, place, embedder):
    place.files = {"guide.md": LONG, "leave/sick.md": "# Sick leave\n\nCall in.", "leave/empty.md": "  "}
    run = synced(source)
    assert run.state == "done"
    assert account(run) == {"discovered": 3, "indexed": 2, "skipped": 1}
    assert assert_exact(source, embedder.space) == run.passages > 4
    sick = Node.objects.get(external_id="leave/sick.md")
    assert sick.path == "leave / sick.md"
    assert sick.parents == [sick.pk, node_id(source.pk, "leave")]
    assert RunItem.objects.get(run=run, outcome="skipped").reason == "Empty"
    source.refresh_from_db()
    assert source.state == "ok"
    assert source.last_synced


def test_a_slow_model_is_asked_for_what_takes_under_a_second_and_a_quick_one_for_much(
    source, place, embedder, monkeypatch
):
    """Documents count once their call is through: with few of them, large calls would move the bar in few great steps."""
    asked = []
    ask = embedder.embed_documents
    monkeypatch.setattr(embedder, "embed_documents", lambda texts: asked.append(len(texts)) or ask(texts))
    place.files = {f"{n:03}.md": f"# Sheet {n}\n\nBarrels of herring: {n}." for n in range(40)}
    embedder.seconds = 0.05
    assert synced(source).indexed == 40 == sum(asked)
    assert max(asked) <= 14
    asked.clear()
    embedder.seconds = 0.0
    place.files = {"all.md": "\n\n".join(f"# Part {n}\n\n" + f"Herring of {n}. " * 40 for n in range(200))}
    synced(source)
    assert sum(asked) >= 200
    assert len(asked) < sum(asked) / 16


def test_a_second_sync_of_the_same_fetches_and_embeds_nothing(source, place, embedder):
    place.files = {"a.md": LONG, "b/c.md": "Text."}
    synced(source)
    place.fetched.clear()
    embedder.texts = 0
    run = synced(source)
    assert account(run) == {"discovered": 2, "unchanged": 2}
    assert (place.fetched, embedder.texts) == ([], 0)
    assert_exact(source, embedder.space)


def test_an_edit_embeds_only_what_changed(source, place, embedder):
    place.files = {"a.md": LONG, "b.md": "Text."}
    passages = synced(source).passages
    place.fetched.clear()
    embedder.texts = 0
    place.files["a.md"] = LONG.replace("Sentence about topic 3", "Something new on topic 3")
    run = synced(source)
    assert place.fetched == ["a.md"]
    assert 1 <= embedder.texts < passages / 2
    assert account(run) == {"discovered": 2, "indexed": 1, "unchanged": 1}
    assert_exact(source, embedder.space)


def test_a_document_that_got_shorter_leaves_no_tail(source, place, embedder):
    place.files = {"a.md": LONG}
    synced(source)
    place.files["a.md"] = LONG[: len(LONG) // 3]
    synced(source)
    assert_exact(source, embedder.space)


def test_a_new_version_of_the_same_content_counts_as_unchanged(source, place, embedder):
    place.files = {"a.md": LONG}
    synced(source)
    Node.objects.filter(source=source).update(fetched_version="older")
    embedder.texts = 0
    run = synced(source)
    assert account(run) == {"discovered": 1, "unchanged": 1}
    assert embedder.texts == 0
    assert Node.objects.get(source=source).fetched_version == Node.objects.get(source=source).version


def test_what_is_deleted_at_the_source_is_gone_everywhere(source, place, embedder):
    place.files = {"a.md": LONG, "b/c.md": "Text.", "b/d.md": "More."}
    synced(source)
    del place.files["b/c.md"], place.files["b/d.md"]
    run = synced(source)
    assert account(run) == {"discovered": 1, "unchanged": 1, "removed": 2}
    assert list(Node.objects.filter(source=source).values_list("external_id", flat=True)) == ["a.md"]
    assert Document.objects.filter(node__source=source).count() == 1
    assert_exact(source, embedder.space)


def test_what_can_no_longer_come_in_leaves_the_index(source, place, embedder):
    place.files = {"a.md": LONG, "b.md": "Text."}
    synced(source)
    place.files["a.md"] = ""
    run = synced(source)
    assert account(run) == {"discovered": 2, "unchanged": 1, "skipped": 1}
    assert not Document.objects.filter(node__external_id="a.md").exists()
    assert_exact(source, embedder.space)


def test_another_embedding_model_embeds_everything_anew_and_fetches_nothing(source, place, embedder, monkeypatch):
    from datasources.reading import open_index
    from datasources.retrieval.types import Selector
    from tests.embedders import InstantEmbedder

    place.files = {"a.md": LONG, "b.md": "Text."}
    passages = synced(source).passages
    place.fetched.clear()
    other = InstantEmbedder("other", size=8)
    monkeypatch.setattr("datasources.sync.embedder_for", lambda workspace: other)
    run = synced(source, trigger="embedder")
    assert account(run) == {"discovered": 2, "indexed": 2}
    assert place.fetched == []
    assert other.texts == passages
    assert_exact(source, other.space)
    assert open_index().for_workspace(source.workspace_id).count(embedder.space, Selector(source=source.pk)) == 0


def test_a_lost_index_is_made_again_from_the_stored_text(source, place, embedder, one_index):
    from datasources.retrieval.types import Selector

    place.files = {"a.md": LONG, "b.md": "Text."}
    synced(source)
    place.fetched.clear()
    handle = one_index.for_workspace(source.workspace_id)
    handle.delete(embedder.space, Selector(node=node_id(source.pk, "a.md")))
    run = synced(source)
    assert run.state == "done"
    assert place.fetched == []
    assert_exact(source, embedder.space)
