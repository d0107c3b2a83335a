"""Ways to log in to Salesforce: each ends in an access token, and the address of the organisation's own instance."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.login import SalesforceLogin, token_login

from datasources.connectors.around import Around
from datasources.connectors.base import ConnectorError
from datasources.connectors.http import error_of, requests_session, told
from datasources.connectors.salesforce.about import LOGIN

VENDOR = "Salesforce"
VERSION = "59.0"
_LOGIN_HOSTS = {"login.salesforce.com", "test.salesforce.com"}
_OWN = (".salesforce.com", ".force.com", ".salesforce.mil", ".sfcrmproducts.cn")
_PASSING = {"SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "server_error", "temporarily_unavailable", "rate_limit"}


class Access:
    """Shared by threads. ``config.base_url``: the organisation's own address (My Domain), or a host to log in at."""

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.base = str(config.get("base_url") or LOGIN).rstrip("/")
        self.secret, self.around = secret, around
        self._lock = threading.Lock()
        self._have: tuple[str, str] | None = None

    def get(self, refused: str = "") -> tuple[str, str]:
        """(token, address). ``refused``: a token that Salesforce no longer takes; another is asked for."""
        with self._lock:
            if self._have is None or self._have[0] == refused:
                self._have = self._log_in(renew=bool(refused))
            return self._have

    def _log_in(self, *, renew: bool) -> tuple[str, str]:
        session = requests_session(self.around.network)
        auth = self.secret.get("auth") or "oauth"
        try:
            with told(VENDOR):
                if auth == "password":
                    token, host = self._by_password(session)
                elif auth == "jwt":
                    token, host = self._by_key(session)
                else:
                    token = self._by_oauth(renew=renew)
                    host = "" if self._is_own() else self._host_of(token, session)
        except SalesforceAuthenticationFailed as error:
            raise _refused(error) from error
        return token, self.base if self._is_own() else _checked(host)

    def _is_own(self) -> bool:
        return urlsplit(self.base).hostname not in _LOGIN_HOSTS

    def _by_oauth(self, *, renew: bool) -> str:
        if self.around.tokens is None:
            raise ConnectorError("Sign in to Salesforce once, so that Atrium gets a token", permanent=True)
        return self.around.tokens.access(renew=renew)

    def _by_password(self, session: requests.Session) -> tuple[str, str]:
        token, host = SalesforceLogin(
            username=self.secret.get("username", ""),
            password=self.secret.get("password", ""),
            security_token=self.secret.get("security_token", ""),
            sf_version=VERSION,
            session=session,
            scratch_url=self.base,
        )
        return str(token), str(host)

    def _by_key(self, session: requests.Session) -> tuple[str, str]:
        test = "test." in self.base or ".sandbox." in self.base
        key = self.secret.get("client_id", "")
        claims = {
            "iss": key,
            "sub": self.secret.get("username", ""),
            "aud": "https://test.salesforce.com" if test else LOGIN,
            "exp": int(time.time()) + 180,
        }
        try:
            assertion = jwt.encode(claims, self.secret.get("private_key", ""), algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise ConnectorError(
                "The private key can't be read: paste it whole, from -----BEGIN to the end", permanent=True
            ) from error
        data = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        # The two arguments before the last are only for a warning and for proxies, which the session has settled.
        address = f"{self.base}/services/oauth2/token"
        token, host = token_login(address, data, "login", key, None, None, session)
        return str(token), str(host)

    def _host_of(self, token: str, session: requests.Session) -> str:
        """A token says nothing of its instance; who it belongs to does."""
        if kept := self.secret.get("instance_url"):
            return kept
        response = session.get(
            f"{self.base}/services/oauth2/userinfo", headers={"Authorization": f"Bearer {token}"}, allow_redirects=False
        )
        if response.status_code >= 300:
            raise error_of(VENDOR, 401 if response.status_code == 403 else response.status_code, response.headers)
        urls = response.json().get("urls") or {}
        return str(urls.get("custom_domain") or urls.get("rest") or "")


def _checked(host: str) -> str:
    """The token goes nowhere but to Salesforce, whatever an answer says."""
    name = urlsplit(host if "//" in host else f"//{host}").hostname or ""
    if not name.endswith(_OWN):
        raise ConnectorError(
            "Salesforce did not say where your organisation is: enter its address (My Domain), such as "
            "https://acme.my.salesforce.com",
            permanent=True,
        )
    return f"https://{name}"


def _refused(error: SalesforceAuthenticationFailed) -> ConnectorError:
    code, said = str(error.code or ""), str(error.auth_message or "")[:200]
    if code in _PASSING or code.startswith("5"):
        return ConnectorError(f"Salesforce does not let anyone log in just now ({code})")
    if "SECURITY_TOKEN" in code:
        return ConnectorError("Salesforce asks for the security token: reset it and enter it here", permanent=True)
    return ConnectorError(f"Salesforce refuses the login: check what was entered ({code}: {said})", permanent=True)
