"""The embedded index's engine: Qdrant Edge. Runs in a process of its own.

It holds Python's interpreter lock in every call, so it must not share a process with the portal. Nothing here imports
Django or the portal, so that the process stays small. ``edge_process.py`` starts it, ``edge_serve.py`` is its loop, and
``edge_client.py`` is the VectorIndex that talks to it.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import qdrant_edge as qdrant

from datasources.retrieval import wire
from datasources.retrieval.filters import Clause
from datasources.retrieval.lexical import Lexicon, inverse_document_frequency, passage_text
from datasources.retrieval.types import Candidates, Hit, QueryTerm, Scored
from datasources.retrieval.values import best_first, collection_name, only_in

log = logging.getLogger("atrium.index")

SAMPLE = 256
"""Passages read when a space is opened, to learn their mean length."""

INDEXES: dict[str, Any] = {
    "workspace": qdrant.KeywordIndexParams(is_tenant=True),
    "source": qdrant.KeywordIndexParams(),
    "parents": qdrant.KeywordIndexParams(),
    "node": qdrant.KeywordIndexParams(),
    "tags": qdrant.KeywordIndexParams(),
    "readers": qdrant.KeywordIndexParams(),
    "timestamp": qdrant.DatetimeIndexParams(),
    "position": qdrant.IntegerIndexParams(),
}


class Refused(Exception):
    """The caller's fault; the message says what to do."""


