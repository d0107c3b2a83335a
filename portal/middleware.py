"""A request id on every request: taken over from a proxy where it is sane, logged with every line, sent back."""

from __future__ import annotations

import re
import uuid

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse

from portal import audit

_SANE = re.compile(r"^[A-Za-z0-9._-]{8,64}$")


class RequestIdMiddleware:
    sync_capable = True
    async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def _begin(self, request: HttpRequest) -> str:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _SANE.match(given) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        request.request_id = request_id  # type: ignore[attr-defined]
        audit.via.set("portal")
        return request_id

    def __call__(self, request: HttpRequest):  # type: ignore[no-untyped-def]
        if iscoroutinefunction(self):
            return self._async(request)
        request_id = self._begin(request)
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response

    async def _async(self, request: HttpRequest) -> HttpResponse:
        request_id = self._begin(request)
        response: HttpResponse = await self.get_response(request)
        response["X-Request-ID"] = request_id
        return response
