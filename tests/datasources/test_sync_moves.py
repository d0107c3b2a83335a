"""A folder with thousands of documents moves: one statement in SQL, batches in the index, nothing read again."""

from __future__ import annotations

import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from datasources.connectors.base import Move, Upsert
from datasources.models import Document, Node, node_id
from datasources.retrieval.types import Point, Selector, point_id
from datasources.syncing.embedding import node_payload
from datasources.syncing.hierarchy import rewrite_below
from tests import factories
from tests.datasources.syncing import folder_node, in_index, synced

pytestmark = pytest.mark.django_db
MANY = 2_000
SECONDS = 2.0
"""Of the worker's processor, a fifth of what ten thousand may take; the clock on the wall also counts other tests."""


@pytest.fixture
def archive(source, place, embedder, one_index):
    """Folders ``old/archive`` and ``new``, and so many documents in ``archive``, in SQL and in the index."""
    place.script = [Upsert(folder_node("old")), Upsert(folder_node("new")), Upsert(folder_node("old/archive"))]
    synced(source)
    folder = Node.objects.get(external_id="old/archive")
    nodes = [_document(source, folder, number, embedder.space) for number in range(MANY)]
    handle = one_index.for_workspace(source.workspace_id)
    vector = [1.0, *[0.0] * (embedder.size - 1)]
    rest = {"source": str(source.pk), "hash": "x", "title": "", "heading": "", "start": 0, "end": 5, "text": "Text."}
    points = [
        Point(point_id(n.pk, 0), vector, "Text.", {**rest, **node_payload(n), "node": str(n.pk), "position": 0})
        for n in nodes
    ]
    handle.upsert(embedder.space, points)
    yield source
    handle.delete(embedder.space, Selector(source=source.pk))


def _document(source, folder, number, space):
    key = node_id(source.pk, f"d{number}")
    node = Node(
        id=key,
        workspace=source.workspace,
        source=source,
        external_id=f"d{number}",
        kind="file",
        title=f"d{number}",
        parent=folder,
        parents=[key, *folder.parents],
        path=f"{folder.path} / d{number}",
        depth=2,
        status=Node.Status.INDEXED,
        version="1",
        fetched_version="1",
    )
    text = {"text": "Text.", "content_hash": "x", "indexed_hash": "x", "indexed_space": space, "passages": 1}
    node.made = Document(node=node, **text)
    return node


def test_a_folder_of_thousands_of_documents_moves_in_seconds(archive, place, embedder):
    folder = Node.objects.get(external_id="old/archive")
    nodes = [_document(archive, folder, number, embedder.space) for number in range(MANY)]
    Node.objects.bulk_create(nodes, batch_size=2000)
    Document.objects.bulk_create([node.made for node in nodes], batch_size=2000)
    place.script = [Move("old/archive", "new")]
    begun = time.process_time()
    run = synced(archive)
    work = time.process_time() - begun
    assert (run.state, run.error, place.fetched, embedder.texts) == ("done", "", [], 0)
    assert work < SECONDS
    new = node_id(archive.pk, "new")
    assert Node.objects.filter(source=archive, parents__contains=[new]).count() == MANY + 2
    assert not Document.objects.filter(behind=True).exists()
    stored = in_index(archive, embedder.space)
    assert len(stored) == MANY
    chain = [str(node_id(archive.pk, "old/archive")), str(new)]
    assert all(payload["parents"] == [str(node), *chain] for (node, _), payload in stored.items())


def test_everything_below_is_rewritten_in_one_statement(source):
    top = factories.node(source, "top", told_readers=["everyone"], readers=["everyone"])
    inner = factories.node(source, "inner", parent=top)
    for number in range(50):
        factories.node(source, f"{number}.md", parent=inner, text="Text.")
    with CaptureQueriesContext(connection) as queries:
        rewrite_below(source.pk, [top.pk])
    assert len(queries) == 1
    assert Node.objects.filter(readers=["everyone"]).count() == 52
    assert Document.objects.filter(behind=True).count() == 50
