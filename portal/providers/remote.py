"""What the adapters to vendors' embedding APIs share: batches, order, length one, typed errors, token estimates."""

from __future__ import annotations

import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from portal.providers.clients import Access
from portal.providers.errors import ProviderError
from portal.providers.refusals import Caller
from portal.providers.streaming import as_provider_error, garbage
from portal.providers.types import Embeddings, Usage

MEASURED: Final = "size"
"""What is embedded to see how long a model's vectors are."""
_RETRIED: Final = frozenset({"rate_limited", "unavailable", "dropped_stream"})

# One token each: at most three letters of a plain word, a digit, any other character (spaces go with what follows).
_PARTS: Final = re.compile(r"\s+|[^\W_]+|.", re.DOTALL)
_PLAIN_WORD: Final = re.compile(r"[A-Za-z]?[a-z]{0,19}|[A-Z]{1,5}")
_LETTERS_PER_TOKEN: Final = 3


@contextmanager
def guarded(access: Access, model: str = "") -> Iterator[None]:
    """Turn what an SDK raises into a ``ProviderError``, and leave the SDK's exception, which knows the key, behind."""
    failure: ProviderError | None = None
    try:
        yield
    except Exception as exc:
        failure = as_provider_error(exc, Caller(access.label, model, access.api_key, access.patience.stall))
        if failure is None:
            raise
    if failure is not None:
        raise failure


class RemoteEmbedder(ABC):
    """An ``Embedder`` over HTTP. ``batch`` is (most texts, most estimated tokens) of one call."""

    def __init__(self, access: Access, model: str, size: int | None, window: int, *, batch: tuple[int, int]) -> None:
        self.vendor = access.kind
        self.model = model
        self.window = window
        self.access = access
        # A call that tells the size where nobody knows it. Whoever keeps accounts puts one here that is on an account.
        self.measure: Callable[[], object] = lambda: self.embed_query(MEASURED)
        self._size = size
        self._batch = batch

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.vendor}, {self.model})"

    @abstractmethod
    def call(self, texts: list[str]) -> tuple[list[list[float]], int | None]:
        """One call to the vendor: vectors in the texts' order, and the input tokens where it says."""

    @property
    def sized(self) -> bool:
        return self._size is not None

    @property
    def size(self) -> int:
        """Dimensions. Of a model that we know nothing of, the first use embeds one word to see (blocking)."""
        if self._size is None:
            self.measure()
        assert self._size is not None
        return self._size

    @property
    def space(self) -> str:
        return f"{self.vendor}/{self.model}/{self.size}"

    def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        vectors: list[list[float]] = []
        tokens, exact = 0, True
        for batch, estimate in self._batches(texts):
            found, counted = self._called(batch)
            vectors.extend(self._checked(vector) for vector in found)
            tokens += estimate if counted is None else counted
            exact = exact and counted is not None
        return Embeddings(vectors, Usage(input_tokens=tokens, exact=exact))

    def embed_query(self, text: str) -> Embeddings:
        return self.embed_documents([text])

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return estimated_spans(text)

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[list[str], int]]:
        most_texts, most_tokens = self._batch
        batch: list[str] = []
        total = 0
        for text in texts:
            text, tokens = self._fitted(text)
            if batch and (len(batch) >= most_texts or total + tokens > most_tokens):
                yield batch, total
                batch, total = [], 0
            batch.append(text)
            total += tokens
        if batch:
            yield batch, total

    def _fitted(self, text: str) -> tuple[str, int]:
        """Never empty (vendors refuse that) and never past the window, with its estimated tokens."""
        if not text.strip():
            return "-", 1
        if len(text.encode()) <= self.window:
            return text, max(1, len(text) // 3)
        spans = self.token_spans(text)
        if len(spans) <= self.window:
            return text, len(spans)
        return text[: spans[self.window - 1][1]], self.window

    def _called(self, texts: list[str]) -> tuple[list[list[float]], int | None]:
        patience = self.access.patience
        attempt = 0
        while True:
            try:
                with guarded(self.access, self.model):
                    vectors, tokens = self.call(texts)
                break
            except ProviderError as error:
                wait = 0.5 * 2**attempt if error.retry_after is None else error.retry_after
                if attempt >= patience.retries or error.code not in _RETRIED or wait > patience.longest_wait:
                    raise
            attempt += 1
            time.sleep(wait)
        if len(vectors) != len(texts):
            raise garbage(self._caller(), f"{len(vectors)} vectors for {len(texts)} texts")
        return vectors, tokens

    def _checked(self, vector: list[float]) -> list[float]:
        if self._size is None:
            self._size = len(vector)
        if len(vector) != self._size:
            raise ProviderError(
                f"{self.model} gives vectors of {len(vector)} numbers, not {self._size}. Set its size to {len(vector)}.",
                code="bad_response",
                retryable=False,
            )
        length = math.sqrt(math.fsum(value * value for value in vector))
        if not length or not math.isfinite(length):
            raise garbage(self._caller(), "a vector without length")
        return vector if abs(length - 1) < 1e-6 else [value / length for value in vector]

    def _caller(self) -> Caller:
        return Caller(self.access.label, self.model, self.access.api_key)


def estimated_spans(text: str) -> list[tuple[int, int]]:
    """Spans of at least as many tokens as a byte-level BPE of 100,000 entries or more makes of ``text``.

    No vendor's vocabulary can be had offline. A plain word counts one token for three letters, begun ones
    included; anything else one for each UTF-8 byte, which no byte-level tokenizer exceeds. Spaces between
    words cost nothing, as those vocabularies hold words with the space before them; longer runs cost one.
    """
    spans: list[tuple[int, int]] = []
    for found in _PARTS.finditer(text):
        part, start, end = found.group(), found.start(), found.end()
        if part.isspace():
            if part != " ":
                spans.append((start, end))
        elif _PLAIN_WORD.fullmatch(part):
            spans.extend((at, min(at + _LETTERS_PER_TOKEN, end)) for at in range(start, end, _LETTERS_PER_TOKEN))
        else:
            for offset, letter in enumerate(part):
                spans.extend([(start + offset, start + offset + 1)] * len(letter.encode("utf-8", "surrogatepass")))
    return spans
