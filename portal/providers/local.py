"""Embeddings without a vendor: all-MiniLM-L6-v2 run by FastEmbed on this machine's processors.

Memory is what a server this small runs short of, so a batch holds at most ``_BATCH_TOKENS`` tokens: measured, larger
ones embed no faster and cost 50 MB for each doubling. Texts are sorted by length first, so that little is padded.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from portal.providers.minilm import model_directory
from portal.providers.types import Embeddings, ModelInfo, Usage

KIND: Final = "local"
MODEL: Final = "all-MiniLM-L6-v2"
SIZE: Final = 384
# The model was trained on short text, and sentence-transformers cuts it at 256 tokens. Two of those are [CLS] and
# [SEP], which callers do not count.
_POSITIONS: Final = 256
_SPECIAL: Final = 2
WINDOW: Final = _POSITIONS - _SPECIAL
_BATCH_TOKENS: Final = 4 * _POSITIONS
_BATCH_TEXTS: Final = 32
_MOST_THREADS: Final = 4
_SLICE: Final = 16_384  # characters
_BLANK: Final = re.compile(r"\s")


class LocalEmbedder:
    """An ``Embedder``. ``cache`` holds the graph, built there once; ``threads`` bounds ONNX Runtime.

    Nothing heavy is loaded before the first use or ``warm_up``. Safe from several threads: documents take turns,
    so that memory stays bounded; a query never waits for them.
    """

    vendor = KIND
    model = MODEL
    size = SIZE
    sized = True
    window = WINDOW
    space = f"{KIND}/{MODEL}/{SIZE}"

    def __init__(self, cache: Path, threads: int | None = None) -> None:
        self.cache = cache
        self.threads = threads or min(_MOST_THREADS, os.cpu_count() or 1)
        self._loading = threading.Lock()
        self._documents = threading.Lock()
        self._engine: Any = None
        self._counter: Any = None

    def __repr__(self) -> str:
        return f"LocalEmbedder({self.model})"

    def warm_up(self) -> None:
        """Build the graph if need be, load it, run it once. Blocking: about 2 s, and 2 s more the very first time."""
        self.embed_query("warm up")
        self.token_spans("warm up")

    def embed_documents(self, texts: Sequence[str]) -> Embeddings:
        engine, counter = self._loaded()
        lengths = [min(len(counter.encode(text)), _POSITIONS) for text in texts]
        vectors: list[list[float]] = [[] for _ in texts]
        for batch in _batches(lengths):
            with self._documents:
                found = engine.embed([texts[place] for place in batch], batch_size=len(batch))
                for place, vector in zip(batch, found, strict=True):
                    vectors[place] = vector.tolist()
        return Embeddings(vectors, Usage(input_tokens=sum(lengths)))

    def embed_query(self, text: str) -> Embeddings:
        engine, counter = self._loaded()
        (vector,) = engine.embed([text], batch_size=1)
        return Embeddings([vector.tolist()], Usage(input_tokens=min(len(counter.encode(text).ids), _POSITIONS)))

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        _, counter = self._counter_only()
        spans: list[tuple[int, int]] = []
        for start, end in _slices(text):
            offsets = counter.encode(text[start:end], add_special_tokens=False).offsets
            spans.extend((start + first, start + last) for first, last in offsets)
        return spans

    def _counter_only(self) -> tuple[Path, Any]:
        """The tokenizer without cutting or padding; it needs the files, not the graph in memory."""
        directory = model_directory(self.cache)
        if self._counter is None:
            with self._loading:
                if self._counter is None:
                    from tokenizers import Tokenizer

                    counter = Tokenizer.from_file(str(directory / "tokenizer.json"))
                    counter.no_truncation()
                    counter.no_padding()
                    self._counter = counter
        return directory, self._counter

    def _loaded(self) -> tuple[Any, Any]:
        directory, counter = self._counter_only()
        if self._engine is None:
            with self._loading:
                if self._engine is None:
                    self._engine = self._load(directory)
        return self._engine, counter

    def _load(self, directory: Path) -> Any:
        from fastembed import TextEmbedding

        engine: Any = TextEmbedding(
            f"sentence-transformers/{self.model}",
            specific_model_path=str(directory),
            threads=self.threads,
            cuda=False,
            lazy_load=True,
        )
        engine.model.add_extra_session_options = _let_threads_sleep
        engine.model.load_onnx_model()
        # FastEmbed cuts at the 512 of tokenizer_config.json, past what the model was trained for.
        engine.model.tokenizer.enable_truncation(_POSITIONS)
        return engine


def _let_threads_sleep(options: Any, _others: Any) -> None:
    """ONNX Runtime's threads wait for more work by spinning, which takes a processor from whatever the embedding was for: with
    two of them, a search took half as long again."""
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")


def _slices(text: str) -> Iterator[tuple[int, int]]:
    """The text in stretches that end before white space, where this tokenizer parts words in any case.

    A tokenizer's result takes some 200 bytes a token: a long document at once would take more than the model.
    """
    start = 0
    while start < len(text):
        blank = _BLANK.search(text, start + _SLICE)
        end = blank.start() if blank else len(text)
        yield start, end
        start = end


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of the texts, shortest first, so many at a time that padded they stay under ``_BATCH_TOKENS``."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda at: (lengths[at], at)):
        if batch and (len(batch) >= _BATCH_TEXTS or (len(batch) + 1) * lengths[place] > _BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


_shared: dict[tuple[Path, int | None], LocalEmbedder] = {}
_sharing = threading.Lock()


def shared_embedder(cache: Path, threads: int | None = None) -> LocalEmbedder:
    """The one of this process: 200 MB need not be held twice."""
    key = (cache.resolve(), threads)
    with _sharing:
        if key not in _shared:
            _shared[key] = LocalEmbedder(*key)
        return _shared[key]


def list_models() -> list[ModelInfo]:
    return [ModelInfo(MODEL, "all-MiniLM-L6-v2 (on this machine)", "embedding", WINDOW)]
