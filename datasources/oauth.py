"""OAuth at a place's vendor: the way there and back, and access tokens that renew themselves.

The authorization-code flow with PKCE and a state that is bound to the person's session and to one source, by Authlib.
Every call to a token address goes through the operator's network rules.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, MutableMapping
from functools import partial
from typing import Any
from uuid import UUID

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse

from datasources.connectors.about import OAuth
from datasources.connectors.base import ConnectorError
from datasources.connectors.http import TIMEOUT, error_of, requests_session, told
from datasources.connectors.registry import about
from datasources.models import DataSource
from portal import audit, net
from portal.models import Credential, User
from portal.secrets import SecretLost

KEY = "data_oauth"
MOST_UNDER_WAY = 5
LONGEST_WAY = 3600.0
"""Seconds that a person may take at the vendor."""
MARGIN = 120.0
"""A token that ends in less than these seconds is renewed before it is used."""
ANEW = "connect it anew"
UNKNOWN = (
    *("invalid_client", "unauthorized_client", "bad_client_secret", "invalid_client_id"),
    *("incorrect_client_credentials", "access_denied"),
)
"""How token addresses call a client that is not known: the RFC, Slack, GitHub, Atlassian."""


class Unfinished(Exception):
    """The person did not come back with access; the message says why and what to do. ``source``: where they came from."""

    def __init__(self, message: str, source: UUID | None = None) -> None:
        super().__init__(message)
        self.source = source


def redirect_address(slug: str) -> str:
    """Where vendors send people back to: it has to be entered there exactly so."""
    return settings.BASE_URL + reverse("data_oauth", args=[slug])


def flow_of(source: DataSource) -> OAuth | None:
    """The vendor's flow, where the source's credential goes by OAuth."""
    auth = about(source.kind).auth(secret_of(source.credential).get("auth", "")) if source.credential else None
    return auth.oauth if auth else None


def is_allowed(source: DataSource) -> bool:
    """Whether the vendor has given access already."""
    return bool(source.credential and secret_of(source.credential).get("access_token"))


def secret_of(credential: Credential | None) -> dict[str, str]:
    """The credential's secret; empty where there is none or it can't be read any more."""
    if credential is None:
        return {}
    try:
        found = json.loads(credential.secret() or "{}")
    except (SecretLost, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(credential: Credential, secret: Mapping[str, Any]) -> None:
    """Put the secret in, encrypted; the row is not saved. The hint is of the secret that a person entered."""
    kept = {name: value for name, value in secret.items() if value not in (None, "")}
    credential.set_secret(json.dumps(kept, sort_keys=True))
    entered = [str(v) for n, v in kept.items() if n in ("token", "key", "password", "client_secret", "api_key")]
    credential.key_hint = next((value[-4:] for value in entered if len(value) >= 12), "")


# ---- There and back ----------------------------------------------------------------------------------------------


def begin(session: MutableMapping[str, Any], source: DataSource, slug: str) -> str:
    """The address at the vendor where the person allows it. Raises Unfinished."""
    flow = flow_of(source)
    if flow is None or source.credential is None:
        raise Unfinished("This source is not connected by signing in.", source.pk)
    state, verifier = generate_token(32), generate_token(64)
    under_way = dict(list(dict(session.get(KEY) or {}).items())[-(MOST_UNDER_WAY - 1) :])
    way = {"source": str(source.pk), "kind": source.kind, "verifier": verifier, "at": time.time()}
    session[KEY] = {**under_way, state: way}
    client = _client(source.credential, flow, about(source.kind).label, redirect_address(slug))
    address, _ = client.create_authorization_url(
        flow.at(source.credential.base_url)[0],
        state=state,
        code_verifier=verifier,
        scope=flow.asked(source.config) or None,
        **flow.extra,
    )
    return str(address)


def returned(session: MutableMapping[str, Any], query: Mapping[str, str]) -> tuple[UUID, str, str]:
    """(source, code, verifier) of somebody who comes back. Each state counts once. Raises Unfinished."""
    under_way = dict(session.get(KEY) or {})
    known = under_way.pop(query.get("state", ""), None)
    session[KEY] = under_way
    if known is None:
        raise Unfinished(
            "This way back is not known here, or was used already. Start again from the source's page, in this browser."
        )
    source, label = UUID(known["source"]), about(known["kind"]).label
    if time.time() - known["at"] > LONGEST_WAY:
        raise Unfinished("That took longer than an hour. Start again.", source)
    if query.get("error"):
        raise Unfinished(_refusal(query, label), source)
    if not query.get("code"):
        raise Unfinished(f"{label} sent no code back. Start again.", source)
    return source, query["code"], known["verifier"]


def _refusal(query: Mapping[str, str], label: str) -> str:
    if query["error"] == "access_denied":
        return f"It was not allowed at {label}. Nothing is connected; start again to allow it."
    words = query.get("error_description") or query["error"]
    return f"{label} says: {words[:200]}. Check the app's settings there, and start again."


def fetch_tokens(source: DataSource, code: str, verifier: str, slug: str) -> dict[str, Any]:
    """What the code is worth. Raises Unfinished with what to do."""
    flow, credential = flow_of(source), source.credential
    if flow is None or credential is None:
        raise Unfinished("This source is not connected by signing in.", source.pk)
    label = about(source.kind).label
    client = _client(credential, flow, label, redirect_address(slug))
    try:
        with told(label):
            token = client.fetch_token(
                flow.at(credential.base_url)[1],
                code=code,
                code_verifier=verifier,
                grant_type="authorization_code",
                timeout=TIMEOUT,
            )
    except OAuthError as error:
        raise Unfinished(_said(label, error), source.pk) from error
    except ConnectorError as error:
        raise Unfinished(f"{error}. Start again.", source.pk) from error
    return _kept(token, label)


def _said(label: str, error: OAuthError) -> str:
    if error.error in ("invalid_grant", "invalid_code", "code_expired", "bad_verification_code"):
        return f"The code that {label} gave has expired or was used already. Start again."
    if error.error in UNKNOWN:
        return f"{label} does not know this client id and secret. Enter them again below and press Continue."
    words = error.description or error.error or "no reason"
    return f"{label} gave no access: {str(words)[:200]}. Check the app's settings there, and start again."


def _kept(token: Mapping[str, Any], label: str) -> dict[str, Any]:
    """What is kept of a token answer. Other short texts (``instance_url``, ``team``) stay with it: connectors may need them."""
    if not token.get("access_token"):
        raise Unfinished(f"{label} answered without access. Start again.")
    known = {"access_token", "refresh_token", "expires_at", "expires_in", "auth", "client_id", "client_secret"}
    more = {name: v for name, v in token.items() if name not in known and isinstance(v, str) and 0 < len(v) <= 500}
    refresh = {"refresh_token": token["refresh_token"]} if token.get("refresh_token") else {}
    return {**more, **refresh, "access_token": token["access_token"], "expires_at": token.get("expires_at") or None}


@transaction.atomic
def allow(source: DataSource, tokens: Mapping[str, Any], *, by: User | None) -> None:
    """The vendor gave access: keep it with the credential."""
    assert source.credential_id is not None
    credential = Credential.objects.select_for_update().get(pk=source.credential_id)
    keep(credential, {**secret_of(credential), **tokens})
    credential.save(update_fields=["secret_encrypted", "key_hint"])
    audit.record("credential.allow", workspace=credential.workspace, actor=by, target=credential)
    source.credential = credential


def _client(credential: Credential, flow: OAuth, label: str, redirect: str | None = None) -> OAuth2Session:
    secret = secret_of(credential)
    client = OAuth2Session(
        secret.get("client_id"),
        secret.get("client_secret"),
        token_endpoint_auth_method=flow.client_auth,
        redirect_uri=redirect,
        code_challenge_method="S256",
    )
    guarded = requests_session(net.network())
    client.adapters, client.trust_env, client.max_redirects = guarded.adapters, False, 0
    for moment in ("access_token_response", "refresh_token_response"):
        client.register_compliance_hook(moment, partial(_checked, label))
    return client


def _checked(label: str, response: requests.Response) -> requests.Response:
    """What says nothing about the tokens is no refusal: slow down, or a fault of the vendor's own."""
    if response.status_code == 429 or response.status_code >= 500:
        raise error_of(label, response.status_code, response.headers)
    try:
        found = response.json()
    except ValueError as error:
        words = f"What answers at the token address of {label} does not speak OAuth"
        raise ConnectorError(words, permanent=True) from error
    if response.status_code >= 400 and not (isinstance(found, dict) and found.get("error")):
        # Worded as the vendor's API words its errors, not as the RFC does.
        raise OAuthError("invalid_client" if response.status_code == 401 else None, _words(found, response.status_code))
    return response


