"""Two rankings into one, by their scores. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from datasources.retrieval.types import Candidates, Scored

QueryKind = Literal["question", "keywords", "exact"]

DENSE_WEIGHT: dict[QueryKind, float] = {"question": 0.6, "keywords": 0.5, "exact": 0.3}
"""Share of the dense half. 0.6 was best or near it on four collections of questions; a few bare words lean on BM25 more,
and a quoted phrase or an identifier most, as embeddings blur both."""

_QUOTED = re.compile(r"[\"“«„][^\"”»“]{2,}[\"”»“]")
_IDENTIFIER = re.compile(
    r"\b(?:[A-Z]{2,}[-_]?\d+|\w+[_/@#.]\w+[\w._/@#-]*|\d+[-/.]\d[\d./-]*|[a-z]+[A-Z]\w*\(?|0x[0-9a-fA-F]+)(?=\W|$)"
)
_FUNCTION_TEXT = """
    a an the is are am was were be do does did can could may might must should shall will would have has had i we you
    he she it they my our your me us them who whom whose what which when where why how if to of in on at by for from
    with about and or not there this that
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_TEXT.split())


@dataclass(frozen=True, slots=True)
class Fused:
    """A candidate with its fused score (0 to 1) and the raw ones (None where that half did not find it)."""

    id: UUID
    score: float
    dense: float | None
    bm25: float | None


def kind_of(query: str) -> QueryKind:
    """How a query is put: a question in sentences, bare keywords, or something to be found to the letter."""
    words = re.findall(r"[\w'’]+", query.lower())
    plain = sum(word in _FUNCTION_WORDS for word in words)
    if _QUOTED.search(query) or (_IDENTIFIER.search(query) and plain == 0 and len(words) <= 6):
        return "exact"
    if query.rstrip().endswith(("?", "？")) or plain >= 2 or len(words) > 9:
        return "question"
    return "keywords"


def fuse(candidates: Candidates, dense_weight: float) -> list[Fused]:
    """Best first. Each half is scaled to 0…1 over what it found; what a half did not find has 0 in it.

    ``dense_weight`` is between 0 and 1. Equal scores are ordered by id, so that the order never flickers.
    """
    if not 0.0 <= dense_weight <= 1.0:
        raise ValueError(f"The dense half's weight is a share between 0 and 1, not {dense_weight}.")
    # One dictionary for both halves: UUIDs are slow to hash, and there are some hundreds.
    both: dict[UUID, tuple[float | None, float | None]] = {hit.id: (hit.score, None) for hit in candidates.dense}
    for hit in candidates.bm25:
        found = both.get(hit.id)
        both[hit.id] = (None if found is None else found[0], hit.score)
    in_dense, in_bm25 = _scale(candidates.dense), _scale(candidates.bm25)
    fused = [
        Fused(id, dense_weight * in_dense(dense) + (1 - dense_weight) * in_bm25(bm25), dense, bm25)
        for id, (dense, bm25) in both.items()
    ]
    return sorted(fused, key=lambda item: (-item.score, item.id))


def _scale(hits: Sequence[Scored]) -> Callable[[float | None], float]:
    """Min-max over one half; where all are equal, all get 1. What it did not find is 0."""
    low = min((hit.score for hit in hits), default=0.0)
    width = max((hit.score for hit in hits), default=0.0) - low

    def scaled(score: float | None) -> float:
        if score is None:
            return 0.0
        return (score - low) / width if width else 1.0

    return scaled
