"""The index on a Qdrant server, through qdrant-client: the sync client writes, the async client searches.

BM25 vectors are computed here, by the model that the embedded index uses, so that both rank alike and the server needs
no inference of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse
from qdrant_edge import Bm25, Bm25Config

from datasources.retrieval.filters import Clause, for_reader, for_selector, only_workspace, with_ids
from datasources.retrieval.lexical import Lexicon, inverse_document_frequency, passage_text
from datasources.retrieval.types import (
    Candidates,
    Filter,
    Hit,
    IndexInfo,
    IndexUnavailable,
    Point,
    QueryTerm,
    Scored,
    Selector,
    StoredPoint,
)
from datasources.retrieval.values import best_first, collection_name, finite, only_in, without_workspace

BATCH = 64
SAMPLE = 256
TIMEOUT_SECONDS = 60
PREFIX = "atrium-"
_COLLECTION = re.compile(r"atrium-[A-Za-z0-9-]*-[0-9a-f]{10}")
OLDEST = (1, 19)
"""From this version on a query names the passages over which IDF is counted (``params.idf.corpus``, the workspace's own).
An older server would pass over that in silence and count over all workspaces."""

INDEXES: dict[str, Any] = {
    "workspace": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    "source": models.PayloadSchemaType.KEYWORD,
    "parents": models.PayloadSchemaType.KEYWORD,
    "node": models.PayloadSchemaType.KEYWORD,
    "tags": models.PayloadSchemaType.KEYWORD,
    "readers": models.PayloadSchemaType.KEYWORD,
    "timestamp": models.PayloadSchemaType.DATETIME,
    "position": models.PayloadSchemaType.INTEGER,
}


@dataclass(frozen=True, slots=True)
class ServerKnobs:
    """How new collections are laid out. No graph over all tenants, one for each; originals on disk, int8 copies in RAM."""

    hnsw_m: int = 0
    hnsw_payload_m: int = 16
    int8: bool = True
    int8_in_ram: bool = True
    vectors_on_disk: bool = True
    payload_on_disk: bool = True


class ServerIndex:
    """VectorIndex over a Qdrant server. ``writer`` and ``make_searcher`` are for tests; see ``connect``."""

    def __init__(
        self,
        writer: QdrantClient,
        make_searcher: Callable[[], AsyncQdrantClient],
        *,
        knobs: ServerKnobs | None = None,
        language: str = "english",
    ) -> None:
        self.writer = writer
        self._knobs = knobs or ServerKnobs()
        self._language = language
        self._make_searcher = make_searcher
        self._searchers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncQdrantClient] = (
            weakref.WeakKeyDictionary()
        )
        self._lexicons: dict[str, Lexicon] = {}
        self._sizes: dict[str, int] = {}
        self._guard = threading.RLock()
        self._new_enough = False

    @classmethod
    def connect(
        cls, url: str, *, api_key: str | None = None, knobs: ServerKnobs | None = None, language: str = "english"
    ) -> ServerIndex:
        """Makes no call yet: an absent server is reported by the first one."""
        options: dict[str, Any] = {
            "url": url,
            "api_key": api_key,
            "timeout": TIMEOUT_SECONDS,
            "check_compatibility": False,
        }
        return cls(QdrantClient(**options), lambda: AsyncQdrantClient(**options), knobs=knobs, language=language)

    def for_workspace(self, workspace: UUID) -> ServerHandle:
        return ServerHandle(self, workspace)

    def info(self) -> IndexInfo:
        """Spaces are named by their collections: a server does not keep our own names for them."""
        with spoken_errors():
            self._check_version()
            names = [found.name for found in self.writer.get_collections().collections]
            spaces = {name: self.writer.count(name).count for name in names if name.startswith(PREFIX)}
        return IndexInfo("server", spaces)

    def close(self) -> None:
        """Closes the writer. A searcher is closed with the event loop that it belongs to."""
        self.writer.close()

    def searcher(self) -> AsyncQdrantClient:
        """The async client of the running loop: its connections can't be shared with another loop."""
        loop = asyncio.get_running_loop()
        client = self._searchers.get(loop)
        if client is None:
            client = self._searchers[loop] = self._make_searcher()
        return client

    def ensure(self, space: str, size: int) -> None:
        with self._guard, spoken_errors():
            self._check_version()
            name = collection(space)
            if not self.writer.collection_exists(name):
                self._create(name, size)
            self._add_payload_indexes(name)
        known = self._size(space)
        if known != size:
            raise ValueError(f"The vector space {space} holds vectors of {known} numbers, not of {size}.")

    def check_size(self, space: str, vector: Sequence[float]) -> None:
        size = self._size(space)
        if len(vector) != size:
            raise ValueError(
                f"The vector space {space} holds vectors of {size} numbers; one of {len(vector)} came. "
                "Each embedding model needs a space of its own."
            )

    def lexicon(self, space: str) -> Lexicon:
        """The BM25 model of a space; the first use reads a sample of its passages to learn their mean length."""
        with self._guard:
            lexicon = self._lexicons.get(space)
            if lexicon is None:
                lexicon = Lexicon(self._model)
                lexicon.learn(self._sample(collection(space)))
                self._lexicons[space] = lexicon
            return lexicon

    def query_lexicon(self) -> Lexicon:
        """A model for queries, which don't depend on the mean length."""
        return Lexicon(self._model)

    def exists(self, space: str) -> bool:
        with self._guard:
            if space in self._sizes:
                return True
        with spoken_errors():
            self._check_version()
            return self.writer.collection_exists(collection(space))

    def _check_version(self) -> None:
        """Raises IndexUnavailable for a server that is too old. Asked once."""
        if self._new_enough:
            return
        version = self.writer.info().version
        numbers = re.match(r"(\d+)\.(\d+)", version)
        if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
            raise IndexUnavailable(
                f"The Qdrant server is version {version}; Atrium needs {OLDEST[0]}.{OLDEST[1]} or newer. Upgrade the server."
            )
        self._new_enough = True

    def _model(self, mean: float) -> Bm25:
        return Bm25(Bm25Config(language=self._language, avg_len=mean))

    def _size(self, space: str) -> int:
        with self._guard:
            if space not in self._sizes:
                if not self.exists(space):
                    raise ValueError(f"There is no vector space {space} yet: call ensure before writing to it.")
                with spoken_errors():
                    vectors = self.writer.get_collection(collection(space)).config.params.vectors
                if not isinstance(vectors, Mapping) or "dense" not in vectors:
                    raise ValueError(
                        f"The collection {collection(space)} was not made by Atrium: it has no vector named dense."
                    )
                self._sizes[space] = vectors["dense"].size
            return self._sizes[space]

    def _create(self, name: str, size: int) -> None:
        knobs = self._knobs
        quantization = models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=knobs.int8_in_ram)
        )
        try:
            self.writer.create_collection(
                name,
                vectors_config={
                    "dense": models.VectorParams(
                        size=size, distance=models.Distance.COSINE, on_disk=knobs.vectors_on_disk
                    )
                },
                sparse_vectors_config={"bm25": models.SparseVectorParams(modifier=models.Modifier.IDF)},
                hnsw_config=models.HnswConfigDiff(m=knobs.hnsw_m, payload_m=knobs.hnsw_payload_m),
                quantization_config=quantization if knobs.int8 else None,
                on_disk_payload=knobs.payload_on_disk,
            )
        except UnexpectedResponse as error:
            if error.status_code != 409:  # another worker made it just now
                raise

    def _add_payload_indexes(self, name: str) -> None:
        have = self.writer.get_collection(name).payload_schema
        for field, schema in INDEXES.items():
            if field not in have:
                self.writer.create_payload_index(name, field, field_schema=schema, wait=True)

    def _sample(self, name: str) -> Iterable[str]:
        with spoken_errors():
            records, _ = self.writer.scroll(name, limit=SAMPLE, with_payload=["title", "heading", "text"])
        for record in records:
            payload = record.payload or {}
            yield passage_text(*(str(payload.get(key) or "") for key in ("title", "heading", "text")))


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
        ask = _Ask(list(dense), list(words), only_workspace(self._workspace))
        with spoken_errors():
            found = await self._batch(space, ask.first(to_filter(where), limit))
            if not words:
                return Candidates(dense=_scored(found[0]))
            by_meaning, by_words, probes = _scored(found[0]), _scored(found[1]), found[2:]
            # What one half found, the other scores too: fused over the same passages, neither is guessed.
            second = ask.second(only_in(by_words, by_meaning), only_in(by_meaning, by_words))
            missing = await self._batch(space, [request for request in second if request is not None])
            by_meaning += _scored(missing.pop(0)) if second[0] else []
            by_words += _scored(missing.pop(0)) if second[1] else []
            total = 0 if all(probes) else await self._population(space)
        return Candidates(best_first(by_meaning), best_first(by_words), _terms(words, probes, total))

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
            Hit(id, found[id].payload or {}, wanted.intersection(_sparse(found[id].vector)))
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


