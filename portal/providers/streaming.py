"""From a vendor's server-sent events to Deltas: the hot path of every answer.

Lines are split by hand and parsed by msgspec into just the fields that are read; the SDKs' own chunk objects
cost some 300 µs a token. What arrived in one network read is given on in one Delta.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Final, Protocol

import httpx2
import msgspec

from portal.providers.clients import Access
from portal.providers.errors import ProviderError
from portal.providers.refusals import Caller, refusal, refused_parameter
from portal.providers.transport import AddressRefused
from portal.providers.types import ChatRequest, Delta, Finish, StreamItem, Usage

BREATH: Final = 0.03
"""Seconds between two looks at the stream, after the first text: what comes meanwhile is read in one go, which costs a
fraction of waking for each token, and is within what followers' frames are gathered for anyway."""
_LONGEST_LINE: Final = 4 * 1024 * 1024
_DRAIN_SECONDS: Final = 0.05
_MOST_DROPPED_PARAMETERS: Final = 4
# Waiting a whole stall for nothing once more helps nobody.
_RETRIED: Final = frozenset({"rate_limited", "unavailable", "dropped_stream"})
_CHARACTERS_PER_TOKEN: Final = 4

# Optional parameters that a server refused, by (address, model): not sent again in this process.
_refused: dict[tuple[str, str], set[str]] = {}


class Reader(Protocol):
    """Reads the events of one answer.

    ``feed`` takes one event's JSON and gives the text in it, or raises ``ProviderError``. ``ended`` turns true
    at the vendor's end mark. ``finish`` gives the Finish, or None when the answer is not whole.
    """

    ended: bool

    def feed(self, data: bytes) -> str: ...

    def finish(self, request: ChatRequest, written: int) -> Finish | None: ...


class VendorChat(ABC):
    """What the chat adapters share: opening, retrying before the first token, reading, typed errors.

    ``limits``: what the limit on an answer's length may be called among the optional parameters, the usual name first; empty
    where it is none of them, as the vendor insists on it.
    """

    limits: tuple[str, ...] = ("max_tokens",)

    def __init__(self, access: Access, model: str) -> None:
        self.vendor = access.kind
        self.model = model
        self.access = access
        self.caller = Caller(access.label, model, access.api_key, access.patience.stall)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.vendor}, {self.model})"

    @abstractmethod
    def optional(self, request: ChatRequest) -> dict[str, object]:
        """Parameters that the answer can do without, should the server refuse one by name."""

    @abstractmethod
    def open(self, request: ChatRequest, extra: dict[str, object]) -> AbstractAsyncContextManager[httpx2.Response]:
        """Make the call; entering gives the response with its body unread."""

    @abstractmethod
    def reader(self) -> Reader: ...

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        attempt = dropped = 0
        while True:
            started = False
            failure: ProviderError | None = None
            try:
                async with (
                    self.open(request, self._extra(request)) as response,
                    aclosing(self._items(response, request)) as items,
                ):
                    async for item in items:
                        started = True
                        yield item
                    return
            except Exception as exc:
                if not started and dropped < _MOST_DROPPED_PARAMETERS and self._drop_parameter(request, exc):
                    dropped += 1
                    continue
                failure = as_provider_error(exc, self.caller, started=started)
                if failure is None:
                    raise
            # Raised out here, so that the SDK's exception, which holds the request and its key, stays behind.
            if started or not await self._worth_another(failure, attempt):
                raise failure
            attempt += 1

    def _extra(self, request: ChatRequest) -> dict[str, object]:
        extra = {name: value for name, value in self.optional(request).items() if name not in self.refused}
        if request.keep_limit and self.limits and not any(name in extra for name in self.limits):
            raise ProviderError(
                f"{self.caller.vendor} takes no limit on how much {self.model} writes, so no budget can be kept with it. "
                "Choose another model, or remove the budgets.",
                code="not_configured",
            )
        return extra

    @property
    def refused(self) -> set[str]:
        """Optional parameters that this server was found not to take."""
        return _refused.get((self.access.base_url, self.model), set())

    def _drop_parameter(self, request: ChatRequest, exc: Exception) -> bool:
        """Where a compatible server names an optional parameter that it cannot take, do without from now on."""
        response = _response_of(exc)
        if response is None or response.status_code not in (400, 422):
            return False
        name = refused_parameter(_content(response, exc), set(self._extra(request)))
        if name is None:
            return False
        _refused.setdefault((self.access.base_url, self.model), set()).add(name)
        return True

    async def _worth_another(self, failure: ProviderError, attempt: int) -> bool:
        patience = self.access.patience
        if attempt >= patience.retries or failure.code not in _RETRIED:
            return False
        wait = failure.retry_after
        if wait is None:
            wait = 0.25 * 2**attempt * (1 + random.random())
        if wait > patience.longest_wait:
            return False
        await asyncio.sleep(wait)
        return True

    async def _items(self, response: httpx2.Response, request: ChatRequest) -> AsyncGenerator[StreamItem, None]:
        if not 200 <= response.status_code < 300:
            body = await response.aread()
            raise refusal(self.caller, response.status_code, body, response.headers)
        reader = self.reader()
        written = 0
        async with aclosing(pieces(response, reader, self.caller)) as texts:
            async for text in texts:
                written += len(text)
                yield Delta(text)
        finish = reader.finish(request, written)
        if finish is None:
            raise broken(self.caller)
        if finish.reason == "content_filter" and not written:
            raise ProviderError(
                f"{self.caller.vendor}'s content filter stopped this answer. Put the question another way.",
                code="content_filter",
            )
        yield finish


