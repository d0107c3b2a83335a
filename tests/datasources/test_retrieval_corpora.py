"""Retrieval measured on real text: the Cranfield collection, one passage a document, embedded on this machine.

Also the judgement of relevance on the invented company's pages, which are our own, and run with every test.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from datasources.ingestion.chunking import chunk, embed_text
from datasources.retrieval.edge_client import EdgeHandle, EdgeIndex
from datasources.retrieval.search import Results, search
from datasources.retrieval.types import Branch, Filter, Point, point_id
from portal.providers.local import LocalEmbedder
from tests.corpora.cranfield import GAIN_AT, collection

SOURCE = uuid4()
EVERYTHING = Filter((Branch(SOURCE),))
FERNHOLT = Path(__file__).parent / "fernholt"


@dataclass(frozen=True)
class Page:
    path: str
    title: str
    text: str


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    return LocalEmbedder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    index = EdgeIndex(tmp_path_factory.mktemp("index"))
    yield index
    index.close()


def corpora() -> Path:
    path = os.environ.get("ATRIUM_CORPORA")
    if not path:
        pytest.skip("ATRIUM_CORPORA does not name the folder of real data")
    return Path(path)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def pages(root: Path) -> list[Page]:
    found = []
    for path in sorted(root.rglob("*.md")):
        text = path.read_text(errors="replace")
        title = path.stem.replace("-", " ")
        head = re.match(r"---\n(.*?)\n---\n", text, re.S)
        if head:
            named = re.search(r"^title: *(.*)$", head[1], re.M)
            title = named[1].strip("\"' ") if named else title
            text = text[head.end() :]
        found.append(Page(str(path.relative_to(root)), title, text))
    return found


def node(page: Page | str) -> UUID:
    return uuid5(SOURCE, page if isinstance(page, str) else page.path)


def payload(page: Page, number: int, start: int, end: int, heading: str) -> dict:
    own = str(node(page))
    return {
        "source": str(SOURCE),
        "parents": [own],
        "node": own,
        "tags": [],
        "timestamp": None,
        "position": number,
        "hash": "",
        "title": page.title,
        "heading": heading,
        "start": start,
        "end": end,
        "text": page.text[start:end],
    }


def fill(handle: EdgeHandle, embedder: LocalEmbedder, found: Iterable[Page]) -> int:
    """Chunk, embed and index, as a sync does; returns the number of passages."""
    handle.ensure(embedder.space, embedder.size)
    passages = [
        (page, piece) for page in found for piece in chunk(page.text, embedder.token_spans, embedder.window, page.title)
    ]
    texts = [embed_text(piece.title, piece.heading, page.text[piece.start : piece.end]) for page, piece in passages]
    vectors = embedder.embed_documents(texts).vectors
    handle.upsert(
        embedder.space,
        [
            Point(
                point_id(node(page), piece.number),
                vector,
                text,
                payload(page, piece.number, piece.start, piece.end, piece.heading),
            )
            for (page, piece), text, vector in zip(passages, texts, vectors, strict=True)
        ],
    )
    return len(passages)


async def ask(handle: EdgeHandle, embedder: LocalEmbedder, query: str, **options: Any) -> Results:
    return await search(handle, embedder, embedder.space, query, EVERYTHING, **options)


async def test_our_own_pages_answer_and_are_told_from_what_they_do_not(index, embedder, capsys):
    handle = index.for_workspace(uuid4())
    fill(handle, embedder, pages(FERNHOLT))
    first = among_three = answered = declined = 0
    questions = lines(FERNHOLT / "questions.jsonl")
    for question in questions:
        results = await ask(handle, embedder, question["query"], limit=8)
        if question["page"] is None:
            declined += not results.judgement.relevant
        else:
            ranking = [passage.node for passage in results.passages]
            first += ranking[0] == node(question["page"])
            among_three += node(question["page"]) in ranking[:3]
            answered += results.judgement.relevant
    with capsys.disabled():
        sys.stdout.write(
            f"\nfernholt: first {first}/58, in three {among_three}/58, answered {answered}/58, declined {declined}/40\n"
        )
    assert among_three >= 55
    assert first >= 50
    assert declined >= 38
    assert answered >= 50


@pytest.mark.corpora
async def test_hybrid_search_beats_both_of_its_halves_on_cranfield(index, embedder, capsys):
    """One passage a document: BM25 reads all of it, the embedder as much as its window holds."""
    known = collection(corpora() / "ir" / "cranfield")
    documents = {id: f"{title}\n{text}" for id, (title, text) in known.documents.items()}
    handle = index.for_workspace(uuid4())
    handle.ensure(embedder.space, embedder.size)
    cut = []
    for text in documents.values():
        spans = embedder.token_spans(text)[: embedder.window]
        cut.append(text[: spans[-1][1]] if spans else text)
    vectors = embedder.embed_documents(cut).vectors
    names = {node(id): id for id in documents}
    handle.upsert(
        embedder.space,
        [
            Point(point_id(node(id), 0), vector, text, payload(Page(id, "", text), 0, 0, len(text), ""))
            for (id, text), vector in zip(documents.items(), vectors, strict=True)
        ],
    )
    figures = {}
    for name, weight in (("bm25", 0.0), ("dense", 1.0), ("hybrid", None)):
        rankings = {}
        for id, query in known.queries.items():
            results = await ask(handle, embedder, query, limit=GAIN_AT, tokens=1_000_000, dense_weight=weight)
            rankings[id] = [names[passage.node] for passage in results.passages]
        figures[name] = known.mean_gain(rankings)
    with capsys.disabled():
        sys.stdout.write(
            "\ncranfield nDCG@10: " + ", ".join(f"{name} {value:.4f}" for name, value in figures.items()) + "\n"
        )
    assert figures["hybrid"] >= 0.56
    assert figures["hybrid"] > max(figures["bm25"], figures["dense"])
