"""Vectors of texts that were embedded just now. What a person types is embedded to suggest who could answer it, and once
more, letter for letter, when it is asked: the second time it is at hand."""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence

from portal.providers.types import Embedder, Embeddings

MOST = 512
"""Texts; of 1,536 numbers each they take 3 MB."""

_kept: OrderedDict[tuple[str, str], array[float]] = OrderedDict()
_lock = threading.Lock()


class Remembering:
    """The side of an embedder that a search needs, asking it only for what nobody asked it lately. Blocking."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def embed_query(self, text: str) -> Embeddings:
        """What was at hand was paid for before: its usage is nothing."""
        found = remembered(self._embedder, text)
        if found is not None:
            return Embeddings([found])
        made = self._embedder.embed_query(text)
        _keep(self._embedder.space, text, made.vectors[0])
        return made

    def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        return self._embedder.embed_documents(texts)


def remembered(embedder: Embedder, text: str) -> list[float] | None:
    """The vector of a text that was embedded lately. Never blocks for long: a vendor is not called."""
    key = (embedder.space, text)
    with _lock:
        if key not in _kept:
            return None
        _kept.move_to_end(key)
        return _kept[key].tolist()


def _keep(space: str, text: str, vector: Sequence[float]) -> None:
    with _lock:
        _kept[space, text] = array("f", vector)
        while len(_kept) > MOST:
            _kept.popitem(last=False)


def forget_all() -> None:
    """For tests, and for measuring a search without it."""
    with _lock:
        _kept.clear()
