"""Who calls the API: a key, or the session of a person in the portal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from portal import audit
from portal.models import ApiKey, User

_SEEN_EVERY = timedelta(minutes=1)


class ApiKeyAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer atr_…``. The key works in its own workspace only."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        header = request.headers.get("Authorization", "")
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = (
            ApiKey.objects.select_related("membership__user", "membership__workspace")
            .filter(key_hash=ApiKey.hash(text.strip()))
            .first()
        )
        if key is None or not key.is_live or not key.membership.active or not key.membership.user.is_active:
            raise exceptions.AuthenticationFailed("This API key is not valid, has expired or was revoked.")
        now = timezone.now()
        if key.last_used is None or now - key.last_used > _SEEN_EVERY:
            ApiKey.objects.filter(pk=key.pk).update(last_used=now)
        audit.via.set("api")
        return key.membership.user, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SessionAuthentication(authentication.SessionAuthentication):
    """The portal's own session; writing needs the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        if found:
            audit.via.set("api")
        return found