class Space:
    """One vector space: one shard on disk."""

    def __init__(self, directory: Path, name: str, size: int, language: str) -> None:
        self.name, self.size = name, size
        self._shard = qdrant.EdgeShard.load(str(directory / "shard"))
        self._index_payload()
        self._lexicon = Lexicon(lambda mean: qdrant.Bm25(qdrant.Bm25Config(language=language, avg_len=mean)))
        self._lexicon.learn(self._sample())
        self.dirty = False

    @staticmethod
    def create(directory: Path, name: str, size: int) -> None:
        """Write an empty shard beside its place, then move it there, so that a half-made one is never opened."""
        draft = directory.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "shard").mkdir(parents=True)
        config = qdrant.EdgeConfig(
            vectors={"dense": qdrant.EdgeVectorParams(size=size, distance=qdrant.Distance.Cosine)},
            sparse_vectors={"bm25": qdrant.EdgeSparseVectorParams(modifier=qdrant.Modifier.Idf)},
        )
        shard = qdrant.EdgeShard.create(str(draft / "shard"), config)
        for field, params in INDEXES.items():
            shard.update(qdrant.UpdateOperation.create_field_index(field, params))
        shard.flush()
        shard.close()
        (draft / "space.json").write_text(json.dumps({"space": name, "size": size}))
        draft.rename(directory)

    def _index_payload(self) -> None:
        """Fields that are indexed since a later version than the one that made this space."""
        have = self._shard.info().payload_schema
        for field, params in INDEXES.items():
            if field not in have:
                self._shard.update(qdrant.UpdateOperation.create_field_index(field, params))

    def upsert(self, points: list[wire.WirePoint], own: Clause) -> None:
        made = [self._point(point) for point in points]
        self._update(qdrant.UpdateOperation.upsert_points(made, condition=to_filter(own)))

    def delete(self, where: Clause) -> None:
        self._update(qdrant.UpdateOperation.delete_points_by_filter(to_filter(where)))

    def set_payload(self, where: Clause, payload: dict[str, Any]) -> None:
        self._update(qdrant.UpdateOperation.set_payload_by_filter(to_filter(where), payload))

    def set_payloads(self, changes: list[tuple[Clause, dict[str, Any]]]) -> None:
        for where, payload in changes:
            self.set_payload(where, payload)

    def search(self, request: wire.Search) -> Candidates:
        where, words = to_filter(request.where), self._lexicon.words(request.query)
        keys, vector = list(words), self._vector(request.dense)
        scope = qdrant.SearchParams(idf=qdrant.IdfParams(corpus=to_filter(request.population)))
        dense = _dense(vector, where, request.limit)
        if not keys:
            return Candidates(dense=_scored(self._shard.query(dense)))
        lexical = _lexical(keys, where, scope, request.limit)
        probes = [_lexical([key], where, scope, 1, with_vector=["bm25"]) for key in keys]
        answers = self._shard.query_batch(qdrant.QueryBatchRequest([dense, lexical, *probes]))
        by_meaning, by_words = _scored(answers[0]), _scored(answers[1])
        # What one half found, the other scores too: fused over the same passages, neither is guessed.
        only_words, only_meaning = only_in(by_words, by_meaning), only_in(by_meaning, by_words)
        if only_words:
            by_meaning += _scored(self._shard.query(_dense(vector, _ids(only_words), len(only_words))))
        if only_meaning:
            by_words += _scored(self._shard.query(_lexical(keys, _ids(only_meaning), scope, len(only_meaning))))
        return Candidates(
            dense=best_first(by_meaning),
            bm25=best_first(by_words),
            terms=self._terms(words, answers[2:], request.population),
        )

    def fetch(self, request: wire.Fetch) -> list[Hit]:
        where = to_filter({**request.where, "must": [*request.where["must"], {"has_id": request.ids}]})
        vectors = ["bm25"] if request.terms else False
        records, _ = self._shard.scroll(
            qdrant.ScrollRequest(limit=len(request.ids), filter=where, with_payload=True, with_vector=vectors)
        )
        found = {record.id: record for record in records}
        wanted = frozenset(request.terms)
        return [_hit(found[id], wanted) for id in request.ids if id in found]

    def scroll(self, request: wire.Scroll) -> wire.ScrollPage:
        records, following = self._shard.scroll(
            qdrant.ScrollRequest(
                offset=request.offset,
                limit=request.limit,
                filter=to_filter(request.where),
                with_payload=True,
                with_vector=["dense"] if request.with_vectors else False,
            )
        )
        points = [_stored(record) for record in records]
        return wire.ScrollPage(points, None if following is None else _uuid(following))

    def count(self, where: Clause | None = None, *, exact: bool = True) -> int:
        return self._shard.count(qdrant.CountRequest(exact=exact, filter=None if where is None else to_filter(where)))

    def flush(self) -> None:
        self._shard.flush()
        self.dirty = False

    def close(self) -> None:
        self.flush()
        self._shard.close()

    def _update(self, operation: qdrant.UpdateOperation) -> None:
        self.dirty = True
        self._shard.update(operation)

    def _vector(self, data: bytes) -> list[float]:
        vector = wire.unpack_vector(data)
        if len(vector) != self.size:
            raise Refused(
                f"The vector space {self.name} holds vectors of {self.size} numbers; one of {len(vector)} came. "
                "Each embedding model needs a space of its own."
            )
        return vector

    def _point(self, point: wire.WirePoint) -> qdrant.Point:
        indices, values = self._lexicon.document(point.embed_text)
        vectors: dict[str, Any] = {"dense": self._vector(point.dense)}
        if indices:
            vectors["bm25"] = qdrant.SparseVector(indices, values)
        return qdrant.Point(point.id, vectors, point.payload)

    def _terms(self, words: dict[int, str], probes: list[Any], population: Clause) -> list[QueryTerm]:
        """Each term's IDF: its score in the passage where it scores best, over its weight there."""
        terms = []
        unseen: float | None = None
        for (key, word), found in zip(words.items(), probes, strict=True):
            if found:
                best = found[0]
                weight = best.score / _sparse(best.vector)[key]
            else:
                if unseen is None:
                    unseen = inverse_document_frequency(0, self.count(population, exact=False))
                weight = unseen
            terms.append(QueryTerm(word, key, weight, bool(found)))
        return terms

    def _sample(self) -> Iterable[str]:
        records, _ = self._shard.scroll(qdrant.ScrollRequest(limit=SAMPLE, with_payload=["title", "heading", "text"]))
        for record in records:
            payload = record.payload or {}
            yield passage_text(*(str(payload.get(key) or "") for key in ("title", "heading", "text")))


