"""Passages to points: vectors that the index has already are used again, the rest is embedded, many documents at once."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from datasources.ingestion.chunking import embed_text
from datasources.models import Node, RunItem
from datasources.retrieval.types import Point, Selector, point_id
from datasources.syncing.job import Job, jittered
from datasources.syncing.leases import OutOfBudget, Postponed
from datasources.syncing.reading import LONGEST_WAIT, Prepared, Verdict
from portal.providers.errors import ProviderError
from portal.spending.accounts import OverBudget

BATCH = 64
"""Passages in one call at most: enough to sort by length, little enough to be stopped between two."""
FIRST = 8
"""In the first call, while nobody knows how fast the model is; never fewer."""
SECONDS = 0.7
"""About how long a call should take: what is counted moves each second, also where a machine embeds slowly."""
PIECE = 256
"""Passages of a long document that are written without waiting for its end."""
TRIES = 6
ITS_OWN_FAULT = ("content_filter", "context_too_long", "bad_request")
"""Refusals that concern one text, not all."""


@dataclass(slots=True)
class Piece:
    """Points of one document, ready to be written. ``last``: none follow, and ``tail`` says which to delete, if any.

    ``tail``: the index has passages from this number on that the document has no more.
    """

    prepared: Prepared
    points: list[Point]
    last: bool
    tail: int | None = None
    embedded: int = 0


@dataclass(slots=True)
class _Open:
    """A document whose vectors are being had. ``have``: by number; ``same``: stored already exactly so."""

    prepared: Prepared
    have: dict[int, array[float]] = field(default_factory=dict)
    same: set[int] = field(default_factory=set)
    tail: int | None = None
    told: int = 0
    embedded: int = 0
    failed: str = ""

    @property
    def number(self) -> int:
        return len(self.prepared.chunks)

    @property
    def missing(self) -> list[int]:
        return [n for n in range(self.number) if n not in self.have and n not in self.same]


class Embedding:
    """``pause`` sleeps for seconds and raises when the run is interrupted."""

    def __init__(self, job: Job, pause: Callable[[float], None]) -> None:
        self._job, self._pause = job, pause
        self._most = FIRST

    def points(self, group: Sequence[Prepared]) -> Iterator[Piece | Verdict]:
        """Raises ProviderError where the model refuses all, Postponed where it or the index wants a longer pause."""
        documents = [_Open(prepared) for prepared in group]
        self._look_up([d for d in documents if not d.prepared.work.fresh])
        todo = ((d, n) for d in documents for n in d.missing)
        yield from self._finished(documents)
        while batch := list(islice(todo, self._most)):
            began = time.monotonic()
            self._embed([(d, n) for d, n in batch if not d.failed])
            self._pace(len(batch), time.monotonic() - began)
            self._job.lease.alive()
            yield from self._finished(documents)

    def _pace(self, passages: int, seconds: float) -> None:
        """As many at a time as embed in ``SECONDS``; at most twice as many as the time before, which may have been lucky."""
        fits = round(passages * SECONDS / max(seconds, 1e-3))
        self._most = max(FIRST, min(fits, 2 * self._most, BATCH))

    def _look_up(self, documents: list[_Open]) -> None:
        """What the index has of these documents: vectors of passages that are embedded alike need not be made again."""
        if not documents:
            return
        by_node = {d.prepared.work.node.pk: d for d in documents}
        stored = self._job.patiently(lambda: self._stored(tuple(by_node)))
        for node, document in by_node.items():
            vectors = {payload["hash"]: vector for payload, vector in stored.get(node, {}).values()}
            for number, chunk in enumerate(document.prepared.chunks):
                payload, _ = stored.get(node, {}).get(number, (None, None))
                if payload is not None and payload == payload_of(self._job, document.prepared, number):
                    document.same.add(number)
                elif chunk.hash in vectors:
                    document.have[number] = vectors[chunk.hash]
            beyond = [number for number in stored.get(node, {}) if number >= document.number]
            document.tail = document.number if beyond else None

    def _stored(self, nodes: tuple[UUID, ...]) -> dict[UUID, dict[int, tuple[dict[str, Any], array[float]]]]:
        found: dict[UUID, dict[int, tuple[dict[str, Any], array[float]]]] = {}
        selector = Selector(source=self._job.source.pk, nodes=nodes)
        for point in self._job.index.scroll(self._job.space, selector, with_vectors=True):
            payload = {key: value for key, value in point.payload.items() if key != "workspace"}
            found.setdefault(UUID(payload["node"]), {})[payload["position"]] = payload, array("f", point.dense or ())
        return found

    def _embed(self, batch: list[tuple[_Open, int]]) -> None:
        if not batch:
            return
        try:
            result = self._ask([text_of(document.prepared, number) for document, number in batch])
        except ProviderError as error:
            if error.code not in ITS_OWN_FAULT:
                raise
            self._blame(batch, error)
            return
        for (document, number), vector in zip(batch, result, strict=True):
            document.have[number] = array("f", vector)
            document.embedded += 1

    def _blame(self, batch: list[tuple[_Open, int]], error: ProviderError) -> None:
        """The model refuses a text: find the document by asking one by one."""
        documents = list({id(document): document for document, _ in batch}.values())
        if len(documents) == 1:
            documents[0].failed = f"The embedding model refused it: {error}"
            return
        for document in documents:
            self._embed([(d, n) for d, n in batch if d is document])

    def _ask(self, texts: list[str]) -> list[list[float]]:
        for attempt in range(TRIES):
            try:
                return self._job.embedder.embed_documents(texts).vectors
            except OverBudget as error:
                raise OutOfBudget(str(error), error.retry_after) from error
            except ProviderError as error:
                wait = error.retry_after if error.retry_after is not None else float(2**attempt)
                if not error.retryable:
                    raise
                if wait > LONGEST_WAIT or attempt == TRIES - 1:
                    raise Postponed(str(error), max(wait, LONGEST_WAIT)) from error
                self._pause(jittered(wait))
        raise AssertionError("unreachable")

    def _finished(self, documents: list[_Open]) -> Iterator[Piece | Verdict]:
        """Documents that are whole, and long stretches of those that are not yet."""
        for document in documents:
            if document.failed:
                if document.told >= 0:
                    work = document.prepared.work
                    begun = document.told > 0 or (work.document is None and not work.fresh)
                    document.told = -1
                    yield Verdict(document.prepared.work, RunItem.Outcome.FAILED, document.failed, begun)
                continue
            if document.told < 0:
                continue
            ready = document.told
            while ready < document.number and (ready in document.have or ready in document.same):
                ready += 1
            if ready == document.number or ready - document.told >= PIECE:
                yield self._piece(document, ready)

    def _piece(self, document: _Open, end: int) -> Piece:
        points = [
            point_of(self._job, document.prepared, number, document.have.pop(number))
            for number in range(document.told, end)
            if number not in document.same
        ]
        document.told = end
        last = end == document.number
        piece = Piece(document.prepared, points, last, document.tail if last else None, document.embedded)
        document.embedded = 0
        if last:
            document.told = -1
        return piece


def text_of(prepared: Prepared, number: int) -> str:
    chunk = prepared.chunks[number]
    return embed_text(chunk.title, chunk.heading, prepared.text[chunk.start : chunk.end])


def node_payload(node: Node) -> dict[str, Any]:
    """What the index repeats of a node, whatever its text: all that a move or a new tag changes."""
    moment = node.modified or node.remote_created
    return {
        "parents": [str(parent) for parent in node.parents],
        "tags": list(node.tags),
        "readers": None if node.readers is None else list(node.readers),
        "timestamp": moment.isoformat() if moment else None,
    }


def payload_of(job: Job, prepared: Prepared, number: int) -> dict[str, Any]:
    chunk, node = prepared.chunks[number], prepared.work.node
    return {
        "source": str(job.source.pk),
        "node": str(node.pk),
        **node_payload(node),
        "position": number,
        "hash": chunk.hash,
        "title": chunk.title,
        "heading": chunk.heading,
        "start": chunk.start,
        "end": chunk.end,
        "text": prepared.text[chunk.start : chunk.end],
    }


def point_of(job: Job, prepared: Prepared, number: int, vector: Sequence[float]) -> Point:
    return Point(
        point_id(prepared.work.node.pk, number), vector, text_of(prepared, number), payload_of(job, prepared, number)
    )
