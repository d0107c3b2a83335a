"""From ranked passages to what a reader gets: a cap per document, neighbours joined, a token budget. Pure functions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from datasources.retrieval.types import Hit, point_id

LARGEST_GAP = 400
"""Code points between two passages of adjacent numbers beyond which they are not one text (a table or picture was between)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One indexed passage within a result."""

    id: UUID
    position: int
    start: int
    end: int
    hash: str


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A result: one passage, or several neighbouring ones of a document joined.

    ``start`` and ``end`` are code points in the document's text, and ``len(text) == end - start``: what lay between two
    parts (blank lines, as a rule) is filled up with line breaks. ``score`` is the best part's, 0 to 1.
    """

    node: UUID
    source: UUID
    title: str
    heading: str
    text: str
    start: int
    end: int
    score: float
    parts: tuple[Part, ...]
    tags: tuple[str, ...] = ()
    timestamp: str | None = None


_WIDE = re.compile("[\u2e81-\U0010ffff]")


def estimate_tokens(text: str) -> int:
    """Tokens of a model's prompt, roughly: four code points each in Latin script, one each elsewhere. Errs high."""
    wide = 0 if text.isascii() else len(_WIDE.findall(text))
    return math.ceil((len(text) - wide) / 4) + wide


def as_passage(hit: Hit, score: float) -> FoundPassage:
    payload = hit.payload
    start, end, text = int(payload["start"]), int(payload["end"]), str(payload["text"])
    return FoundPassage(
        node=UUID(payload["node"]),
        source=UUID(payload["source"]),
        title=payload.get("title") or "",
        heading=payload.get("heading") or "",
        text=text,
        start=start,
        end=end,
        score=score,
        parts=(Part(hit.id, int(payload["position"]), start, end, payload.get("hash") or ""),),
        tags=tuple(payload.get("tags") or ()),
        timestamp=payload.get("timestamp"),
    )


def choose(ranked: Iterable[FoundPassage], *, limit: int, per_document: int, tokens: int) -> list[FoundPassage]:
    """Walk down the ranking: at most ``limit`` results, ``per_document`` passages of one document, ``tokens`` in all.

    A passage beside one that was taken joins it, and costs no result of its own. What does not fit the budget is
    passed over for what does; the best passage is always taken. The same words under the same title and heading are
    taken of one document, however many copies of it there are.
    """
    taken: list[FoundPassage] = []
    said: dict[tuple[str, str, str], UUID] = {}
    spent = 0
    for passage in ranked:
        words = (passage.title, passage.heading, passage.text)
        if said.get(words, passage.node) != passage.node:
            continue
        cost = estimate_tokens(passage.text)
        if taken and spent + cost > tokens:
            continue
        if sum(len(other.parts) for other in taken if other.node == passage.node) >= per_document:
            continue
        if not _merge_into(taken, passage):
            if len(taken) >= limit:
                continue
            taken.append(passage)
        said[words] = passage.node
        spent += cost
    return taken


def neighbours(passages: Sequence[FoundPassage], *, around: int) -> list[UUID]:
    """Ids worth fetching: the one passage missing between two results, and both neighbours of the first ``around``."""
    have = {part.id for passage in passages for part in passage.parts}
    wanted: dict[UUID, None] = {}
    ends = {(passage.node, passage.parts[-1].position) for passage in passages}
    for rank, passage in enumerate(passages):
        first, last = passage.parts[0].position, passage.parts[-1].position
        if (passage.node, first - 2) in ends:
            wanted[point_id(passage.node, first - 1)] = None
        if rank < around:
            wanted[point_id(passage.node, last + 1)] = None
            if first > 0:
                wanted[point_id(passage.node, first - 1)] = None
    return [id for id in wanted if id not in have]


def extend(passages: Sequence[FoundPassage], fetched: Iterable[Hit], *, tokens: int) -> list[FoundPassage]:
    """Join fetched neighbours to the results that they touch, while the budget lasts."""
    extended = list(passages)
    spent = sum(estimate_tokens(passage.text) for passage in passages)
    for hit in fetched:
        passage = as_passage(hit, 0.0)
        cost = estimate_tokens(passage.text)
        if spent + cost <= tokens and _merge_into(extended, passage):
            spent += cost
    return extended


def _merge_into(taken: list[FoundPassage], passage: FoundPassage) -> bool:
    """Join ``passage`` to a result beside it, and that one to the next if the gap between them closes."""
    for place, other in enumerate(taken):
        joined = join(other, passage)
        if joined is None:
            continue
        taken[place] = joined
        for later in range(len(taken) - 1, place, -1):
            closed = join(taken[place], taken[later])
            if closed is not None:
                taken[place] = closed
                del taken[later]
        return True
    return False


def join(first: FoundPassage, second: FoundPassage) -> FoundPassage | None:
    """One result of two neighbours in either order, or None where they are not neighbours.

    The better one gives heading and score. Overlaps are told by the offsets; where the overlapping text is not the
    same (the document is being indexed anew), the two stay apart.
    """
    if first.node != second.node:
        return None
    before, after = (first, second) if first.parts[0].position < second.parts[0].position else (second, first)
    if before.parts[-1].position + 1 != after.parts[0].position or after.start < before.start or after.end < before.end:
        return None
    gap = after.start - before.end
    if gap > LARGEST_GAP:
        return None
    overlap = max(0, -gap)
    if before.text[len(before.text) - overlap :] != after.text[:overlap]:
        return None
    text = before.text + "\n" * max(0, gap) + after.text[overlap:]
    best = first if first.score >= second.score else second
    return replace(best, text=text, start=before.start, end=after.end, parts=before.parts + after.parts)
