"""The keys of people's second factors, encrypted like every other secret."""

from __future__ import annotations

from typing import Any

import structlog
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.core.exceptions import ValidationError
from django.db import transaction

from portal import audit
from portal.models import User
from portal.secrets import SecretLost, decrypt, encrypt, rotate
from portal.templatetags.atrium import device

log = structlog.get_logger(__name__)

LOST = "Your second factor can't be read any more. Sign in with a passkey, or ask whoever runs Atrium to take it away."
_BINDING = "second factor"
_FERNET = "gAAAAA"
"""What every token of Fernet's begins with (its version and the first bytes of a time this side of 2106); no base32 key or hex
seed of allauth's does."""


class MFAAdapter(DefaultMFAAdapter):
    def encrypt(self, text: str) -> str:
        return encrypt(text, _BINDING).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """What was stored in clear is read as it is. Raises ValidationError, which a form shows, where the key that it was
        encrypted with is gone."""
        if not encrypted_text.startswith(_FERNET):
            return encrypted_text
        try:
            return decrypt(encrypted_text.encode(), _BINDING)
        except SecretLost as error:
            log.warning(
                "a second factor can't be read",
                why="the key that it was encrypted with is not among ATRIUM_ENCRYPTION_KEYS",
            )
            raise ValidationError(LOST) from error

    def generate_authenticator_name(self, user: Any, type: Authenticator.Type) -> str:
        """Where it was made, which is what people know a passkey by."""
        return device(context.request.headers.get("User-Agent", ""))

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The host name is the portal's, and so is the name that devices show."""
        return {**super().get_public_key_credential_rp_entity(), "name": "Atrium"}


@transaction.atomic
def remove(user: User) -> int:
    """All of this person's second factors and passkeys, for one who has lost them; how many there were. Every workspace of
    theirs finds it in its log."""
    found = Authenticator.objects.filter(user=user)
    kinds = sorted(found.values_list("type", flat=True))
    if kinds:
        for membership in user.memberships.select_related("workspace"):
            before = {"second_factors": kinds}
            audit.record(
                "user.remove_second_factors", workspace=membership.workspace, actor=None, target=user, before=before
            )
        found.delete()
    return len(kinds)


def turn() -> tuple[int, list[str]]:
    """Each under the newest key; how many there are, and whose can't be read."""
    done, lost = 0, []
    for row in (
        Authenticator.objects.select_for_update().exclude(type=Authenticator.Type.WEBAUTHN).select_related("user")
    ):
        try:
            row.data = {name: _turned(value) for name, value in row.data.items()}
        except (InvalidToken, SecretLost):
            lost.append(f"second factor of {row.user}")
            continue
        row.save(update_fields=["data"])
        done += 1
    return done, lost


def _turned(value: object) -> object:
    """Texts among an authenticator's data are its secrets; numbers are not."""
    if isinstance(value, list):
        return [_turned(part) for part in value]
    if not isinstance(value, str):
        return value
    return (rotate(value.encode()) if value.startswith(_FERNET) else encrypt(value, _BINDING)).decode()
