"""Encryption of secrets at rest, with keys that can be rotated (Fernet: AES-128-CBC and HMAC-SHA256)."""

from __future__ import annotations

import json
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SecretLost(Exception):
    """The stored secret can't be read: its encryption key is gone, or its row was altered."""


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(secret: str, binding: str) -> bytes:
    """``binding`` names what the secret belongs to; it must be the same to read it back."""
    plain = json.dumps({"binding": binding, "secret": secret}).encode()
    return _box(tuple(settings.ENCRYPTION_KEYS)).encrypt(plain)


def decrypt(token: bytes, binding: str) -> str:
    try:
        stored = json.loads(_box(tuple(settings.ENCRYPTION_KEYS)).decrypt(token))
    except InvalidToken as error:
        raise SecretLost("This key can't be decrypted any more. Enter it again.") from error
    if stored["binding"] != binding:
        raise SecretLost("This key belongs to another address. Enter it again for the new one.")
    return str(stored["secret"])


def rotate(token: bytes) -> bytes:
    """The same secret under the newest key."""
    return _box(tuple(settings.ENCRYPTION_KEYS)).rotate(token)
