"""The index on a Qdrant server, through qdrant-client: the sync client writes, the async client searches.

BM25 vectors are computed here, by the model that the embedded index uses, so that both rank alike and the server needs
no inference of its own.
"""

from __future__ import annotations

import asyncio
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse
from qdrant_edge import Bm25, Bm25Config

from datasources.retrieval.lexical import Lexicon, passage_text
from datasources.retrieval.server_handle import ServerHandle
from datasources.retrieval.server_queries import PREFIX, collection, spoken_errors
from datasources.retrieval.types import IndexInfo, IndexUnavailable

SAMPLE = 256
TIMEOUT_SECONDS = 60
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
