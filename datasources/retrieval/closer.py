"""A second look before a search says that it found nothing: sentence by sentence. Pure functions.

A short passage speaks of several things, and its vector of all of them at once; one sentence that answers is lost in it.
In a large collection the other signals suffice (see judging.py), and a second look would let noise through.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from datasources.retrieval.judging import THRESHOLD, Judgement
from datasources.retrieval.types import Hit
from portal.providers.sentences import units

SMALL = 100
"""Passages that a search goes through, below which the second look is taken."""

LOOKED_AT = 3
MOST_SENTENCES = 40
LONGEST = 400
"""Code points of one sentence; the rest of a longer one says little more."""

CLOSE = 0.53
"""Cosine from which one sentence, with the heading above it, is an answer. See docs/decisions/relevance.md."""

_STEEPNESS = 12.0


def sentences(hits: Sequence[Hit]) -> list[str]:
    """What stands in the best passages, each sentence, item or row with its heading; at most MOST_SENTENCES."""
    found: list[str] = []
    for hit in hits[:LOOKED_AT]:
        title, path = str(hit.payload.get("title") or ""), str(hit.payload.get("heading") or "")
        above = path.rpartition("›")[2].strip() or title
        text = str(hit.payload.get("text") or "")
        found += [f"{unit.heading or above}\n{unit.text[:LONGEST]}" for unit in units(text)]
    return found[:MOST_SENTENCES]


def looked_closer(judgement: Judgement, query: Sequence[float], vectors: Sequence[Sequence[float]]) -> Judgement:
    """The judgement with the closest sentence taken into account; vectors are of unit length."""
    if not vectors:
        return judgement
    closest = max(sum(a * b for a, b in zip(query, vector, strict=True)) for vector in vectors)
    return with_closest(judgement, closest)


def with_closest(judgement: Judgement, closest: float) -> Judgement:
    """``confidence`` is THRESHOLD where the closest sentence is just close enough, and never less than it was."""
    at_threshold = math.log(THRESHOLD / (1 - THRESHOLD))
    confidence = 1 / (1 + math.exp(-(at_threshold + _STEEPNESS * (closest - CLOSE))))
    best = max(judgement.confidence, confidence)
    return replace(judgement, closest=closest, confidence=best, relevant=judgement.relevant or closest >= CLOSE)
