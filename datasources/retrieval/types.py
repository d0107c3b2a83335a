"""The vector index as the rest of Atrium sees it. Plain Python: no Django, no Qdrant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid5


def point_id(node: UUID, number: int) -> UUID:
    """UUIDv5(document node id, chunk number), so that writing a chunk again replaces it."""
    return uuid5(node, str(number))


@dataclass(frozen=True, slots=True)
class Point:
    """One passage. ``payload`` follows the design's Point contract, without ``workspace``: the handle adds that.

    Keys: source, parents, node, tags, readers (principals, or None where none were told), timestamp (RFC 3339 or None),
    position, hash, title, heading, start, end, text.
    ``embed_text`` is what BM25 reads: title and heading path, then text.
    """

    id: UUID
    dense: Sequence[float]
    embed_text: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of one source: nodes at or below any of ``parents_in`` (None: all), not at or below ``parents_not_in``.

    ``readers``: where the source mirrors who may read what at the vendor, the principals that a reader counts as; a node has
    to name one of them. None: the source mirrors nothing. Empty: nobody.
    """

    source: UUID
    parents_in: tuple[UUID, ...] | None = None
    parents_not_in: tuple[UUID, ...] = ()
    readers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """AND over its fields; within ``allowed``, ``wanted`` and ``narrow``, OR over branches.

    ``allowed`` is what the reader's grants give. Empty means nothing: no grants, no passages.
    ``wanted`` is what the assistant's knowledge names, ``narrow`` what this one question is confined to; None does not
    narrow, empty means nothing.
    ``since`` is inclusive, ``until`` exclusive; both leave out passages without a timestamp.
    The workspace is not here: the handle adds it, and nobody else can.
    """

    allowed: tuple[Branch, ...]
    wanted: tuple[Branch, ...] | None = None
    tags_all: tuple[str, ...] = ()
    tags_none: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    narrow: tuple[Branch, ...] | None = None


@dataclass(frozen=True, slots=True)
class Selector:
    """Points of the workspace by exact match; fields are ANDed. For sync, not for readers.

    ``nodes``: any of these; None does not narrow, an empty tuple means nothing (so that a list that came out empty
    deletes nothing). ``parent``: at or below it. ``from_position``: chunks of this number and later.
    ``Selector()`` is everything that the workspace has in the space.
    """

    source: UUID | None = None
    node: UUID | None = None
    nodes: tuple[UUID, ...] | None = None
    parent: UUID | None = None
    from_position: int | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """A point that one half of a query found, with that half's raw score."""

    id: UUID
    score: float


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """A word of the query that BM25 looks for (stop words are not among them).

    ``key``: its dimension in the sparse vectors (of the stem). ``weight``: its IDF among the workspace's passages.
    ``known``: whether any passage that the filter lets through contains it.
    """

    word: str
    key: int
    weight: float
    known: bool


@dataclass(frozen=True, slots=True)
class Candidates:
    """Both halves of one hybrid query, best first, before fusing. Payloads come from ``fetch``.

    ``dense`` scores are cosines, ``bm25`` scores are BM25 sums. What one half finds the other scores too, so that both
    can be fused over the same passages: each list has up to twice the limit. A passage without any of the query's
    words is not in ``bm25``.
    """

    dense: list[Scored] = field(default_factory=list)
    bm25: list[Scored] = field(default_factory=list)
    terms: list[QueryTerm] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Hit:
    """A stored passage. ``terms``: which of the keys that were asked for its BM25 vector has."""

    id: UUID
    payload: Mapping[str, Any]
    terms: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class StoredPoint:
    id: UUID
    payload: Mapping[str, Any]
    dense: list[float] | None = None


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """``spaces``: name of the vector space to its number of points, over all workspaces."""

    engine: str
    spaces: Mapping[str, int]
    detail: str = ""


class IndexUnavailable(Exception):
    """The engine does not answer. The message is for a person; trying again may help."""


class WorkspaceIndex(Protocol):
    """The only handle that reads or writes; every call is confined to its workspace.

    ``space`` names the vector space (see Embedder.space): one collection for each. A space that was never ensured
    has nothing to read or delete; writing to it raises ValueError, as do vectors of a wrong size or with NaN in them.
    Writes are idempotent. All raise IndexUnavailable when the engine does not answer.
    Plain methods block, and may be called from any thread; coroutines are for the event loop.
    """

    def ensure(self, space: str, size: int) -> None:
        """Make the collection and its payload indexes if they are not there."""
        ...

    def upsert(self, space: str, points: Sequence[Point]) -> None:
        """Write points, replacing those of the same ids.

        A point that another workspace holds under such an id stays as it is: ids derive from the source, so that only a
        fault in a caller could name one.
        """
        ...

    def delete(self, space: str, selector: Selector) -> None: ...

    def set_payload(self, space: str, selector: Selector, payload: Mapping[str, Any]) -> None: ...

    def set_payloads(self, space: str, changes: Sequence[tuple[Selector, Mapping[str, Any]]]) -> None:
        """Many of these, in their order, in few calls."""
        ...

    async def search(
        self, space: str, *, dense: Sequence[float], query: str, filter: Filter, limit: int
    ) -> Candidates: ...

    def scroll(
        self, space: str, selector: Selector, *, with_vectors: bool = False, batch: int = 256
    ) -> Iterator[StoredPoint]: ...

    async def fetch(
        self, space: str, ids: Sequence[UUID], filter: Filter, *, terms: Sequence[QueryTerm] = ()
    ) -> list[Hit]:
        """The points of these ids that pass the filter, in the order of ``ids``; others are left out.

        Candidates get their payloads here, and so do neighbours of what was found. With ``terms``, each hit says
        which of them its text has.
        """
        ...

    def count(self, space: str, selector: Selector) -> int: ...

    def flush(self) -> None:
        """What was acknowledged is on disk when this returns."""
        ...


class VectorIndex(Protocol):
    def for_workspace(self, workspace: UUID) -> WorkspaceIndex: ...

    def info(self) -> IndexInfo: ...

    def close(self) -> None: ...
