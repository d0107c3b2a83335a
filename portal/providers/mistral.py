"""Mistral, through its own SDK; the stream is read past the SDK's parser, which takes bytes one by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import httpx2
import msgspec

from portal.providers.clients import Access, clients
from portal.providers.errors import ProviderError
from portal.providers.refusals import refusal
from portal.providers.remote import RemoteEmbedder, guarded
from portal.providers.streaming import VendorChat, estimated
from portal.providers.transport import transports
from portal.providers.types import ChatRequest, Finish, FinishReason, ModelInfo, Turn, Usage

KIND: Final = "mistral"

# Sizes and windows: https://docs.mistral.ai/capabilities/embeddings/
_SIZES: Final = {"mistral-embed": 1024, "codestral-embed": 1536}
_WINDOW: Final = 8192
# A call of more than 16,384 tokens is refused ("Too many tokens overall, split into more batches").
_BATCH: Final = (128, 15_000)


class _Part(msgspec.Struct, gc=False):
    text: str | None = None


class _Text(msgspec.Struct, gc=False):
    content: str | list[_Part] | None = None  # reasoning models send parts, of which only text is for the reader


class _Choice(msgspec.Struct, gc=False):
    delta: _Text | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    object: str | None = None


_decode = msgspec.json.Decoder(_Chunk).decode
_REASONS: Final[dict[str, FinishReason]] = {
    "length": "length",
    "model_length": "length",
    "content_filter": "content_filter",
}


class CompletionReader:
    """Reads Mistral's completion events up to ``[DONE]``; usage comes with the last choice."""

    def __init__(self, chat: VendorChat) -> None:
        self.caller = chat.caller
        self.ended = False
        self.reason: str | None = None
        self.usage: _Usage | None = None

    def feed(self, data: bytes) -> str:
        if data == b"[DONE]":
            self.ended = True
            return ""
        chunk = _decode(data)
        if chunk.usage is not None:
            self.usage = chunk.usage
        if not chunk.choices:
            if chunk.choices is None or chunk.object == "error":
                raise refusal(self.caller, None, data)
            return ""
        choice = chunk.choices[0]
        if choice.finish_reason is not None:
            self.reason = choice.finish_reason
        content = None if choice.delta is None else choice.delta.content
        return "".join(part.text or "" for part in content) if isinstance(content, list) else content or ""

    def finish(self, request: ChatRequest, written: int) -> Finish | None:
        if self.reason == "error":
            raise ProviderError(
                f"{self.caller.vendor} gave up in the middle of the answer. Try again.", code="unavailable"
            )
        if self.reason is None and not self.ended:
            return None
        usage = self.usage
        counted = (
            estimated(request, written)
            if usage is None or usage.prompt_tokens is None
            else Usage(usage.prompt_tokens, usage.completion_tokens or 0)
        )
        return Finish(_REASONS.get(self.reason or "stop", "stop"), counted)


class MistralChat(VendorChat):
    def optional(self, request: ChatRequest) -> dict[str, object]:
        extra: dict[str, object] = {}
        if request.temperature is not None:
            extra["temperature"] = request.temperature
        if request.max_output_tokens is not None:
            extra["max_tokens"] = request.max_output_tokens
        return extra

    def open(self, request: ChatRequest, extra: dict[str, object]) -> AbstractAsyncContextManager[httpx2.Response]:
        return self._opened([_message(turn) for turn in request.turns], extra)

    @asynccontextmanager
    async def _opened(self, turns: list[Any], extra: dict[str, object]) -> AsyncGenerator[httpx2.Response, None]:
        client = clients.waiting(self.access, self._client)
        events = await client.chat.stream_async(
            model=self.model,
            messages=turns,
            http_headers={"Accept-Encoding": "identity"},
            timeout_ms=round(self.access.patience.stall * 1000),
            **extra,
        )
        try:
            yield events.response
        finally:
            await events.response.aclose()

    def _client(self, http: httpx2.AsyncClient) -> Any:
        from mistralai.client import Mistral

        # Left out, the SDK would make a blocking client of its own, which follows redirects.
        blocking = httpx2.Client(transport=transports.blocking(self.access.network), trust_env=False)
        return Mistral(async_client=http, client=blocking, **_settings(self.access))

    def reader(self) -> CompletionReader:
        return CompletionReader(self)


def _message(turn: Turn) -> dict[str, str]:
    return {"role": turn.role, "content": turn.text}


class _Silent:
    """The SDK's debug logger would write headers, and so the key, where MISTRAL_DEBUG is set."""

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        return None


def _settings(access: Access) -> dict[str, Any]:
    # The SDK adds /v1 itself.
    address = access.base_url.rstrip("/").removesuffix("/v1")
    return {"api_key": access.api_key, "server_url": address, "debug_logger": _Silent()}


def _blocking_client(access: Access) -> Any:
    def make(http: httpx2.Client) -> Any:
        from mistralai.client import Mistral

        return Mistral(client=http, **_settings(access))

    return clients.blocking(access, make)


class MistralEmbedder(RemoteEmbedder):
    def __init__(self, access: Access, model: str, size: int | None = None, window: int | None = None) -> None:
        known = _SIZES.get(model)
        super().__init__(access, model, size or known, window or _WINDOW, batch=_BATCH)
        self._dimensions = size if size is not None and size != known else None

    def call(self, texts: list[str]) -> tuple[list[list[float]], int | None]:
        extra: dict[str, Any] = {} if self._dimensions is None else {"output_dimension": self._dimensions}
        timeout = round(self.access.patience.stall * 1000)
        reply = _blocking_client(self.access).embeddings.create(
            model=self.model, inputs=texts, timeout_ms=timeout, **extra
        )
        rows = sorted(reply.data, key=lambda row: row.index or 0)
        return [list(row.embedding or []) for row in rows], reply.usage.prompt_tokens


def list_models(access: Access) -> list[ModelInfo]:
    """What the key may use, by name. Blocking."""
    with guarded(access):
        found = _blocking_client(access).models.list(timeout_ms=round(access.patience.stall * 1000)).data or []
    models = []
    for model in sorted(found, key=lambda model: model.id):
        embeds = "embed" in model.id
        if embeds or getattr(model.capabilities, "completion_chat", False):
            label = model.name if isinstance(model.name, str) else model.id
            models.append(ModelInfo(model.id, label, "embedding" if embeds else "chat", model.max_context_length))
    return models