def collection(space: str) -> str:
    """The collection of a space; ``info`` names spaces by their collections, and those names are taken as well."""
    return space if _COLLECTION.fullmatch(space) else PREFIX + collection_name(space)


def to_filter(clause: Clause) -> models.Filter:
    return models.Filter.model_validate(clause)


@contextlib.contextmanager
def spoken_errors() -> Iterator[None]:
    """The client's errors as ours, in words for a person."""
    try:
        yield
    except UnexpectedResponse as error:
        if error.status_code in (401, 403):
            raise IndexUnavailable("The Qdrant server refused the key. Check QDRANT_API_KEY.") from error
        raise IndexUnavailable(f"The Qdrant server answered {error.status_code}: {_reason(error)}") from error
    except ResponseHandlingException as error:
        raise IndexUnavailable(
            f"The Qdrant server does not answer ({error.source}). Check QDRANT_URL, and that the server runs."
        ) from error
    except (ApiException, QdrantException) as error:
        raise IndexUnavailable(f"The Qdrant server could not do it: {error}") from error


def _reason(error: UnexpectedResponse) -> str:
    try:
        status = error.structured()["status"]
        return str(status["error"] if isinstance(status, dict) else status)
    except (ValueError, KeyError, TypeError):
        return error.content.decode(errors="replace")[:200]