class Engine:
    """All spaces below one directory."""

    def __init__(self, root: Path, language: str) -> None:
        self._root, self._language = root, language
        self._spaces: dict[str, Space] = {}
        self._broken: dict[str, str] = {}
        for draft in root.glob("*.new"):
            shutil.rmtree(draft)
        for description in sorted(root.glob("*/space.json")):
            self._open(description.parent)

    def handle(self, request: wire.Request) -> Any:
        """The answer to one request. Raises Refused."""
        match request:
            case wire.Ensure(space=name, size=size):
                return self._ensure(name, size)
            case wire.Upsert(space=name, points=points, own=own):
                return self._writable(name).upsert(points, own)
            case wire.Delete(space=name, where=where):
                return space.delete(where) if (space := self._find(name)) else None
            case wire.SetPayload(space=name, where=where, payload=payload):
                return space.set_payload(where, payload) if (space := self._find(name)) else None
            case wire.SetPayloads(space=name, changes=changes):
                return space.set_payloads(changes) if (space := self._find(name)) else None
            case wire.Search(space=name):
                return space.search(request) if (space := self._find(name)) else Candidates()
            case wire.Fetch(space=name):
                return space.fetch(request) if (space := self._find(name)) else []
            case wire.Scroll(space=name):
                return space.scroll(request) if (space := self._find(name)) else wire.ScrollPage([], None)
            case wire.Count(space=name, where=where):
                return space.count(where) if (space := self._find(name)) else 0
            case wire.Info():
                return wire.Description({name: space.count() for name, space in self._spaces.items()}, self._broken)
            case wire.Flush():
                return self.flush()

    @property
    def dirty(self) -> bool:
        return any(space.dirty for space in self._spaces.values())

    def flush(self) -> None:
        for space in self._spaces.values():
            if space.dirty:
                space.flush()

    def close(self) -> None:
        for space in self._spaces.values():
            space.close()
        self._spaces.clear()

    def _ensure(self, name: str, size: int) -> None:
        space = self._find(name)
        if space is None:
            directory = self._root / collection_name(name)
            Space.create(directory, name, size)
            self._open(directory)
            space = self._writable(name)
        if space.size != size:
            raise Refused(f"The vector space {name} holds vectors of {space.size} numbers, not of {size}.")

    def _open(self, directory: Path) -> None:
        """Open a space, or remember why it can't be, so that the others still serve."""
        name = directory.name
        try:
            description = json.loads((directory / "space.json").read_text())
            name = description["space"]
            self._spaces[name] = Space(directory, name, int(description["size"]), self._language)
        except Exception as error:  # noqa: BLE001 — the engine raises plain Exception; reported at each use of the space
            log.error("cannot open %s: %s", directory, error)
            self._broken[name] = f"{directory} can't be opened ({error}). Move it away and sync the sources again."

    def _find(self, name: str) -> Space | None:
        if name in self._broken:
            raise Refused(f"The search index for {name} is damaged: {self._broken[name]}")
        return self._spaces.get(name)

    def _writable(self, name: str) -> Space:
        space = self._find(name)
        if space is None:
            raise Refused(f"There is no vector space {name} yet: call ensure before writing to it.")
        return space


def to_filter(clause: Clause) -> qdrant.Filter:
    groups: dict[str, Any] = {
        group: [_condition(item) for item in clause[group]]
        for group in ("must", "should", "must_not")
        if group in clause
    }
    return qdrant.Filter(**groups)


def _condition(item: Clause) -> Any:
    if "has_id" in item:
        return qdrant.HasIdCondition(set(item["has_id"]))
    if "key" not in item:
        return to_filter(item)
    if "match" in item:
        match = item["match"]
        value = qdrant.MatchAny(match["any"]) if "any" in match else qdrant.MatchValue(match["value"])
        return qdrant.FieldCondition(item["key"], match=value)
    bounds = item["range"]
    kind = qdrant.RangeDateTime if item["key"] == "timestamp" else qdrant.RangeFloat
    return qdrant.FieldCondition(item["key"], range=kind(**bounds))


def _dense(vector: list[float], where: qdrant.Filter, limit: int) -> qdrant.QueryRequest:
    return qdrant.QueryRequest(limit=limit, query=qdrant.Query.Nearest(vector, using="dense"), filter=where)


def _lexical(
    keys: list[int], where: qdrant.Filter, scope: qdrant.SearchParams, limit: int, with_vector: Any = False
) -> qdrant.QueryRequest:
    """With one key and ``limit`` 1 it is a probe: where the term scores best, which tells its IDF and whether it occurs."""
    query = qdrant.Query.Nearest(qdrant.SparseVector(keys, [1.0] * len(keys)), using="bm25")
    return qdrant.QueryRequest(limit=limit, query=query, filter=where, params=scope, with_vector=with_vector)


def _ids(ids: list[UUID]) -> qdrant.Filter:
    return qdrant.Filter(must=[qdrant.HasIdCondition(set(ids))])


def _sparse(vector: Any) -> dict[int, float]:
    sparse = vector["bm25"]
    return dict(zip(sparse.indices, sparse.values, strict=True))


def _scored(points: list[Any]) -> list[Scored]:
    return [Scored(_uuid(point.id), point.score) for point in points]


def _hit(record: Any, wanted: frozenset[int]) -> Hit:
    has = wanted.intersection(record.vector["bm25"].indices) if wanted and "bm25" in record.vector else frozenset()
    return Hit(_uuid(record.id), record.payload, has)


def _stored(record: Any) -> wire.WireStored:
    dense = wire.pack_vector(record.vector["dense"]) if record.vector else None
    return wire.WireStored(_uuid(record.id), record.payload, dense)


def _uuid(id: Any) -> UUID:
    return id if isinstance(id, UUID) else UUID(str(id))
