"""Texts to vectors, with the workspace's embedding model, on its account. Blocking; workers call it."""

from __future__ import annotations

from collections.abc import Sequence

from datasources import reading
from portal.models import Workspace
from portal.providers.errors import ProviderError
from portal.providers.types import Embedder
from portal.spending.accounts import Account

ITS_OWN_FAULT = ("content_filter", "context_too_long", "bad_request")
"""Refusals that concern one text, not all."""


def embedded(workspace: Workspace, embedder: Embedder, texts: Sequence[str]) -> list[list[float] | None]:
    """A vector for each text, cut to what the model reads; None for one that it refuses. What a vendor spent is recorded.

    Raises ProviderError where it refuses all, or where a budget has no room.
    """
    if not texts:
        return []
    account = Account.opened(workspace)
    try:
        return _embedded(reading.metered(embedder, account), [_cut(embedder, text) for text in texts])
    finally:
        account.record()


def _embedded(embedder: Embedder, texts: Sequence[str]) -> list[list[float] | None]:
    try:
        return list(embedder.embed_documents(texts).vectors)
    except ProviderError as error:
        if error.code not in ITS_OWN_FAULT:
            raise
        return [None] if len(texts) == 1 else [vector for text in texts for vector in _embedded(embedder, [text])]


def _cut(embedder: Embedder, text: str) -> str:
    spans = embedder.token_spans(text)
    return text if len(spans) <= embedder.window else text[: spans[embedder.window - 1][1]]