@dataclass(frozen=True, slots=True)
class _Ask:
    """The requests of one search. ``keys``: dimensions of the query's terms."""

    dense: list[float]
    keys: list[int]
    population: Clause

    def first(self, where: models.Filter, limit: int) -> list[models.QueryRequest]:
        """Dense, and if there are terms: BM25, and one probe a term (where it scores best, see QueryTerm)."""
        requests = [self._by_meaning(where, limit)]
        if self.keys:
            requests.append(self._by_words(self.keys, where, limit))
            requests += [self._by_words([key], where, 1, with_vector=["bm25"]) for key in self.keys]
        return requests

    def second(
        self, only_words: list[UUID], only_meaning: list[UUID]
    ) -> tuple[models.QueryRequest | None, models.QueryRequest | None]:
        return (
            self._by_meaning(_ids(only_words), len(only_words)) if only_words else None,
            self._by_words(self.keys, _ids(only_meaning), len(only_meaning)) if only_meaning else None,
        )

    def _by_meaning(self, where: models.Filter, limit: int) -> models.QueryRequest:
        return models.QueryRequest(query=self.dense, using="dense", filter=where, limit=limit)

    def _by_words(
        self, keys: list[int], where: models.Filter, limit: int, with_vector: Any = False
    ) -> models.QueryRequest:
        vector = models.SparseVector(indices=keys, values=[1.0] * len(keys))
        scope = models.SearchParams(idf=models.IdfCorpusParams(corpus=to_filter(self.population)))
        return models.QueryRequest(
            query=vector, using="bm25", filter=where, limit=limit, params=scope, with_vector=with_vector
        )


def _ids(ids: list[UUID]) -> models.Filter:
    return models.Filter(must=[models.HasIdCondition(has_id=[str(id) for id in ids])])


def _terms(words: dict[int, str], probes: Sequence[Sequence[models.ScoredPoint]], total: int) -> list[QueryTerm]:
    """Each term's IDF: its score in the passage where it scores best, over its weight there."""
    terms = []
    for (key, word), found in zip(words.items(), probes, strict=True):
        if found and math.isfinite(found[0].score):
            weight = found[0].score / _sparse(found[0].vector)[key]
        else:
            weight = inverse_document_frequency(0, total)
        terms.append(QueryTerm(word, key, weight, bool(found)))
    return terms


def _sparse(vector: Any) -> dict[int, float]:
    sparse = vector.get("bm25") if isinstance(vector, dict) else None
    return dict(zip(sparse.indices, sparse.values, strict=True)) if isinstance(sparse, models.SparseVector) else {}


def _scored(points: Iterable[models.ScoredPoint]) -> list[Scored]:
    return [Scored(UUID(str(point.id)), point.score) for point in points]
