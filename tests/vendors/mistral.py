"""Mistral's wire format: completions as server-sent events, embeddings, models.

See ``tests/vendors/server.py`` for how to use it as a fixture.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from aiohttp import web

from tests.vendors.openai import hashed_vector
from tests.vendors.server import Script, VendorServer, data, serve

TOO_LONG = {"object": "error", "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", "type": "invalid_request_prompt", "param": None, "code": "3051"}  # fmt: skip
INVALID_MODEL = {"object": "error", "message": "Invalid model: nope", "type": "invalid_model", "param": None, "code": "1500"}  # fmt: skip


class MistralServer(VendorServer):
    def __init__(self, script: Script | None = None, port: int = 0) -> None:
        super().__init__(script, port)
        self.most_tokens = 16_384
        self.models = [
            _model("mistral-small-latest", 131072, chat=True),
            _model("mistral-embed", 8192, chat=False),
            _model("mistral-ocr-latest", 16384, chat=False),
        ]

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self.chat),
            web.post("/v1/embeddings", self._embeddings),
            web.get("/v1/models", self._models),
        ]

    def error_body(self, status: int) -> Any:
        if status == 401:
            return {"detail": "Unauthorized"}
        if status == 403:
            return {"message": "This key may not use this endpoint.", "request_id": "9f1"}
        if status == 404:
            return INVALID_MODEL
        if status == 422:
            return {"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "Field required", "input": {}}]}
        if status == 429:
            return {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "param": None, "code": "1300"}  # fmt: skip
        return {"object": "error", "message": "Service unavailable.", "type": "internal_server_error", "param": None, "code": "3000"}  # fmt: skip

    def opening(self, body: dict[str, Any]) -> bytes:
        return data(_chunk({"role": "assistant", "content": ""}))

    def event(self, piece: str) -> bytes:
        return _CHUNK[0] + json.dumps(piece, ensure_ascii=False).encode() + _CHUNK[1]

    def error_event(self) -> bytes:
        return data(self.error_body(500))

    def ending(self, script: Script, body: dict[str, Any], count: int) -> bytes:
        sent = b""
        if script.finish is not None:
            last = _chunk({"content": ""}, script.finish)
            if script.usage:
                words = sum(len(str(turn["content"]).split()) for turn in body["messages"])
                last["usage"] = {"prompt_tokens": words, "total_tokens": words + count, "completion_tokens": count}
            sent += data(last)
        return sent + (b"data: [DONE]\n\n" if script.end_mark else b"")

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        body, _, refused = await self.received(request)
        if refused is not None:
            return refused
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        words = sum(len(text.split()) for text in texts)
        if words > self.most_tokens:
            message = "Too many tokens overall, split into more batches."
            error = {"object": "error", "message": message, "type": "invalid_request_prompt", "code": "3210"}
            return web.json_response(error, status=400)
        size = body.get("output_dimension") or 1024
        rows = [
            {"object": "embedding", "index": index, "embedding": hashed_vector(text, size)}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": words, "total_tokens": words, "completion_tokens": 0}
        return web.json_response({"id": "e1", "object": "list", "data": rows, "model": body["model"], "usage": usage})

    async def _models(self, request: web.Request) -> web.StreamResponse:
        _, _, refused = await self.received(request)
        return refused or web.json_response({"object": "list", "data": self.models})


def _model(name: str, context: int, *, chat: bool) -> dict[str, Any]:
    capabilities = {"completion_chat": chat, "completion_fim": False, "function_calling": chat, "fine_tuning": False, "vision": False}  # fmt: skip
    return {
        "id": name,
        "object": "model",
        "created": 1754425777,
        "owned_by": "mistralai",
        "capabilities": capabilities,
        "name": name.removesuffix("-latest"),
        "description": "A model",
        "max_context_length": context,
        "aliases": [],
        "deprecation": None,
        "default_model_temperature": 0.3,
        "type": "base",
    }


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "53c1f9",
        "object": "chat.completion.chunk",
        "created": 1754425777,
        "model": "mistral-small-latest",
        "choices": [choice],
        "p": "abcdefgh",
    }


_CHUNK = data(_chunk({"content": "@@"})).split(b'"@@"')


if __name__ == "__main__":
    serve(MistralServer, sys.argv[1:])
