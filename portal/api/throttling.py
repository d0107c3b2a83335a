"""Calls per key, or per person where the session is used."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from portal.models import ApiKey


class KeyThrottle(SimpleRateThrottle):
    scope = "key"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if isinstance(request.auth, ApiKey):
            return f"throttle-key-{request.auth.pk}"
        return f"throttle-user-{request.user.pk}" if request.user and request.user.is_authenticated else None
