"""What a person or an integration entered to connect a place: checked, with the secrets that are kept already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from datasources import entering
from datasources.connectors.about import About, Auth
from datasources.connectors.registry import about
from datasources.models import DataSource
from datasources.oauth import secret_of
from portal.models import Credential, Membership


@dataclass(frozen=True, slots=True)
class Entered:
    """What a person entered, checked. ``secret``: what the credential will hold, what it holds already included.

    ``credential``: one that is there already, instead. ``waits``: the vendor has still to be asked for access (OAuth).
    """

    config: Mapping[str, Any]
    secret: Mapping[str, Any] = field(default_factory=dict)
    credential: Credential | None = None

    @property
    def waits(self) -> bool:
        secret = secret_of(self.credential) if self.credential else self.secret
        return secret.get("auth") == "oauth" and not secret.get("access_token")

    def is_held_by(self, row: Credential) -> bool:
        """Whether it is what this credential holds for this address. Tokens are aside: they renew themselves."""
        asked = {"auth", *(setting.name for way in about(row.kind).auths for setting in way.fields)}
        held, given = (
            {name: value for name, value in secret.items() if name in asked and value}
            for secret in (secret_of(row), self.secret)
        )
        return held == given and row.base_url == str(self.config.get("base_url") or "")


def usable_credentials(membership: Membership, kind: str) -> QuerySet[Credential]:
    """Keys of this kind that the person may connect more with: an admin all, others those that they entered."""
    rows = Credential.objects.filter(workspace=membership.workspace_id, kind=kind)
    return rows if membership.is_admin else rows.filter(created_by=membership.user_id)


def kept_secrets(source: DataSource | None, auth: Auth, address: str) -> list[str]:
    """Names of the secrets that need not be entered again: same way, same address."""
    secret = secret_of(source.credential) if source is not None else {}
    if source is None or source.credential is None or secret.get("auth") != auth.name:
        return []
    if source.credential.base_url != address:
        return []
    return [setting.name for setting in auth.fields if setting.secret and secret.get(setting.name)]


def read_entered(
    kind: str,
    *,
    config: Mapping[str, Any],
    auth: str = "",
    fields: Mapping[str, Any] | None = None,
    credential: Credential | None = None,
    source: DataSource | None = None,
) -> Entered:
    """Check what was entered for a kind. ``source``: the one that it is for, where there is one. Raises ValidationError."""
    told = about(kind)
    given = dict(config)
    address = _address(told, given.pop("base_url", "") or (credential.base_url if credential else ""))
    shared = {setting.name for one in told.auths for setting in one.fields if not setting.secret}
    known = {setting.name for setting in told.settings}
    beside = {name: given.pop(name) for name in list(given) if name in shared - known}
    settings = entering.checked(told.settings, given)
    where = {"base_url": address} if address else {}
    if credential is not None:
        return Entered({**_told_beside(told, secret_of(credential)), **settings, **where}, credential=credential)
    if not told.auths:
        return Entered({**settings, **where})
    # Left out, a source goes on proving who it is in the way that it does.
    kept_way = secret_of(source.credential).get("auth", "") if source is not None else ""
    way = told.auth(auth or kept_way or told.auths[0].name)
    if way is None:
        raise ValidationError({"auth": f"It takes one of {', '.join(one.name for one in told.auths)}."})
    kept = kept_secrets(source, way, address)
    asked = {setting.name for setting in way.fields}
    entered = entering.checked(
        way.fields, {**{n: v for n, v in beside.items() if n in asked}, **(fields or {})}, kept=kept
    )
    secret = _secret(source, way, entered, kept)
    return Entered({**_told_beside(told, secret), **settings, **where}, secret)


def _address(told: About, typed: Any) -> str:
    try:
        address = entering.checked_address(str(typed), of_page=told.of_page)
    except ValidationError as error:
        raise ValidationError({"base_url": error.messages}) from error
    if told.asks_address and not address:
        raise ValidationError({"base_url": "Enter the address, such as https://wiki.example.com."})
    # The vendor's own address, typed out, is the same as none.
    return "" if address == told.base_url.rstrip("/") else address


def _told_beside(told: About, secret: Mapping[str, Any]) -> dict[str, Any]:
    """What of the credential is no secret stands in the config too, where connectors look for it."""
    way = told.auth(str(secret.get("auth", "")))
    open_ = [setting.name for setting in way.fields if not setting.secret] if way else []
    return {name: secret[name] for name in open_ if name in secret}


def _secret(source: DataSource | None, way: Auth, entered: Mapping[str, Any], kept: list[str]) -> dict[str, Any]:
    old = secret_of(source.credential) if source is not None and kept else {}
    # Access that was given to another client is worth nothing for this one.
    same = all(old.get(name) == value for name, value in entered.items())
    base = old if same else {name: old[name] for name in kept}
    texts = {name: value if isinstance(value, str) else str(value) for name, value in entered.items()}
    return {**base, **texts, "auth": way.name}
