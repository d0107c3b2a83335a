"""Embedders for tests and benches: vectors from a hash, at once, and a count of what was asked."""

from __future__ import annotations

import hashlib
import math
import re
import threading
import time
from collections.abc import Sequence

from portal.providers.types import Embeddings, Usage

_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


class InstantEmbedder:
    """Deterministic unit vectors. ``texts`` is how many were embedded; ``seconds`` slows each down."""

    vendor = "test"
    sized = True

    def __init__(self, model: str = "instant", size: int = 16, window: int = 254, seconds: float = 0.0) -> None:
        self.model, self.size, self.window, self.seconds = model, size, window, seconds
        self.texts = 0
        self.failures: list[Exception] = []
        self._lock = threading.Lock()

    @property
    def space(self) -> str:
        return f"{self.vendor}/{self.model}/{self.size}"

    def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        if self.failures:
            raise self.failures.pop(0)
        with self._lock:
            self.texts += len(texts)
        if self.seconds:
            time.sleep(self.seconds * len(texts))
        return Embeddings([self._vector(text) for text in texts], Usage(input_tokens=sum(map(len, texts)) // 4))

    def embed_query(self, text: str) -> Embeddings:
        return Embeddings([self._vector(text)], Usage(input_tokens=len(text) // 4))

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [found.span() for found in _TOKEN.finditer(text)]

    def _vector(self, text: str) -> list[float]:
        digest = hashlib.shake_256(text.encode()).digest(self.size)
        values = [byte - 127.5 for byte in digest]
        norm = math.sqrt(sum(value * value for value in values))
        return [value / norm for value in values]


class WordsEmbedder(InstantEmbedder):
    """Texts that share words are alike: a bag of word beginnings, each in a dimension of its own as far as they go round."""

    def __init__(self, model: str = "words", size: int = 256, window: int = 254) -> None:
        super().__init__(model, size, window)

    def _vector(self, text: str) -> list[float]:
        values = [0.0] * self.size
        for word in re.findall(r"\w{4,}", text.lower()):
            values[int.from_bytes(hashlib.sha256(word[:5].encode()).digest()[:4]) % self.size] += 1.0
        norm = math.sqrt(sum(value * value for value in values)) or 1.0
        return [value / norm for value in values]
