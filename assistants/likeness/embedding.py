"""Texts to vectors, with the workspace's embedding model, on its account. Blocking; workers call it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from datasources import reading
from datasources.retrieval.remembering import Remembering
from portal.models import Membership, User, Workspace
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
    with on_account(workspace, embedder) as metered:
        return _embedded(metered, [_cut(embedder, text) for text in texts])


def asked(membership: Membership, embedder: Embedder, text: str) -> list[float]:
    """The vector of what somebody looks for; what was asked lately is at hand. Of a vendor's model this person pays.

    Raises ProviderError.
    """
    with on_account(membership.workspace, embedder, membership.user) as metered:
        return Remembering(metered).embed_query(text).vectors[0]


@contextmanager
def on_account(workspace: Workspace, embedder: Embedder, user: User | None = None) -> Iterator[Embedder]:
    """The embedder on the account of the workspace, or of a person in it; what a vendor spent is recorded at the end. For the
    model on this machine the database is asked nothing.

    Its calls raise ProviderError where a budget has no room, too.
    """
    if not workspace.embedding_credential_id:
        yield embedder
        return
    account = Account.opened(workspace, user)
    try:
        yield reading.metered(embedder, account)
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
