"""The forms of passkeys: allauth's, with what they say in our words. The settings name them (MFA_FORMS)."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms as theirs
from django.core.exceptions import ValidationError

UNKNOWN = (
    "That passkey does not sign in here: it was removed, or belongs to another account. Go on in another way, and "
    "delete it on your device."
)


class AddForm(theirs.AddWebAuthnForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].help_text = "What you know it by, among several."
        alone: Any = self.fields["passwordless"]
        alone.label, alone.initial = "It signs me in alone", True
        alone.help_text = (
            "With a fingerprint, a face or a PIN. Untick it for a key that is asked for beside the password."
        )

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except ValidationError as error:
            raise _in_words(error, "The passkey was not added: it was made too long ago. Try again.") from error


class _Known:
    """Says of a passkey that the account does not have what it means, instead of calling it a wrong code."""

    def clean_credential(self) -> Authenticator:
        try:
            found: Authenticator = super().clean_credential()  # type: ignore[misc]
        except ValidationError as error:
            raise _in_words(error, UNKNOWN) from error
        return found


class LoginForm(_Known, theirs.LoginWebAuthnForm):
    pass


class AuthenticateForm(_Known, theirs.AuthenticateWebAuthnForm):
    pass


class ReauthenticateForm(_Known, theirs.ReauthenticateWebAuthnForm):
    pass


def _in_words(error: ValidationError, words: str) -> ValidationError:
    """Too many attempts stay what they are."""
    return ValidationError(words, code=error.code) if error.code == "incorrect_code" else error
