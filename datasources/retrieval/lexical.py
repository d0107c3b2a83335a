"""BM25 vectors for both indexes, made by one model, and the mean length that the model needs.

The model itself (Qdrant's, built into its embedded engine) is handed in by the two files that import Qdrant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Protocol

K1, B = 1.2, 0.75  # the model's defaults, and Qdrant's
PRIOR_LENGTH, PRIOR_COUNT = 100.0, 64
_WORD = re.compile(r"\w+")

SparseValues = tuple[list[int], list[float]]


class SparseModel(Protocol):
    def embed_document(self, text: str) -> SparseLike: ...

    def embed_query(self, text: str) -> SparseLike: ...


class SparseLike(Protocol):
    @property
    def indices(self) -> list[int]: ...

    @property
    def values(self) -> list[float]: ...


class Lexicon:
    """Sparse vectors of documents and queries.

    BM25 weighs a document against the mean length of its collection, which nobody knows while it grows: this keeps a
    running mean over all that it has seen (stop words not counted), starting from a prior worth 64 passages of 100
    words. When a collection is opened again, ``learn`` gets a sample of it.
    """

    def __init__(self, make_model: Callable[[float], SparseModel]) -> None:
        self._make_model = make_model
        self._total = PRIOR_LENGTH * PRIOR_COUNT
        self._count = PRIOR_COUNT
        self._model_length = PRIOR_LENGTH
        self._model = make_model(PRIOR_LENGTH)

    @property
    def mean_length(self) -> float:
        return self._total / self._count

    def learn(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.document(text)

    def document(self, text: str) -> SparseValues:
        """(indices, values) of a passage; both empty where it has nothing but stop words."""
        self._refresh()
        vector = self._model.embed_document(text)
        indices, values = vector.indices, vector.values
        if values:
            self._total += self._length(min(values))
            self._count += 1
        return indices, values

    def query(self, text: str) -> list[int]:
        """The dimensions to look for, each with weight 1; the engine multiplies by IDF."""
        return self._model.embed_query(text).indices

    def words(self, text: str) -> dict[int, str]:
        """Dimension to the word of ``text`` that it stands for, in the order of the text."""
        found: dict[int, str] = {}
        for match in _WORD.finditer(text):
            for index in self._model.embed_query(match.group()).indices:
                found.setdefault(index, match.group())
        for index in self.query(text):
            found.setdefault(index, "")
        return found

    def _length(self, weight: float) -> float:
        """Words of a document, from the weight of a term that it has once.

        weight = (k + 1) / (1 + k (1 − b + b · length / mean)): solved for the length. The rarest term of a passage
        almost always occurs once; where it does not, the passage passes for shorter than it is.
        """
        ratio = (((K1 + 1) / weight - 1) / K1 - (1 - B)) / B
        return max(1.0, ratio * self._model_length)

    def _refresh(self) -> None:
        """A new model once the mean has moved by 2 %; making one costs little, but not nothing."""
        mean = self.mean_length
        if abs(mean - self._model_length) > 0.02 * self._model_length:
            self._model_length = mean
            self._model = self._make_model(mean)


def inverse_document_frequency(documents: int, total: int) -> float:
    """IDF as Qdrant computes it: ln(1 + (N − n + 0.5) / (n + 0.5))."""
    return math.log(1 + (total - documents + 0.5) / (documents + 0.5))


def passage_text(title: str, heading: str, text: str) -> str:
    """What stands for a stored passage where only its payload is at hand (to sample lengths)."""
    return "\n".join(part for part in (title, heading, text) if part)
