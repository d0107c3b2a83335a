"""What ``answer`` is given: who answers, what was said before, and a way to passages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from datasources.reading import ReadablePassage, Results
from datasources.reading_tables import Sheet
from datasources.scope import Scope
from datasources.tables import Limits, Result
from portal.providers.errors import FREE, ProviderError
from portal.providers.streaming import estimated
from portal.providers.types import ChatModel, ChatRequest, Role, StreamItem, Usage


@dataclass(frozen=True, slots=True)
class AssistantSpec:
    """An assistant as it answers: of a version, or of a draft that is being tried (then ``version`` is None).

    ``instructions``: with their variables filled in. ``context_tokens``: how much the model reads at once, where that is
    known. ``queries_tables``: a question that tables fit is asked of them by SQL, which the model writes. ``retrieval``: how
    it finds what to answer from: ``search``, ``newest``, ``tables`` or ``none``. ``language``: what whoever asks is answered
    in, by its English name; empty is the language of the question.
    """

    name: str
    chat: ChatModel
    instructions: str = ""
    temperature: float | None = None
    context_tokens: int | None = None
    assistant: UUID | None = None
    version: UUID | None = None
    queries_tables: bool = False
    retrieval: str = "search"
    language: str = ""

    @property
    def writes(self) -> bool:
        """Whether there is a model that writes; without one, passages are quoted."""
        return self.chat.vendor != "quotes"


@dataclass(frozen=True, slots=True)
class Said:
    """An earlier turn, as its reader may see it today.

    ``by``: who answered, where that was another assistant than the one that answers now. ``query``: what of a question is
    looked for, where that is not all of it.
    """

    role: Role
    text: str
    by: str = ""
    query: str = ""


class Tables(Protocol):
    """One person's way to tables, narrowed to the assistant's knowledge. See datasources/reading_tables.py."""

    async def fitting(self, nodes: Sequence[UUID], *, others: bool = False) -> tuple[Sheet, ...]: ...

    async def ask(self, sheets: Sequence[Sheet], sql: str, limits: Limits) -> Result: ...

    async def passages(self, sheets: Sequence[Sheet]) -> tuple[ReadablePassage, ...]: ...


class Reader(Protocol):
    """One person's way to passages, narrowed to the assistant's knowledge."""

    @property
    def tables(self) -> Tables: ...

    @property
    def scope(self) -> Scope: ...

    @property
    def reads_nothing(self) -> bool:
        """Whether the assistant was given no knowledge at all: it then answers without searching."""
        ...

    async def search(self, query: str, *, limit: int, tokens: int) -> Results: ...

    async def newest(self, *, limit: int, tokens: int) -> Results: ...


class Purse(Protocol):
    """Who pays: asked before each call to a model."""

    async def hold(self, chat: ChatModel, request: ChatRequest) -> tuple[ChatRequest, UUID | None]:
        """The request as it may be made, and the key of what was reserved for it. Raises ProviderError (``budget``)."""
        ...


@dataclass(slots=True)
class Call:
    """One call to a model. ``usage`` is what the vendor counted; where it never said, it is estimated.

    ``hold``: the key of what was reserved for it.
    """

    purpose: str
    chat: ChatModel
    request: ChatRequest
    written: int = 0
    usage: Usage | None = None
    hold: UUID | None = None

    async def stream(self) -> AsyncGenerator[StreamItem, None]:
        """The model's. What a vendor refuses before it does anything costs nothing. Raises ProviderError."""
        try:
            async with aclosing(self.chat.stream(self.request)) as items:  # type: ignore[type-var]
                async for item in items:
                    yield item
        except ProviderError as error:
            if error.code in FREE and not self.written:
                self.usage = Usage()
            raise

    def spent(self) -> Usage:
        if self.usage is not None:
            return self.usage
        return estimated(self.request, self.written) if self.chat.vendor != "quotes" else Usage()


@dataclass(slots=True)
class Meter:
    """Every call that an answer made, also broken and stopped ones; whoever runs the answer reads it at the end."""

    purse: Purse | None = None
    calls: list[Call] = field(default_factory=list)

    async def open(self, purpose: str, chat: ChatModel, request: ChatRequest) -> Call:
        """A call that may be made now. Raises ProviderError where a budget has no room for it."""
        hold = None
        if self.purse is not None:
            request, hold = await self.purse.hold(chat, request)
        self.calls.append(Call(purpose, chat, request, hold=hold))
        return self.calls[-1]


__all__ = ["AssistantSpec", "Call", "Meter", "Purse", "ReadablePassage", "Reader", "Results", "Said", "Scope", "Tables"]
