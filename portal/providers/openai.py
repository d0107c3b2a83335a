"""OpenAI, and every server that speaks its API: vLLM, Ollama, LiteLLM, llama.cpp and others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, lru_cache
from typing import Any, Final

import httpx2
import msgspec

from portal.providers.clients import Access, clients
from portal.providers.refusals import refusal
from portal.providers.remote import RemoteEmbedder, guarded
from portal.providers.streaming import VendorChat, estimated
from portal.providers.types import ChatRequest, Finish, FinishReason, ModelInfo, Turn, Usage

KIND: Final = "openai"

# Sizes and windows: OpenAI's guide to embeddings. 8,191 tokens for all three.
_SIZES: Final = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
_WINDOW: Final = 8191
_UNKNOWN_WINDOW: Final = 512
# OpenAI takes 2,048 texts and 300,000 tokens in a call; small servers (TEI by default) take 32 texts.
_BATCH: Final = (512, 200_000)
_COMPATIBLE_BATCH: Final = (32, 16_000)
_NOT_FOR_TEXT: Final = (
    *("whisper", "tts", "dall-e", "image", "audio", "realtime", "transcribe", "moderation", "sora", "computer-use"),
    *("babbage", "davinci-002"),
)


class _Text(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Text | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


_NOTHING: Final = msgspec.Raw(b"null")


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = _NOTHING
    object: str | None = None


_decode = msgspec.json.Decoder(_Chunk).decode
_REASONS: Final[dict[str, FinishReason]] = {"length": "length", "content_filter": "content_filter"}


class ChunkReader:
    """Reads ``chat.completion.chunk`` events up to ``[DONE]``."""

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
            if bytes(chunk.error) != b"null" or chunk.object == "error":
                raise refusal(self.caller, None, data)
            return ""
        choice = chunk.choices[0]
        if choice.finish_reason is not None:
            self.reason = choice.finish_reason
        delta = choice.delta
        return "" if delta is None else delta.content or delta.refusal or ""

    def finish(self, request: ChatRequest, written: int) -> Finish | None:
        if self.reason is None and not self.ended:
            return None
        usage = self.usage
        counted = (
            estimated(request, written)
            if usage is None or usage.prompt_tokens is None
            else Usage(usage.prompt_tokens, usage.completion_tokens or 0)
        )
        return Finish(_REASONS.get(self.reason or "stop", "stop"), counted)


class OpenAIChat(VendorChat):
    def __init__(self, access: Access, model: str) -> None:
        super().__init__(access, model)
        # OpenAI's newer models refuse the old name, other servers rarely know the new one.
        new, old = "max_completion_tokens", "max_tokens"
        self.limits = (new, old) if self.vendor == KIND else (old, new)

    def optional(self, request: ChatRequest) -> dict[str, object]:
        extra: dict[str, object] = {"stream_options": {"include_usage": True}}
        if request.temperature is not None:
            extra["temperature"] = request.temperature
        if request.max_output_tokens is not None:
            name = next((name for name in self.limits if name not in self.refused), self.limits[0])
            extra[name] = request.max_output_tokens
        return extra

    def open(self, request: ChatRequest, extra: dict[str, object]) -> AbstractAsyncContextManager[httpx2.Response]:
        return self._opened(messages(request.turns), extra)

    @asynccontextmanager
    async def _opened(self, turns: list[Any], extra: dict[str, object]) -> AsyncGenerator[httpx2.Response, None]:
        client = clients.waiting(self.access, self._client)
        # The SDK's way for any endpoint. Its own method for this one checks each turn against ten types first, and makes
        # generic classes anew in every call: together longer than the rest of the call.
        headers = {"Accept-Encoding": "identity", **_no_key(self.access)}
        response = await client.post(
            "/chat/completions",
            cast_to=httpx2.Response,
            body={"model": self.model, "messages": turns, "stream": True, **extra},
            options={"headers": headers},
            stream=True,
        )
        try:
            yield response
        finally:
            await response.aclose()

    def _client(self, http: httpx2.AsyncClient) -> Any:
        return _client_type()(http_client=http, **_settings(self.access))

    def reader(self) -> ChunkReader:
        return ChunkReader(self)


@cache
def _client_type() -> Any:
    """The SDK's client; imported late, because that takes half a second."""
    from openai import AsyncOpenAI

    class Client(AsyncOpenAI):
        @lru_cache(maxsize=8)  # noqa: B019  a client lives as long as its loop
        def _prepare_url(self, url: str) -> httpx2.URL:
            # It parses the same two texts anew in each call.
            return super()._prepare_url(url)

        def _idempotency_key(self) -> str:
            # A random one for each call, which is sent nowhere unless a header is named for it.
            return ""

    return Client


def messages(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.text} for turn in turns]


def _settings(access: Access) -> dict[str, Any]:
    """The SDK's arguments. What it would take from the environment is the operator's, not this workspace's."""
    from openai import Omit

    return {
        "api_key": access.api_key or "none",
        "base_url": access.base_url,
        "max_retries": 0,  # streaming.py retries, alike for every vendor
        "default_headers": {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()},
    }


def _no_key(access: Access) -> dict[str, Any]:
    """Headers of a call to a server that wants no key: the SDK insists on one, or on being told so in each call."""
    from openai import Omit

    return {} if access.api_key else {"Authorization": Omit()}


def _blocking_client(access: Access) -> Any:
    def make(http: httpx2.Client) -> Any:
        from openai import OpenAI

        return OpenAI(http_client=http, **_settings(access))

    return clients.blocking(access, make)


class OpenAIEmbedder(RemoteEmbedder):
    def __init__(self, access: Access, model: str, size: int | None = None, window: int | None = None) -> None:
        known = _SIZES.get(model)
        official = access.kind == KIND and known is not None
        super().__init__(
            access,
            model,
            size or known,
            window or (_WINDOW if known is not None else _UNKNOWN_WINDOW),
            batch=_BATCH if official else _COMPATIBLE_BATCH,
        )
        self._dimensions = size if size is not None and size != known else None

    def call(self, texts: list[str]) -> tuple[list[list[float]], int | None]:
        extra: dict[str, Any] = {} if self._dimensions is None else {"dimensions": self._dimensions}
        if self.vendor != KIND:
            extra["encoding_format"] = "float"  # the SDK's own choice, base64, is not known everywhere
        reply = _blocking_client(self.access).embeddings.create(
            model=self.model, input=texts, extra_headers=_no_key(self.access), **extra
        )
        rows = sorted(reply.data, key=lambda row: row.index)
        return [row.embedding for row in rows], getattr(reply.usage, "prompt_tokens", None)


def list_models(access: Access) -> list[ModelInfo]:
    """What the key may use, newest first where the server dates them. Blocking."""
    with guarded(access):
        found = list(_blocking_client(access).models.list(extra_headers=_no_key(access)))
    found.sort(key=lambda model: (-(getattr(model, "created", None) or 0), model.id))
    models = []
    for model in found:
        name = model.id.lower()
        embeds = "embed" in name
        if embeds or access.kind != KIND or not any(part in name for part in _NOT_FOR_TEXT):
            models.append(ModelInfo(model.id, model.id, "embedding" if embeds else "chat", _context(model)))
    return models


def _context(model: Any) -> int | None:
    """vLLM and some others say how much a model reads; OpenAI does not."""
    value = getattr(model, "max_model_len", None) or getattr(model, "context_length", None)
    return value if isinstance(value, int) else None
