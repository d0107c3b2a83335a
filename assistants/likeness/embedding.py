"""Texts to vectors, with the workspace's embedding model. Blocking; workers call it."""

from __future__ import annotations

from collections.abc import Sequence

from portal import usage
from portal.models import Workspace
from portal.providers.errors import ProviderError
from portal.providers.types import Embedder, Usage

ITS_OWN_FAULT = ("content_filter", "context_too_long", "bad_request")
"""Refusals that concern one text, not all."""


def embedded(workspace: Workspace, embedder: Embedder, texts: Sequence[str]) -> list[list[float] | None]:
    """A vector for each text, cut to what the model reads; None for one that it refuses. What a vendor spent is recorded.

    Raises ProviderError where it refuses all.
    """
    if not texts:
        return []
    cuts = [_cut(embedder, text) for text in texts]
    try:
        made = embedder.embed_documents(cuts)
    except ProviderError as error:
        if error.code not in ITS_OWN_FAULT:
            raise
        if len(texts) == 1:
            return [None]
        return [vector for text in texts for vector in embedded(workspace, embedder, [text])]
    _record(workspace, embedder, made.usage)
    return list(made.vectors)


def _cut(embedder: Embedder, text: str) -> str:
    spans = embedder.token_spans(text)
    return text if len(spans) <= embedder.window else text[: spans[embedder.window - 1][1]]


def _record(workspace: Workspace, embedder: Embedder, spent: Usage) -> None:
    if spent.input_tokens and workspace.embedding_credential_id:
        usage.record(
            workspace=workspace,
            purpose="embed",
            vendor=embedder.vendor,
            model=embedder.model,
            usage=spent,
            credential=workspace.embedding_credential,
        )