def _words(found: Any, status: int) -> str:
    """What the answer says in a ``message``, its own or that of the first of its ``errors`` (Intercom)."""
    errors = found.get("errors") if isinstance(found, dict) else None
    told = errors[0] if isinstance(errors, list) and errors else found
    message = told.get("message") if isinstance(told, dict) else None
    return str(message or status)


# ---- Tokens ------------------------------------------------------------------------------------------------------


class StoredTokens:
    """``Tokens`` of one credential. Whoever renews holds the row, so that two workers can't spend one refresh token twice."""

    def __init__(self, source: DataSource) -> None:
        assert source.credential_id is not None
        self._credential, self._label = source.credential_id, about(source.kind).label
        self._flow = flow_of(source)
        self._secret = secret_of(source.credential)
        self._lock = threading.Lock()

    def access(self, *, renew: bool = False) -> str:
        """Called from any thread."""
        used = self._secret.get("access_token", "")
        with self._lock:
            # Another thread may have renewed it while this one waited.
            fresh = _is_good(self._secret) and not (renew and self._secret.get("access_token") == used)
            if not fresh:
                self._renew(used if renew else "")
            return self._secret["access_token"]

    def _renew(self, refused: str) -> None:
        inside = connection.in_atomic_block
        try:
            with transaction.atomic():
                row = Credential.objects.select_for_update().filter(pk=self._credential).first()
                if row is None:  # on trial, and not kept yet
                    raise ConnectorError(f"{self._label} has not allowed access yet: {ANEW}", permanent=True)
                secret = secret_of(row)
                if _is_good(secret) and secret["access_token"] != refused:
                    self._secret = secret
                    return
                self._secret = {**secret, **self._fetched(row, secret)}
                keep(row, self._secret)
                row.save(update_fields=["secret_encrypted", "key_hint"])
        finally:
            if not inside:
                # Readers' threads have no connection otherwise, and must not keep this one.
                connection.close()

    def _fetched(self, row: Credential, secret: Mapping[str, str]) -> dict[str, Any]:
        if self._flow is None or not secret.get("refresh_token"):
            why = "gave access that ended" if secret.get("access_token") else "has not allowed access yet"
            raise ConnectorError(f"{self._label} {why}: {ANEW}", permanent=True)
        try:
            with told(self._label):
                token = _client(row, self._flow, self._label).refresh_token(
                    self._flow.at(row.base_url)[1], refresh_token=secret["refresh_token"], timeout=TIMEOUT
                )
            return _kept(token, self._label)
        except (OAuthError, Unfinished) as error:
            raise ConnectorError(f"{self._label} does not renew the access any more: {ANEW}", permanent=True) from error


def _is_good(secret: Mapping[str, Any]) -> bool:
    if not secret.get("access_token"):
        return False
    ends = secret.get("expires_at")
    return not ends or float(ends) - time.time() > MARGIN
