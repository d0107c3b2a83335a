"""Two rankings into one, by their scores. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    dense, bm25 = _raw(candidates.dense), _raw(candidates.bm25)
    scaled_dense, scaled_bm25 = _scaled(dense), _scaled(bm25)
    fused = [
        Fused(
            id,
            dense_weight * scaled_dense.get(id, 0.0) + (1 - dense_weight) * scaled_bm25.get(id, 0.0),
            dense.get(id),
            bm25.get(id),
        )
        for id in dense.keys() | bm25.keys()
    ]
    return sorted(fused, key=lambda item: (-item.score, item.id))


def _raw(hits: Sequence[Scored]) -> dict[UUID, float]:
    return {hit.id: hit.score for hit in hits}


def _scaled(scores: dict[UUID, float]) -> dict[UUID, float]:
    """Min-max; where all are equal, all get 1."""
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high == low:
        return dict.fromkeys(scores, 1.0)
    return {id: (score - low) / (high - low) for id, score in scores.items()}
