"""What Atrium asks of a vendor of models: two protocols and the values that cross them.

Plain Python: no Django, no models, so that adapters can be tested against a loopback server alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the prompt, in the order that the model reads them."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved passage that the model may cite as ``[n]``; ``n`` counts from 1."""

    n: int
    title: str
    heading: str
    text: str
    path: str = ""
    url: str = ""
    node: str = ""
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call. ``turns`` is the whole prompt, passages written into it by the caller.

    ``passages`` repeats them as values, and ``question`` the question alone (condensed, without the prompt around
    it), for models that do not read prompts (``quotes``).
    ``max_output_tokens`` None leaves the vendor's own limit in force. ``keep_limit``: a server that takes no such limit is not
    called at all, as a budget rests on it.
    """

    turns: Sequence[Turn]
    passages: Sequence[Passage] = ()
    question: str = ""
    temperature: float | None = None
    max_output_tokens: int | None = None
    keep_limit: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """Some more text of the answer, as the vendor sent it."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the vendor counted them; ``exact`` is False where it said nothing and we estimated."""

    input_tokens: int = 0
    output_tokens: int = 0
    exact: bool = True


FinishReason = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, slots=True)
class Finish:
    """The last item of every stream that was not broken."""

    reason: FinishReason
    usage: Usage


StreamItem = Delta | Finish


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model that a credential offers."""

    name: str
    label: str = ""
    kind: Literal["chat", "embedding"] = "chat"
    context_tokens: int | None = None


class ChatModel(Protocol):
    """A model that writes. ``stream`` raises ``ProviderError`` (see errors.py), before or between items."""

    vendor: str
    model: str

    def stream(self, request: ChatRequest) -> AsyncIterator[StreamItem]:
        """Yield Deltas, then exactly one Finish. Closing the iterator closes the vendor's connection."""
        ...


@dataclass(frozen=True, slots=True)
class Embeddings:
    """``vectors`` has one list of ``size`` floats, of unit length, for each text, in order."""

    vectors: list[list[float]]
    usage: Usage = field(default_factory=Usage)


class Embedder(Protocol):
    """A model that embeds. Blocking: call it in a worker or in a thread, never on the event loop.

    ``size``: dimensions. ``window``: the most tokens of one text that it reads well; callers cut before.
    ``space``: names the vector space (vendor, model, size); vectors of two spaces never mix.
    ``sized``: whether the size, and so the space, is known without a call to the vendor.
    """

    vendor: str
    model: str
    size: int
    window: int

    @property
    def sized(self) -> bool: ...

    @property
    def space(self) -> str: ...

    def embed_documents(self, texts: Sequence[str]) -> Embeddings: ...

    def embed_query(self, text: str) -> Embeddings: ...

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in code points of each token of ``text``, special tokens left out, in order.

        Where a vendor's tokenizer can't be had offline, an estimate that never counts too few.
        """
        ...
