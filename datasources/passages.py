"""A document's passages as the index cut them, in order: for the margin of its page, and for the API."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from asgiref.sync import async_to_sync

from datasources import reading
from datasources.models import Document
from datasources.retrieval.joining import as_passage
from datasources.retrieval.types import Branch, Filter, point_id

BATCH = 256


@dataclass(frozen=True, slots=True)
class Passage:
    """``number`` counts from 1. ``start`` and ``end`` are code points of the text of which ``content_hash`` is."""

    number: int
    heading: str
    text: str
    start: int
    end: int
    content_hash: str


@dataclass(frozen=True, slots=True)
class Passages:
    """Read from the index as they are sliced, BATCH with a call. Whoever makes it has checked who may read the document.

    Slicing raises IndexUnavailable.
    """

    document: Document
    source: UUID
    workspace: UUID

    def __len__(self) -> int:
        return self.document.passages if self.document.indexed_space else 0

    def __getitem__(self, wanted: slice) -> list[Passage]:
        numbers = range(len(self))[wanted]
        starts = range(0, len(numbers), BATCH)
        return [passage for at in starts for passage in self._read(numbers[at : at + BATCH])]

    def _read(self, numbers: range) -> list[Passage]:
        handle = reading.open_index().for_workspace(self.workspace)
        ids = [point_id(self.document.node_id, number) for number in numbers]
        # Who may read was asked of SQL; here it is only confined to its own source.
        hits = async_to_sync(handle.fetch)(self.document.indexed_space, ids, Filter((Branch(self.source),)))
        content_hash = self.document.indexed_hash or self.document.content_hash
        return [
            Passage(part.parts[0].position + 1, part.heading, part.text, part.start, part.end, content_hash)
            for part in (as_passage(hit, 0.0) for hit in hits)
        ]
