"""Other people's middleware, run on the event loop.

Django takes a thread for each step of a middleware that is not async, and one class without async (WhiteNoise, allauth's
sessions) holds a thread for as long as the request lasts. Nearly all of these steps only read and write headers. Here they
are called as they are, and a thread is taken for what asks the database or reads a form with files.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from allauth.usersessions.models import UserSession
from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from csp import middleware as csp
from django.conf import settings
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware import clickjacking, common, csrf, security
from whitenoise import middleware as whitenoise

SEEN_SECONDS = 60.0
"""How long a session counts as seen just now: the list of sessions tells minutes."""
MOST_SEEN = 10_000
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


class _OnTheLoop:
    """For a MiddlewareMixin whose steps neither wait nor take long."""

    get_response: Callable[..., Any]

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase | None = None
        if hasattr(self, "process_request"):
            response = self.process_request(request)
        if response is None:
            response = await self.get_response(request)
        return await self._finish(request, response)

    async def _finish(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if hasattr(self, "process_response"):
            response = self.process_response(request, response)
        return response


class SecurityMiddleware(_OnTheLoop, security.SecurityMiddleware):
    pass


class CSPMiddleware(_OnTheLoop, csp.CSPMiddleware):
    pass


class CommonMiddleware(_OnTheLoop, common.CommonMiddleware):
    pass


class AuthenticationMiddleware(_OnTheLoop, auth.AuthenticationMiddleware):
    pass


class XFrameOptionsMiddleware(_OnTheLoop, clickjacking.XFrameOptionsMiddleware):
    pass


class SessionMiddleware(_OnTheLoop, sessions.SessionMiddleware):
    async def _finish(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        if request.session.modified or settings.SESSION_SAVE_EVERY_REQUEST:
            return await sync_to_async(self.process_response)(request, response)
        return self.process_response(request, response)


class MessageMiddleware(_OnTheLoop, messages.MessageMiddleware):
    async def _finish(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        found: Any = getattr(request, "_messages", None)
        if found is not None and (found.used or found.added_new):
            return await sync_to_async(self.process_response)(request, response)
        return self.process_response(request, response)


class CsrfViewMiddleware(_OnTheLoop, csrf.CsrfViewMiddleware):
    """The token is looked for in the form: one with files is parsed in a thread."""

    def __init__(self, get_response: Callable[..., Any]) -> None:
        super().__init__(get_response)
        if iscoroutinefunction(get_response):
            self.process_view = self._process_view  # type: ignore[method-assign,assignment]

    async def _process_view(self, request: HttpRequest, callback: Any, args: Any, kwargs: Any) -> Any:
        check = super().process_view
        if request.method in _SAFE or request.content_type != "multipart/form-data":
            return check(request, callback, args, kwargs)
        return await sync_to_async(check)(request, callback, args, kwargs)


class LoginRequiredMiddleware(_OnTheLoop, auth.LoginRequiredMiddleware):
    """Whoever was found here is found: an async view does not ask the database for them again."""

    def __init__(self, get_response: Callable[..., Any]) -> None:
        super().__init__(get_response)
        if iscoroutinefunction(get_response):
            self.process_view = self._process_view  # type: ignore[method-assign,assignment]

    async def _process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> Any:
        if not getattr(view, "login_required", True):
            return None
        refusal = await sync_to_async(super().process_view)(request, view, args, kwargs)
        if hasattr(request, "_cached_user"):
            request._acached_user = request._cached_user  # type: ignore[attr-defined]
        return refusal


class WhiteNoiseMiddleware(whitenoise.WhiteNoiseMiddleware):
    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[..., Any]) -> None:
        super().__init__(get_response)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self._async(request) if iscoroutinefunction(self.get_response) else super().__call__(request)

    async def _async(self, request: HttpRequest) -> HttpResponseBase:
        find = self.find_file if self.autorefresh else self.files.get
        path = request.path_info
        found = None
        if path.startswith(self.static_prefix):
            found = await asyncio.to_thread(find, path) if self.autorefresh else find(path)
        if found is None:
            return await self.get_response(request)
        return await asyncio.to_thread(self.serve, found, request)


class UserSessionsMiddleware:
    """Notes where a session was seen last: at once when it is new or comes from elsewhere, then once a minute."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[..., Any]) -> None:
        self.get_response = get_response
        self._seen: dict[tuple[str, ...], float] = {}
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self.get_response):
            return self._async(request)
        if self._due(request):
            _note(request)
        return self.get_response(request)

    async def _async(self, request: HttpRequest) -> HttpResponseBase:
        if self._due(request):
            await sync_to_async(_note)(request)
        response: HttpResponseBase = await self.get_response(request)
        return response

    def _due(self, request: HttpRequest) -> bool:
        key = request.session.session_key
        if not key:
            return False
        meta = request.META
        place = (key, *(meta.get(name, "") for name in ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "HTTP_USER_AGENT")))
        now = time.monotonic()
        if now - self._seen.get(place, -SEEN_SECONDS) < SEEN_SECONDS:
            return False
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen[place] = now
        return True


def _note(request: HttpRequest) -> None:
    if request.user.is_authenticated:
        UserSession.objects.create_from_request(request)
