"""``python -m bench.filling <source's name> <passages>``: rows and points of generated documents, without a sync.

Run while the portal is down, as the index has one owner. Vectors are random: an exact scan takes as long over any.
"""

from __future__ import annotations

import random
import sys
from array import array
from uuid import UUID

import django

PASSAGES_EACH = 5
SENTENCES = 9
TOGETHER = 200


def fill(name: str, passages: int) -> None:
    """A source of ``passages`` passages for the first workspace, readable by everybody in it."""
    from datasources.models import DataSource
    from datasources.reading import close_index, embedder_for, open_index
    from datasources.sources import create_source
    from portal.models import Workspace

    workspace = Workspace.objects.get(slug="demo")
    source = create_source(workspace=workspace, by=None, kind="upload", name=name, config={}, start=False)
    DataSource.objects.filter(pk=source.pk).update(state=DataSource.State.OK)
    embedder = embedder_for(workspace)
    index = open_index().for_workspace(workspace.pk)
    index.ensure(embedder.space, embedder.size)
    documents = range(passages // PASSAGES_EACH)
    for first in range(0, len(documents), TOGETHER):
        points = _stored(source, documents[first : first + TOGETHER], embedder)
        index.upsert(embedder.space, points)
    index.flush()
    close_index()


def _stored(source, numbers, embedder) -> list:  # type: ignore[no-untyped-def]  # models load after django.setup
    """Some documents' rows; gives their points."""
    from bench.words import Writer
    from datasources.ingestion.chunking import embed_text
    from datasources.models import Document, Node, node_id
    from datasources.retrieval.types import Point, point_id

    nodes, documents, points = [], [], []
    for number in numbers:
        writer, chance = Writer(1000 + number), random.Random(number)
        id: UUID = node_id(source.pk, f"page-{number}")
        title = " ".join(writer.words(4)).title()
        parts = [writer.sentences(SENTENCES) for _ in range(PASSAGES_EACH)]
        text, start = "\n\n".join(parts), 0
        nodes.append(
            Node(id=id, workspace=source.workspace, source=source, external_id=f"page-{number}", kind="page", title=title,
                 parents=[id], path=title, status=Node.Status.INDEXED)
        )  # fmt: skip
        documents.append(
            Document(node_id=id, title=title, text=text, content_hash=f"{number:064}", indexed_space=embedder.space,
                     indexed_hash=f"{number:064}", indexed_title=title, passages=len(parts))
        )  # fmt: skip
        for position, part in enumerate(parts):
            payload = {
                "source": str(source.pk), "node": str(id), "parents": [str(id)], "tags": [], "timestamp": None,
                "position": position, "hash": f"{number}-{position}", "title": title, "heading": "",
                "start": start, "end": start + len(part), "text": part,
            }  # fmt: skip
            vector = array("f", (chance.gauss(0, 1) for _ in range(embedder.size)))
            points.append(Point(point_id(id, position), vector, embed_text(title, "", part), payload))
            start += len(part) + 2
    Node.objects.bulk_create(nodes)
    Document.objects.bulk_create(documents)
    return points


if __name__ == "__main__":
    from portal import postgres

    postgres.start()
    django.setup()
    fill(sys.argv[1], int(sys.argv[2]))
