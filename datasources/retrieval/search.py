"""Hybrid search: embed, ask both halves, fuse, judge, and make results of what is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from datasources.retrieval.closer import SMALL, looked_closer, sentences
from datasources.retrieval.filters import admits_nothing
from datasources.retrieval.fusing import DENSE_WEIGHT, Fused, QueryKind, fuse, kind_of
from datasources.retrieval.joining import FoundPassage, as_passage, choose, extend, neighbours
from datasources.retrieval.judging import LOOKED_AT, NOTHING, Judgement, judge
from datasources.retrieval.types import Filter, Hit, WorkspaceIndex

CANDIDATES = 100
"""From each half."""


class QueryEmbedding(Protocol):
    @property
    def vectors(self) -> list[list[float]]: ...


class QueryEmbedder(Protocol):
    """The part of an Embedder that a search needs. Blocking."""

    def embed_query(self, text: str) -> QueryEmbedding: ...

    def embed_documents(self, texts: Sequence[str]) -> QueryEmbedding: ...


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds. ``closer``: of the second look. ``total`` is all of the search, waiting for a thread included."""

    embed: float = 0.0
    index: float = 0.0
    closer: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Results:
    """``passages`` best first. They are given whether or not they are judged relevant: the caller decides what to show."""

    passages: tuple[FoundPassage, ...] = ()
    judgement: Judgement = NOTHING
    kind: QueryKind = "question"
    timings: Timings = Timings()


async def search(
    handle: WorkspaceIndex,
    embedder: QueryEmbedder,
    space: str,
    query: str,
    filter: Filter,
    limit: int = 8,
    *,
    per_document: int = 3,
    tokens: int = 4000,
    around: int = 0,
    dense_weight: float | None = None,
) -> Results:
    """The passages for ``query`` that ``filter`` lets through.

    ``limit``: results, after neighbours were joined. ``per_document``: passages of one document among them.
    ``tokens``: budget over all results, estimated. ``around``: how many of the best results also get the passages
    before and after them. ``dense_weight``: 0 is BM25 alone, 1 is dense alone; None chooses by the query's kind.
    A blank query or a filter that admits nothing finds nothing, without a call. Raises IndexUnavailable, and what the
    embedder raises.
    """
    if limit < 1:
        raise ValueError(f"A search gives one result or more, not {limit}.")
    query = query.strip()
    kind = kind_of(query)
    if not query or admits_nothing(filter):
        return Results(kind=kind)
    started = time.perf_counter()
    embedded = await asyncio.to_thread(embedder.embed_query, query)
    asked = time.perf_counter()
    candidates = await handle.search(space, dense=embedded.vectors[0], query=query, filter=filter, limit=CANDIDATES)
    fused = fuse(candidates, DENSE_WEIGHT[kind] if dense_weight is None else dense_weight)
    best = fused[: max(4 * limit, LOOKED_AT)]
    hits = await handle.fetch(space, [item.id for item in best], filter, terms=candidates.terms)
    passages = choose(_ranked(best, hits), limit=limit, per_document=per_document, tokens=tokens)
    wanted = neighbours(passages, around=around)
    if wanted:
        passages = extend(passages, await handle.fetch(space, wanted, filter), tokens=tokens)
    judgement = judge(fused, hits, candidates.terms)
    judged = time.perf_counter()
    if not judgement.relevant and len(fused) < SMALL and (said := sentences(hits)):
        vectors = await asyncio.to_thread(embedder.embed_documents, said)
        judgement = looked_closer(judgement, embedded.vectors[0], vectors.vectors)
    ended = time.perf_counter()
    timings = Timings(
        embed=1000 * (asked - started),
        index=1000 * (judged - asked),
        closer=1000 * (ended - judged),
        total=1000 * (ended - started),
    )
    return Results(tuple(passages), judgement, kind, timings)


def _ranked(best: list[Fused], hits: list[Hit]) -> list[FoundPassage]:
    """A point deleted between the two calls is simply no longer there."""
    scores = {item.id: item.score for item in best}
    return [as_passage(hit, scores[hit.id]) for hit in hits]
