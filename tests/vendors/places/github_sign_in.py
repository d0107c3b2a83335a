"""GitHub's web application flow for OAuth apps, as its documentation has it: a page that asks, a code, a token that does not end.

What differs from the RFC: the token address answers JSON only to who asks for it, tells its errors with status 200 in names of
its own, and gives neither an end nor a refresh token; ``renews``: as a GitHub App does, whose users' tokens end.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.vendors.places.oauth import OAuthServer

ERRORS = {"invalid_client": "incorrect_client_credentials", "invalid_grant": "bad_verification_code"}


class GitHubSignIn(OAuthServer):
    authorize_path, token_path = "/login/oauth/authorize", "/login/oauth/access_token"
    name, yes, no = "GitHub", "Authorize atrium", "Cancel"
    told_no = "The user has denied your application access."

    def __init__(self) -> None:
        super().__init__(lasts=None)
        self.renews = False

    def given(self, told: dict[str, Any], request: web.Request) -> web.Response:
        scope = ",".join(self.asked[-1]["scope"].split())
        kept = {name: value for name, value in told.items() if self.renews or name == "access_token"}
        return self._as_asked(request, {**kept, "scope": scope, "token_type": "bearer"})

    def _no(self, request: web.Request, error: str, status: int = 400) -> web.Response:
        return self._as_asked(
            request, {"error": ERRORS.get(error, error), "error_description": "See the documentation."}
        )

    def _as_asked(self, request: web.Request, told: dict[str, Any]) -> web.Response:
        if "application/json" in request.headers.get("Accept", ""):
            return web.json_response(told)
        return web.Response(text=urlencode(told), content_type="application/x-www-form-urlencoded")