async def pieces(response: httpx2.Response, reader: Reader, caller: Caller) -> AsyncGenerator[str, None]:
    """The text of the events as it comes in, until the end mark or the end of the connection.

    One ``data:`` line is one event, as all these vendors send them.
    """
    rest = b""
    events = 0
    body = response.aiter_bytes()
    async for block in body:
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        if len(rest) > _LONGEST_LINE:
            raise garbage(caller, "a line without end")
        text, failure = "", None
        for line in lines:
            if line.startswith(b"data:"):
                events += 1
                try:
                    text += _fed(reader, line[5:].strip(), caller)
                except ProviderError as exc:
                    failure = exc
                    break
        if text:
            yield text
        if failure is not None:
            raise failure
        if reader.ended:
            await _drain(body)
            return
        if text:
            await asyncio.sleep(BREATH)
    if rest.startswith(b"data:") and (text := _fed(reader, rest[5:].strip(), caller)):
        yield text
    if not events and not reader.ended:
        raise garbage(caller, f"no events, but {response.headers.get('content-type', 'nothing')}")


def _fed(reader: Reader, data: bytes, caller: Caller) -> str:
    try:
        return reader.feed(data) if data else ""
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        problem = str(exc)
    raise garbage(caller, problem)


async def _drain(body: AsyncIterator[bytes]) -> None:
    """Read what little follows the end mark, so that the connection can serve the next call."""
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in body:
                pass
    except (TimeoutError, httpx2.TransportError):
        return  # the answer is whole; only the connection is lost


def estimated(request: ChatRequest, written: int) -> Usage:
    """Usage where the vendor said nothing: four characters a token, rounded up."""
    read = sum(len(turn.text) for turn in request.turns)
    return Usage(-(-read // _CHARACTERS_PER_TOKEN), -(-written // _CHARACTERS_PER_TOKEN), exact=False)


def broken(caller: Caller) -> ProviderError:
    return ProviderError(
        f"{caller.vendor} broke off in the middle of the answer. What was written so far is kept; ask again for the rest.",
        code="dropped_stream",
    )


def garbage(caller: Caller, problem: str) -> ProviderError:
    return ProviderError(
        f"{caller.vendor} sent something that is not an answer. Check the address of the server, or try again.",
        code="bad_response",
        detail=caller.redact(problem),
    )


def as_provider_error(exc: BaseException, caller: Caller, *, started: bool = False) -> ProviderError | None:
    """Ours for an SDK's or a transport's exception; None for one that is none of theirs."""
    if isinstance(exc, ProviderError):
        return exc
    response = _response_of(exc)
    if response is not None and not response.is_success:
        return refusal(caller, response.status_code, _content(response, exc), response.headers)
    for cause in _chain(exc):
        if isinstance(cause, AddressRefused):
            return ProviderError(str(cause), code="address_refused")
        if isinstance(cause, httpx2.ConnectTimeout):
            return _unreachable(caller, "it did not pick up in time")
        if isinstance(cause, httpx2.TimeoutException):
            return ProviderError(
                f"{caller.vendor} sent nothing for {caller.stall_seconds:g} seconds. Try again.", code="timeout"
            )
        if isinstance(cause, httpx2.ConnectError):
            return _unreachable(caller, str(cause))
        if isinstance(cause, httpx2.TransportError):
            return broken(caller) if started else _unreachable(caller, str(cause))
        if isinstance(cause, (httpx2.InvalidURL, httpx2.DecodingError)):
            return garbage(caller, str(cause))
    module = type(exc).__module__.partition(".")[0]
    return garbage(caller, str(exc)) if module in {"openai", "anthropic", "mistralai", "pydantic", "msgspec"} else None


def _unreachable(caller: Caller, why: str) -> ProviderError:
    return ProviderError(
        f"{caller.vendor} cannot be reached. Check its address and this server's connection, then try again.",
        code="unavailable",
        detail=caller.redact(why),
    )


def _chain(exc: BaseException | None) -> list[BaseException]:
    seen: list[BaseException] = []
    while exc is not None and exc not in seen:
        seen.append(exc)
        exc = exc.__cause__ or exc.__context__
    return seen


def _response_of(exc: BaseException) -> httpx2.Response | None:
    for name in ("response", "raw_response"):
        found = getattr(exc, name, None)
        if isinstance(found, httpx2.Response):
            return found
    return None


def _content(response: httpx2.Response, exc: BaseException) -> bytes:
    """The reply's body. Mistral's SDK reads it away and keeps it as text."""
    try:
        return response.content
    except httpx2.StreamError:
        body = getattr(exc, "body", "")
        return body.encode() if isinstance(body, str) else b""
