"""Anthropic, through its own SDK."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import httpx2
import msgspec

from portal.providers.clients import Access, clients
from portal.providers.refusals import refusal
from portal.providers.remote import guarded
from portal.providers.streaming import VendorChat, estimated
from portal.providers.types import ChatRequest, Finish, FinishReason, ModelInfo, Turn, Usage

KIND: Final = "anthropic"

# The API demands a limit; every model of theirs can write this much.
_MAX_TOKENS: Final = 4096
_OPENING: Final = "(The conversation goes on.)"


class _Delta(msgspec.Struct, gc=False):
    text: str | None = None
    stop_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Message(msgspec.Struct, gc=False):
    usage: _Usage | None = None


class _Event(msgspec.Struct, gc=False):
    type: str
    delta: _Delta | None = None
    message: _Message | None = None
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Event).decode
_REASONS: Final[dict[str, FinishReason]] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}


class EventReader:
    """Reads ``message_start`` … ``message_stop``; deltas of kinds that are not text (thinking) are passed over."""

    def __init__(self, chat: VendorChat) -> None:
        self.caller = chat.caller
        self.ended = False
        self.reason: str | None = None
        self.input: int | None = None
        self.output = 0

    def feed(self, data: bytes) -> str:
        event = _decode(data)
        delta = event.delta
        if event.type == "content_block_delta":
            return (delta.text or "") if delta is not None else ""
        if event.type == "message_start" and event.message is not None:
            self._count(event.message.usage)
        elif event.type == "message_delta":
            self._count(event.usage)
            if delta is not None and delta.stop_reason is not None:
                self.reason = delta.stop_reason
        elif event.type == "message_stop":
            self.ended = True
        elif event.type == "error":
            raise refusal(self.caller, None, data)
        return ""

    def _count(self, usage: _Usage | None) -> None:
        """Counts are running totals; what was read from a cache was read all the same."""
        if usage is None:
            return
        if usage.input_tokens is not None:
            cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
            self.input = usage.input_tokens + cached
        if usage.output_tokens is not None:
            self.output = usage.output_tokens

    def finish(self, request: ChatRequest, written: int) -> Finish | None:
        if not self.ended:
            return None
        counted = estimated(request, written) if self.input is None else Usage(self.input, self.output)
        return Finish(_REASONS.get(self.reason or "end_turn", "stop"), counted)


class AnthropicChat(VendorChat):
    limits = ()

    def optional(self, request: ChatRequest) -> dict[str, object]:
        return {}  # since its version 2026-10-21 the API refuses any temperature, at its default too

    def open(self, request: ChatRequest, extra: dict[str, object]) -> AbstractAsyncContextManager[httpx2.Response]:
        return self._opened(request)

    @asynccontextmanager
    async def _opened(self, request: ChatRequest) -> AsyncGenerator[httpx2.Response, None]:
        client = clients.waiting(self.access, self._client)
        system, turns = prompt(request.turns)
        async with client.messages.with_streaming_response.create(
            model=self.model,
            messages=turns,
            max_tokens=request.max_output_tokens or _MAX_TOKENS,
            stream=True,
            extra_headers={"Accept-Encoding": "identity"},
            **({"system": system} if system else {}),
        ) as response:
            yield response.http_response

    def _client(self, http: httpx2.AsyncClient) -> Any:
        from anthropic import AsyncAnthropic

        return AsyncAnthropic(http_client=http, **_settings(self.access))

    def reader(self) -> EventReader:
        return EventReader(self)


def prompt(turns: Sequence[Turn]) -> tuple[str, list[dict[str, str]]]:
    """(system, messages) as the API wants them: system apart, a user first and last, roles in turn, nothing empty."""
    system = "\n\n".join(turn.text for turn in turns if turn.role == "system" and turn.text.strip())
    messages: list[dict[str, str]] = []
    for turn in turns:
        if turn.role == "system" or not turn.text.strip():
            continue
        if messages and messages[-1]["role"] == turn.role:
            messages[-1]["content"] += "\n\n" + turn.text
        else:
            messages.append({"role": turn.role, "content": turn.text})
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": _OPENING})
    if messages[-1]["role"] == "assistant":
        messages.append({"role": "user", "content": _OPENING})  # newer models refuse a prefilled answer
    return system, messages


def _settings(access: Access) -> dict[str, Any]:
    # max_retries: streaming.py retries, alike for every vendor.
    return {"api_key": access.api_key, "base_url": access.base_url, "max_retries": 0}


def list_models(access: Access) -> list[ModelInfo]:
    """What the key may use, newest first as the API sends them. Blocking."""

    def make(http: httpx2.Client) -> Any:
        from anthropic import Anthropic

        return Anthropic(http_client=http, **_settings(access))

    with guarded(access):
        found = list(clients.blocking(access, make).models.list(limit=1000))
    return [
        ModelInfo(model.id, model.display_name or model.id, "chat", getattr(model, "max_input_tokens", None))
        for model in found
    ]
