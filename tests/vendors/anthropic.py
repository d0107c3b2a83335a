"""Anthropic's wire format: messages as server-sent events, models. See ``tests/vendors/server.py`` for its use."""

from __future__ import annotations

import json
import sys
from typing import Any

from aiohttp import web

from tests.vendors.server import Script, VendorServer, data, serve

_TYPES = {
    400: ("invalid_request_error", "messages: at least one message is required"),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "model: nope"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    529: ("overloaded_error", "Overloaded"),
}


def error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011"}


TOO_LONG = error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")
NO_CREDIT = error("invalid_request_error", "Your credit balance is too low to access the Anthropic API.")


class AnthropicServer(VendorServer):
    def __init__(self, script: Script | None = None, port: int = 0) -> None:
        super().__init__(script, port)
        self.models = [
            {"type": "model", "id": "claude-sonnet-5-5", "display_name": "Claude Sonnet 5.5", "created_at": "2025-09-29T00:00:00Z"},
            {"type": "model", "id": "claude-3-5-haiku", "display_name": "Claude Haiku 3.5", "created_at": "2024-10-22T00:00:00Z"},
        ]  # fmt: skip

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/messages", self.chat), web.get("/v1/models", self._models)]

    def error_body(self, status: int) -> Any:
        return error(*_TYPES.get(status, _TYPES[500]))

    async def received(self, request: web.Request) -> tuple[dict[str, Any], Script, web.Response | None]:
        body, script, refused = await super().received(request)
        if refused is None and body:
            refused = _refusal(body)
        return body, script, refused

    def opening(self, body: dict[str, Any]) -> bytes:
        words = sum(len(str(turn["content"]).split()) for turn in body["messages"])
        usage = {"input_tokens": words, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}  # fmt: skip
        message = {
            "id": "msg_01",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        start = data({"type": "message_start", "message": message}, "message_start")
        return start + data(block, "content_block_start") + data({"type": "ping"}, "ping")

    def event(self, piece: str) -> bytes:
        return _DELTA[0] + json.dumps(piece, ensure_ascii=False).encode() + _DELTA[1]

    def error_event(self) -> bytes:
        return data(error("overloaded_error", "Overloaded"), "error")

    def ending(self, script: Script, body: dict[str, Any], count: int) -> bytes:
        sent = data({"type": "content_block_stop", "index": 0}, "content_block_stop")
        if script.finish is not None:
            reason = {"stop": "end_turn"}.get(script.finish, script.finish)
            delta = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}}
            sent += data({**delta, "usage": {"output_tokens": count}}, "message_delta")
        return sent + (data({"type": "message_stop"}, "message_stop") if script.end_mark else b"")

    async def _models(self, request: web.Request) -> web.StreamResponse:
        _, _, refused = await self.received(request)
        page = {"data": self.models, "has_more": False, "first_id": "a", "last_id": "b"}
        return refused or web.json_response(page)


def _refusal(body: dict[str, Any]) -> web.Response | None:
    """What the real API refuses, so that a prompt of the wrong shape fails in a test too."""
    turns = body.get("messages") or []
    problem = ""
    if "temperature" in body:
        problem = "temperature: Extra inputs are not permitted"  # since API version 2026-10-21
    elif "max_tokens" not in body:
        problem = "max_tokens: Field required"
    elif not turns:
        problem = "messages: at least one message is required"
    elif any(turn["role"] not in ("user", "assistant") for turn in turns):
        problem = 'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter'
    elif turns[0]["role"] != "user":
        problem = "messages: first message must use the user role"
    elif not all(str(turn["content"]).strip() for turn in turns):
        problem = "messages: text content blocks must be non-empty"
    return web.json_response(error("invalid_request_error", problem), status=400) if problem else None


_DELTA = data(
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "@@"}}, "content_block_delta"
).split(b'"@@"')


if __name__ == "__main__":
    serve(AnthropicServer, sys.argv[1:])
