"""A vendor's OAuth on loopback: the authorization-code flow with PKCE (RFC 6749, RFC 7636), refresh tokens that rotate.

with OAuthServer() as vendor:
    back = vendor.allow(authorize_address)      # the person says yes: the address that the browser is sent back to
    back = vendor.allow(authorize_address, yes=False)
    vendor.expire_codes()                        # codes that were given are worth nothing any more
    vendor.expire_access()                       # access tokens neither
    vendor.refuse_refresh = True                 # the person took the app out
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from aiohttp import web

from tests.vendors.places.loopback import Loopback

CLIENT_ID, CLIENT_SECRET = "atrium-client", "loopback-client-secret"


class OAuthServer(Loopback):
    """``lasts``: seconds of an access token, None for ever. ``rotates``: a refresh token counts once.

    ``name``, ``yes``, ``no``: what stands on the page that asks the person; ``told_no``: how the vendor words a refusal.
    ``client_auths``: the ways in which the vendor lets a client prove itself.
    """

    authorize_path, token_path = "/oauth/authorize", "/oauth/token"
    name, yes, no = "The vendor", "Allow", "Refuse"
    told_no = "The user said no"
    client_auths: tuple[str, ...] = ("client_secret_basic", "client_secret_post")

    def __init__(self, *, lasts: int | None = 3600, rotates: bool = True, port: int = 0) -> None:
        super().__init__(port)
        self.lasts, self.rotates = lasts, rotates
        self.refuse_refresh = False
        self.codes: dict[str, dict[str, str]] = {}
        self.access: set[str] = set()
        self.refresh: set[str] = set()
        self.refreshed = 0
        self.asked: list[dict[str, str]] = []
        self._number = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(self.authorize_path, self.authorize),
            web.post(self.token_path, self.handle(self.token)),
            web.get("/me", self.handle(self.me)),
        ]

    # what tests do

    def allow(self, address: str, *, yes: bool = True) -> str:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        self.asked.append(asked)
        if not yes:
            return self._back(asked, error="access_denied", error_description=self.told_no)
        code = self._made("code")
        self.codes[code] = asked
        return self._back(asked, code=code)

    def expire_codes(self) -> None:
        self.codes.clear()

    def expire_access(self) -> None:
        self.access.clear()

    # inside

    def _back(self, asked: Mapping[str, str], **told: str) -> str:
        return f"{asked['redirect_uri']}?{urlencode({'state': asked['state'], **told})}"

    def _made(self, kind: str) -> str:
        self._number += 1
        return f"{kind}-{self._number:04d}-loopback"

    async def authorize(self, request: web.Request) -> web.Response:
        """The page that asks the person; what they press comes here again as ``answer``."""
        asked = dict(request.query)
        if asked.get("client_id") != CLIENT_ID or not asked.get("redirect_uri"):
            return web.Response(text=f"{self.name} does not know this app.", status=400)
        if answer := asked.get("answer"):
            raise web.HTTPFound(self.allow(str(request.url), yes=answer == "yes"))
        kept = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in asked.items())
        answers = "".join(
            f'<button name="answer" value="{value}">{escape(words)}</button>'
            for value, words in (("yes", self.yes), ("no", self.no))
        )
        page = f"<h1>{escape(self.name)}</h1><p>Atrium wants: {escape(asked.get('scope', ''))}</p><form>{kept}{answers}</form>"
        return web.Response(
            text=f"<!doctype html><html lang=en><title>{escape(self.name)}</title>{page}", content_type="text/html"
        )

    async def token(self, request: web.Request) -> web.Response:
        asked: dict[str, Any] = dict(await request.post())
        if not self._is_client(request, asked):
            return self._no(request, "invalid_client", 401)
        if asked.get("grant_type") == "refresh_token":
            return self._renew(request, str(asked.get("refresh_token")))
        given = self.codes.pop(str(asked.get("code")), None)
        verifier = str(asked.get("code_verifier", "")).encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        if given is None or given["code_challenge"] != challenge or given["redirect_uri"] != asked.get("redirect_uri"):
            return self._no(request, "invalid_grant")
        return self._give(request)

    def _is_client(self, request: web.Request, asked: Mapping[str, Any]) -> bool:
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            right = base64.b64decode(rest).decode() == f"{CLIENT_ID}:{CLIENT_SECRET}"
            return right and "client_secret_basic" in self.client_auths
        right = (asked.get("client_id"), asked.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        return right and "client_secret_post" in self.client_auths

    def _renew(self, request: web.Request, token: str) -> web.Response:
        if self.refuse_refresh or token not in self.refresh:
            return self._no(request, "invalid_grant")
        self.refreshed += 1
        if self.rotates:
            self.refresh.discard(token)
        return self._give(request, refresh=None if self.rotates else token)

    def _give(self, request: web.Request, refresh: str | None = None) -> web.Response:
        access = self._made("access")
        self.access.add(access)
        told: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "team": "Acme"}
        if self.lasts is not None:
            told["expires_in"] = self.lasts
        if refresh is None:
            refresh = self._made("refresh")
            self.refresh.add(refresh)
            told["refresh_token"] = refresh
        return self.given(told, request)

    def given(self, told: dict[str, Any], request: web.Request) -> web.Response:
        """The token answer, as this vendor gives it."""
        return web.json_response(told)

    def _no(self, request: web.Request, error: str, status: int = 400) -> web.Response:
        return web.json_response({"error": error}, status=status)

    async def me(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return web.json_response({"ok": True}) if given in self.access else web.json_response({}, status=401)
