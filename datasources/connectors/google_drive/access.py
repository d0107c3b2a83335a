"""Access tokens: of a service account, which signs for itself, or of a person who signed in.

The grant is asked for here and not by google-auth's credentials, because these wait and retry by themselves.
Source: developers.google.com/identity/protocols/oauth2/service-account (JWT bearer grant).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

import requests
from google.auth import crypt, jwt

from datasources.connectors.around import Around
from datasources.connectors.base import ConnectorError
from datasources.connectors.google_drive.about import GROUPS, LABELS, READ
from datasources.connectors.http import TIMEOUT, error_of, told

TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105
_LIFE, _MARGIN = 3600, 300.0


class Access(Protocol):
    def token(self, session: requests.Session, *, renew: bool = False) -> str: ...


def access_of(config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> Access:
    """Raises ConnectorError where the key can't be one."""
    if secret.get("auth") == "oauth" or (around.tokens is not None and not secret.get("service_account")):
        return Person(around)
    return ServiceAccount(config, secret)


class Person:
    def __init__(self, around: Around) -> None:
        self.around = around

    def token(self, session: requests.Session, *, renew: bool = False) -> str:
        if self.around.tokens is None:
            raise ConnectorError("Nobody has signed in with Google yet: sign in from the source's page", permanent=True)
        return self.around.tokens.access(renew=renew)


class ServiceAccount:
    """One token for all threads, renewed before it ends."""

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str]) -> None:
        self.info = _key(secret.get("service_account", ""))
        self.subject = str(secret.get("subject") or config.get("subject") or "").strip()
        base_url = str(config.get("base_url") or "").rstrip("/")
        own = base_url not in ("", "https://www.googleapis.com")
        self.address = f"{base_url}/token" if own else TOKEN_URL
        also = [scope for name, scope in (("groups", GROUPS), ("labels", LABELS)) if config.get(name)]
        self.scopes = (READ, *also)
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def token(self, session: requests.Session, *, renew: bool = False) -> str:
        with self._lock:
            if renew or time.monotonic() > self._until:
                self._token, life = self._grant(session)
                self._until = time.monotonic() + life - _MARGIN
            return self._token

    def _grant(self, session: requests.Session) -> tuple[str, float]:
        body = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self._assertion()}
        with told("Google"):
            response = session.post(self.address, data=body, timeout=TIMEOUT, allow_redirects=False)
            if response.status_code == 200:
                answer = response.json()
                return str(answer["access_token"]), float(answer.get("expires_in", _LIFE))
        raise _refusal(response)

    def _assertion(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self.info["client_email"],
            "scope": " ".join(self.scopes),
            "aud": TOKEN_URL,
            "iat": now,
            "exp": now + _LIFE,
        }
        if self.subject:
            claims["sub"] = self.subject
        signer = crypt.RSASigner.from_service_account_info(self.info)
        return bytes(jwt.encode(signer, claims)).decode()


def _key(text: str) -> Mapping[str, str]:
    try:
        info = json.loads(text) if text else {}
        if not isinstance(info, dict) or not info.get("client_email"):
            raise ValueError
        crypt.RSASigner.from_service_account_info(info)
    except ValueError as error:
        raise ConnectorError(
            "This is not the key of a service account: paste the whole text of the JSON file that Google gave you",
            permanent=True,
        ) from error
    return info


def _refusal(response: requests.Response) -> ConnectorError:
    try:
        body = response.json()
    except requests.JSONDecodeError:
        body = {}
    if response.status_code == 429 or response.status_code >= 500 or not isinstance(body, dict):
        return error_of("Google", response.status_code, response.headers)
    code, words = str(body.get("error", "")), str(body.get("error_description", ""))[:200]
    if code == "unauthorized_client":
        return ConnectorError(
            "Google does not let the service account read in this person's name: allow its client id and the scopes "
            f"under domain-wide delegation ({words or code})",
            permanent=True,
        )
    return ConnectorError(
        "Google refuses the key of the service account: it was deleted or turned off, or the person it reads for is not "
        f"known. Make a new key and connect it anew ({words or code or response.status_code})",
        permanent=True,
    )
