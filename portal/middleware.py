"""A request id on every request (taken over from a proxy where it is sane, logged with every line, sent back), and one
line in the log for each. And what the database can't keep is refused.
"""

from __future__ import annotations

import re
import time
import uuid

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.encoding import escape_uri_path
from django.utils.functional import SimpleLazyObject

from portal import audit
from portal.views import bad_request

log = structlog.get_logger("portal.requests")
_SANE = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
_UNTOLD = ("/healthz", "/readyz", settings.STATIC_URL)
# Whoever holds these is let in by them.
_SECRETS = ("token", "key")


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
        request_id, began = self._begin(request), time.perf_counter()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        _tell(request, response, began)
        return response

    async def _async(self, request: HttpRequest) -> HttpResponse:
        request_id, began = self._begin(request), time.perf_counter()
        response: HttpResponse = await self.get_response(request)
        response["X-Request-ID"] = request_id
        _tell(request, response, began)
        return response


class NoZeroBytesMiddleware:
    """PostgreSQL keeps no zero byte in text: a request with one, in a search or a form, is refused, not our mistake."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest):  # type: ignore[no-untyped-def]
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, DataError) and "NUL" in str(exception):
            return bad_request(request, exception)
        return None


def _tell(request: HttpRequest, response: HttpResponse, began: float) -> None:
    """``ms`` is until the response begins: a stream of events goes on after it."""
    if request.path.startswith(_UNTOLD):
        return
    facts: dict[str, object] = {
        "method": request.method,
        "path": _path(request),
        "status": response.status_code,
        "ms": round((time.perf_counter() - began) * 1000, 1),
    }
    if (person := _person(request)) is not None:
        facts["user"] = person
    if request.resolver_match is not None and (slug := request.resolver_match.kwargs.get("slug")):
        facts["workspace"] = slug
    log.info("request", **facts)


def _path(request: HttpRequest) -> str:
    """Without the query, without what lets one in, and so that nothing in it can end a line."""
    path, match = request.path, request.resolver_match or _led_to(request)
    if match is not None:
        for name in _SECRETS:
            if secret := match.kwargs.get(name):
                path = path.replace(str(secret), "-")
    return escape_uri_path(path)


def _led_to(request: HttpRequest) -> ResolverMatch | None:
    """Where the address leads of which a request was turned away before: to https, or to a slash at its end."""
    try:
        return resolve(request.path_info if request.path_info.endswith("/") else f"{request.path_info}/")
    except Resolver404:
        return None


def _person(request: HttpRequest) -> object:
    """Who it was, where that was asked for anyway: a line in the log is no reason for a query."""
    for name in ("user", "_cached_user", "_acached_user"):
        found = request.__dict__.get(name)
        # A session's person is lazy until somebody asks; looking at its class would already ask.
        if type(found) is not SimpleLazyObject and getattr(found, "pk", None) is not None:
            return found.pk  # type: ignore[union-attr]
    return None
