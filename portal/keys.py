"""API keys: made by a person for themselves, cut down to what that person may do today."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from portal import audit
from portal.models import ApiKey, Membership, User


@transaction.atomic
def make_key(
    membership: Membership,
    *,
    name: str,
    scopes: Sequence[str],
    expires: datetime | None = None,
    within: Collection[str] = ApiKey.SCOPES,
) -> tuple[ApiKey, str]:
    """A new key and its text, which nobody can read again. Raises ValidationError by field.

    ``within``: the scopes of the key that asks, where one does; a key never makes one that may do more than itself.
    """
    scopes = [scope for scope in ApiKey.SCOPES if scope in set(_known(scopes))]
    if beyond := [scope for scope in scopes if scope not in within]:
        raise ValidationError(
            {"scopes": f"This key may not make one with the scope {beyond[0]}, which it lacks itself."}
        )
    if expires is not None and expires <= timezone.now():
        raise ValidationError({"expires": "This moment has passed. Choose a later one, or none."})
    if not name.strip():
        raise ValidationError({"name": "Give the key a name that says what uses it."})
    key, text = ApiKey.objects.make(membership, name.strip()[:80], scopes, expires)
    audit.record(
        "apikey.make",
        workspace=membership.workspace,
        actor=membership.user,
        target=key,
        after={"scopes": scopes, "expires": expires.isoformat() if expires else None},
    )
    return key, text


def _known(scopes: Sequence[str]) -> Sequence[str]:
    unknown = [scope for scope in scopes if scope not in ApiKey.SCOPES]
    if unknown or not scopes:
        raise ValidationError(
            {
                "scopes": (f"There is no scope {unknown[0]!r}. " if unknown else "")
                + f"Choose from {', '.join(ApiKey.SCOPES)}."
            }
        )
    return scopes


@transaction.atomic
def revoke_key(key: ApiKey, *, by: User) -> None:
    """From now on the key opens nothing. Twice is once."""
    if key.revoked is not None:
        return
    key.revoked = timezone.now()
    key.save(update_fields=["revoked"])
    audit.record("apikey.revoke", workspace=key.membership.workspace, actor=by, target=key)
