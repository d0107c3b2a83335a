"""OpenAI's wire format: chat completions as server-sent events, embeddings (float and base64), models.

See ``tests/vendors/server.py`` for how to use it as a fixture. ``embed`` may be replaced by any function from a
text to a list of floats; ``refused_parameters`` makes it refuse those by name, as some compatible servers do.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from aiohttp import web

from tests.vendors.server import Script, VendorServer, data, serve

_ERRORS: dict[int, dict[str, Any]] = {
    400: {"message": "Bad request.", "type": "invalid_request_error", "param": None, "code": None},
    401: {"message": "Incorrect API key provided: {key}. You can find your API key in your account.", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"},
    403: {"message": "You have insufficient permissions for this operation.", "type": "invalid_request_error", "param": None, "code": None},
    404: {"message": "The model `nope` does not exist or you do not have access to it.", "type": "invalid_request_error", "param": None, "code": "model_not_found"},
    429: {"message": "Rate limit reached for requests", "type": "requests", "param": None, "code": "rate_limit_exceeded"},
    500: {"message": "The server had an error while processing your request.", "type": "server_error", "param": None, "code": None},
}  # fmt: skip

QUOTA = {"error": {"message": "You exceeded your current quota, please check your plan and billing details.", "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}}  # fmt: skip
TOO_LONG = {"error": {"message": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}}  # fmt: skip
FILTERED = {"error": {"message": "The response was filtered due to the prompt triggering the content management policy.", "type": None, "param": "prompt", "code": "content_filter"}}  # fmt: skip


def hashed_vector(text: str, size: int) -> list[float]:
    """The same text gives the same vector; of no meaning, and not of unit length."""
    seed = hashlib.sha256(text.encode()).digest()
    return [(seed[i % 32] - 127.5) * (1 + i % 7) / 100 for i in range(size)]


class OpenAIServer(VendorServer):
    path: ClassVar[str] = "/v1"

    def __init__(self, script: Script | None = None, port: int = 0, size: int = 1536) -> None:
        super().__init__(script, port)
        self.size = size
        self.embed: Callable[[str, int], list[float]] = hashed_vector
        self.refused_parameters: set[str] = set()
        self.most_inputs = 2048
        self.models = [
            {"id": "gpt-4o-mini", "object": "model", "created": 1721172741, "owned_by": "system"},
            {"id": "gpt-5", "object": "model", "created": 1754425777, "owned_by": "system"},
            {"id": "text-embedding-3-small", "object": "model", "created": 1705948997, "owned_by": "system"},
            {"id": "whisper-1", "object": "model", "created": 1677532384, "owned_by": "openai-internal"},
        ]

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self.chat),
            web.post("/v1/embeddings", self._embeddings),
            web.get("/v1/models", self._models),
        ]

    async def received(self, request: web.Request) -> tuple[dict[str, Any], Script, web.Response | None]:
        body, script, refused = await super().received(request)
        named = next((name for name in sorted(self.refused_parameters) if name in body), None)
        if refused is None and named is not None:
            message = f"Unsupported parameter: '{named}' is not supported with this model."
            error = {"message": message, "type": "invalid_request_error", "param": named, "code": "unsupported_parameter"}  # fmt: skip
            refused = web.json_response({"error": error}, status=400)
        return body, script, refused

    def error_body(self, status: int) -> Any:
        error = dict(_ERRORS.get(status, _ERRORS[500]))
        sent = self.requests[-1].headers.get("authorization", "") if self.requests else ""
        error["message"] = error["message"].replace("{key}", sent.removeprefix("Bearer "))
        return {"error": error}

    def opening(self, body: dict[str, Any]) -> bytes:
        return data(self._chunk({"role": "assistant", "content": "", "refusal": None}))

    def event(self, piece: str) -> bytes:
        # Written out: at 20,000 tokens/s json.dumps of the whole chunk would be the server's bottleneck.
        return _CHUNK[0] + json.dumps(piece, ensure_ascii=False).encode() + _CHUNK[1]

    def error_event(self) -> bytes:
        return data({"error": _ERRORS[500]})

    def ending(self, script: Script, body: dict[str, Any], count: int) -> bytes:
        sent = b""
        if script.finish is not None:
            sent += data(self._chunk({}, script.finish))
        if script.usage and (body.get("stream_options") or {}).get("include_usage"):
            words = sum(len(str(turn["content"]).split()) for turn in body["messages"])
            usage = {"prompt_tokens": words, "completion_tokens": count, "total_tokens": words + count}
            sent += data({**self._chunk({}), "choices": [], "usage": usage})
        return sent + (b"data: [DONE]\n\n" if script.end_mark else b"")

    @staticmethod
    def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {
            "id": "chatcmpl-9x",
            "object": "chat.completion.chunk",
            "created": 1754425777,
            "model": "gpt-4o-mini-2024-07-18",
            "service_tier": "default",
            "system_fingerprint": "fp_44709d6fcb",
            "choices": [choice],
            "obfuscation": "x9Kd",
        }

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        body, _, refused = await self.received(request)
        if refused is not None:
            return refused
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        if len(texts) > self.most_inputs or not all(texts):
            error = {"message": "'$.input' is invalid.", "type": "invalid_request_error", "param": "input", "code": None}  # fmt: skip
            return web.json_response({"error": error}, status=400)
        rows = []
        for index, text in enumerate(texts):
            vector: Any = self.embed(text, body.get("dimensions") or self.size)
            if body.get("encoding_format") == "base64":
                vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            rows.append({"object": "embedding", "index": index, "embedding": vector})
        words = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": words, "total_tokens": words}
        return web.json_response({"object": "list", "data": rows[::-1], "model": body["model"], "usage": usage})

    async def _models(self, request: web.Request) -> web.StreamResponse:
        _, _, refused = await self.received(request)
        return refused or web.json_response({"object": "list", "data": self.models})


_CHUNK = data(OpenAIServer._chunk({"content": "@@"})).split(b'"@@"')


if __name__ == "__main__":
    serve(OpenAIServer, sys.argv[1:])
