"""Whether what was found answers the question at all. Pure functions."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from datasources.retrieval.fusing import Fused
from datasources.retrieval.types import Hit, QueryTerm

LOOKED_AT = 5
"""Passages whose words count as an answer's."""

COMPARED = 50
"""Candidates over which the mean similarity is taken."""

WORDS = 0.5
"""What a passage with all of the question's words gains over one with none, in units of cosine."""

BIAS, MATCH, TOGETHER, LEAD = -8.95, 11.0, 2.0, 3.0
THRESHOLD = 0.4
"""Fitted (ridge logistic regression) on 188 questions written for this, 90 of them without an answer, over an invented
company's 16 pages (tests/datasources/fernholt) and a handbook of 247: 165 are told right. Of the 23 others 15 are
questions to the 16 pages put in words that the page has none of: see closer.py for those. LEAD
is held at 3, less than the fit would give it: on a subject that fills many pages nothing stands out, however well it is
answered. See docs/decisions/relevance.md."""

_FILLER_WORDS = """
    many much often long fast far big soon get gets got getting need needs still per also just like want wants know may
    might must shall could would us please anyone anybody somebody someone thing things something anything ever let go
    goes take takes happen happens become becomes becoming mean means meaning use uses used using tell show explain
    allowed possible still else away everybody everyone yes
"""
_FILLERS = frozenset(_FILLER_WORDS.split())
"""Words of questions rather than of answers that BM25's stop words leave in; small collections would call them rare."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Judgement:
    """``confidence`` (0 to 1) that the passages hold an answer; ``relevant`` where it reaches the threshold.

    ``cosine``: best similarity. ``lead``: how far it stands out from the mean of what was found.
    ``match``: the best that one passage reaches in similarity and words together. ``covered``: share of the question's
    words, weighted by rarity, that the best single passage has; ``covered_together``: that the first few have.
    ``missing``: words that no passage which the reader may see has. ``closest``: the best similarity of a single
    sentence, where a second look was taken (see closer.py).
    """

    relevant: bool
    confidence: float
    cosine: float = 0.0
    lead: float = 0.0
    match: float = 0.0
    covered: float = 0.0
    covered_together: float = 0.0
    missing: tuple[str, ...] = ()
    closest: float | None = None


NOTHING = Judgement(False, 0.0)


def judge(fused: Sequence[Fused], hits: Sequence[Hit], terms: Sequence[QueryTerm]) -> Judgement:
    """``hits`` are the best of ``fused``, best first, fetched with ``terms``."""
    if not fused or not hits:
        return NOTHING
    top = hits[:LOOKED_AT]
    cosines = sorted((item.dense for item in fused if item.dense is not None), reverse=True)
    cosine = cosines[0] if cosines else 0.0
    compared = cosines[:COMPARED]
    lead = cosine - sum(compared) / len(compared) if compared else 0.0
    near = _misspelt(terms, top)
    asked = [term for term in terms if term.word.lower() not in _FILLERS] or terms
    similarity = {item.id: item.dense or 0.0 for item in fused}
    # Nothing but stop words: there is nothing to cover, and similarity stands for it.
    shares = [_share(asked, hit.terms | near) if asked else similarity[hit.id] for hit in top]
    together = _share(asked, frozenset().union(*(hit.terms for hit in top), near)) if asked else cosine
    match = max(similarity[hit.id] + WORDS * share for hit, share in zip(top, shares, strict=True))
    confidence = confidence_of(match, together, lead)
    return Judgement(
        relevant=confidence >= THRESHOLD,
        confidence=confidence,
        cosine=cosine,
        lead=lead,
        match=match,
        covered=max(shares),
        covered_together=together,
        missing=tuple(term.word for term in asked if not term.known and term.key not in near),
    )


def confidence_of(match: float, together: float, lead: float) -> float:
    """Logistic over three signals; it grows with each."""
    return 1.0 / (1.0 + math.exp(-(BIAS + MATCH * match + TOGETHER * together + LEAD * lead)))


def _share(terms: Sequence[QueryTerm], have: Collection[int]) -> float:
    total = sum(term.weight for term in terms)
    return sum(term.weight for term in terms if term.key in have) / total if total else 0.0


def _misspelt(terms: Sequence[QueryTerm], hits: Sequence[Hit]) -> frozenset[int]:
    """Keys of words that nobody wrote but that the passages have within a slip or two of the finger."""
    unknown = [term for term in terms if not term.known and len(term.word) >= 5]
    if not unknown:
        return frozenset()
    words = {
        word
        for hit in hits
        for field in ("title", "heading", "text")
        for word in _WORD.findall(str(hit.payload.get(field) or "").lower())
    }
    return frozenset(term.key for term in unknown if any(is_slip(term.word.lower(), word) for word in words))


def is_slip(written: str, meant: str) -> bool:
    """Whether two words are one edit apart (two from eight letters on): a letter more, less, other, or two swapped.

    The first letter must agree: people rarely get that wrong, and it keeps ``goat`` from ``boat``.
    """
    allowed = 2 if min(len(written), len(meant)) >= 8 else 1
    if len(meant) < 4 or written[:1] != meant[:1] or abs(len(written) - len(meant)) > allowed:
        return False
    return edit_distance(written, meant) <= allowed


def edit_distance(first: str, second: str) -> int:
    """Optimal string alignment: insertions, deletions, substitutions, and swaps of neighbours."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        current = [i]
        for j, other in enumerate(second, 1):
            cost = min(row[j] + 1, current[j - 1] + 1, row[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, row = row, current
    return row[-1]
