"""One workspace's part of the index on a Qdrant server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from qdrant_client import models

from datasources.retrieval.filters import for_reader, for_selector, only_workspace, with_ids
from datasources.retrieval.server_queries import Ask, collection, scored, sparse_of, spoken_errors, terms_of, to_filter
from datasources.retrieval.types import Candidates, Filter, Hit, Point, QueryTerm, Selector, StoredPoint
from datasources.retrieval.values import best_first, finite, only_in, without_workspace

if TYPE_CHECKING:
    from datasources.retrieval.server import ServerIndex

BATCH = 64


class ServerHandle:
    """WorkspaceIndex: see types.py."""

    def __init__(self, index: ServerIndex, workspace: UUID) -> None:
        self._index, self._workspace = index, workspace

    def ensure(self, space: str, size: int) -> None:
        self._index.ensure(space, size)

    def upsert(self, space: str, points: Sequence[Point]) -> None:
        own = to_filter(only_workspace(self._workspace))
        for first in range(0, len(points), BATCH):
            batch = [self._point(space, point) for point in points[first : first + BATCH]]
            with spoken_errors():
                self._index.writer.upsert(collection(space), batch, wait=True, update_filter=own)

    def delete(self, space: str, selector: Selector) -> None:
        where = self._where(space, selector)
        if where is not None:
            with spoken_errors():
                self._index.writer.delete(collection(space), models.FilterSelector(filter=where), wait=True)

    def set_payload(self, space: str, selector: Selector, payload: Mapping[str, Any]) -> None:
        changes = without_workspace(payload)
        where = self._where(space, selector)
        if where is not None:
            with spoken_errors():
                self._index.writer.set_payload(collection(space), changes, points=where, wait=True)

    def set_payloads(self, space: str, changes: Sequence[tuple[Selector, Mapping[str, Any]]]) -> None:
        operations: list[Any] = []
        for selector, payload in changes:
            where = self._where(space, selector)
            if where is not None:
                set_ = models.SetPayload(payload=without_workspace(payload), filter=where)
                operations.append(models.SetPayloadOperation(set_payload=set_))
        for first in range(0, len(operations), BATCH):
            with spoken_errors():
                batch = operations[first : first + BATCH]
                self._index.writer.batch_update_points(collection(space), batch, wait=True)

    async def search(self, space: str, *, dense: Sequence[float], query: str, filter: Filter, limit: int) -> Candidates:
        where = for_reader(self._workspace, filter)
        if where is None or not await asyncio.to_thread(self._index.exists, space):
            return Candidates()
        await asyncio.to_thread(self._index.check_size, space, finite(dense))
        words = self._index.query_lexicon().words(query)
        ask = Ask(list(dense), list(words), only_workspace(self._workspace))
        with spoken_errors():
            found = await self._batch(space, ask.first(to_filter(where), limit))
            if not words:
                return Candidates(dense=scored(found[0]))
            by_meaning, by_words, probes = scored(found[0]), scored(found[1]), found[2:]
            # What one half found, the other scores too: fused over the same passages, neither is guessed.
            second = ask.second(only_in(by_words, by_meaning), only_in(by_meaning, by_words))
            missing = await self._batch(space, [request for request in second if request is not None])
            by_meaning += scored(missing.pop(0)) if second[0] else []
            by_words += scored(missing.pop(0)) if second[1] else []
            total = 0 if all(probes) else await self._population(space)
        return Candidates(best_first(by_meaning), best_first(by_words), terms_of(words, probes, total))

    async def _batch(self, space: str, requests: list[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        if not requests:
            return []
        answers = await self._index.searcher().query_batch_points(collection(space), requests)
        return [answer.points for answer in answers]

    async def _population(self, space: str) -> int:
        everything = to_filter(only_workspace(self._workspace))
        return (await self._index.searcher().count(collection(space), everything, exact=False)).count

    async def fetch(
        self, space: str, ids: Sequence[UUID], filter: Filter, *, terms: Sequence[QueryTerm] = ()
    ) -> list[Hit]:
        where = for_reader(self._workspace, filter)
        ids = list(dict.fromkeys(ids))
        if where is None or not ids or not await asyncio.to_thread(self._index.exists, space):
            return []
        with spoken_errors():
            records, _ = await self._index.searcher().scroll(
                collection(space),
                to_filter(with_ids(where, ids)),
                limit=len(ids),
                with_payload=True,
                with_vectors=["bm25"] if terms else False,
            )
        found = {UUID(str(record.id)): record for record in records}
        wanted = frozenset(term.key for term in terms)
        return [
            Hit(id, found[id].payload or {}, wanted.intersection(sparse_of(found[id].vector)))
            for id in ids
            if id in found
        ]

    def scroll(
        self, space: str, selector: Selector, *, with_vectors: bool = False, batch: int = 256
    ) -> Iterator[StoredPoint]:
        where = self._where(space, selector)
        offset: Any = None
        while where is not None:
            with spoken_errors():
                records, offset = self._index.writer.scroll(
                    collection(space),
                    where,
                    limit=batch,
                    offset=offset,
                    with_payload=True,
                    with_vectors=["dense"] if with_vectors else False,
                )
            for record in records:
                dense: Any = record.vector["dense"] if isinstance(record.vector, dict) else None
                yield StoredPoint(UUID(str(record.id)), record.payload or {}, dense)
            if offset is None:
                return

    def count(self, space: str, selector: Selector) -> int:
        where = self._where(space, selector)
        if where is None:
            return 0
        with spoken_errors():
            return self._index.writer.count(collection(space), where, exact=True).count

    def flush(self) -> None:
        """Nothing to do: the server answers a write when it is in its log, and flushes by itself."""

    def _where(self, space: str, selector: Selector) -> models.Filter | None:
        where = for_selector(self._workspace, selector)
        return to_filter(where) if where is not None and self._index.exists(space) else None

    def _point(self, space: str, point: Point) -> models.PointStruct:
        self._index.check_size(space, finite(point.dense))
        indices, values = self._index.lexicon(space).document(point.embed_text)
        vectors: dict[str, Any] = {"dense": list(point.dense)}
        if indices:
            vectors["bm25"] = models.SparseVector(indices=indices, values=values)
        payload = {**without_workspace(point.payload), "workspace": str(self._workspace)}
        return models.PointStruct(id=str(point.id), vector=vectors, payload=payload)
