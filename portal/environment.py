"""Typed reads of the environment for settings.py, the only module that calls them.

Every variable X may also be given as X_FILE, the path of a file that holds the value (for mounted secrets).
A value that can't be used stops start-up with one sentence that names the variable.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    file = os.environ.get(f"{name}_FILE")
    if file:
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE names {file}, which can't be read: {error.strerror}.") from error
    return os.environ.get(name, default).strip()


def boolean(name: str, default: bool = False) -> bool:
    value = text(name)
    if not value:
        return default
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}; it takes yes or no.")


def integer(name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}; it takes a whole number.") from None
    if number < least or (most is not None and number > most):
        bounds = f"{least} or more" if most is None else f"between {least} and {most}"
        raise ImproperlyConfigured(f"{name} is {number}; it must be {bounds}.")
    return number


def items(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """A list separated by commas or line ends."""
    value = text(name)
    if not value:
        return list(default)
    return [item.strip() for item in value.replace("\n", ",").split(",") if item.strip()]


def choice(name: str, allowed: tuple[str, ...], default: str) -> str:
    value = text(name) or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}; it takes one of {', '.join(allowed)}.")
    return value


def url(name: str, schemes: tuple[str, ...]) -> str:
    value = text(name)
    if value and value.split("://", 1)[0] not in schemes:
        raise ImproperlyConfigured(f"{name} must begin with {' or '.join(s + '://' for s in schemes)}.")
    try:
        urlsplit(value).port  # noqa: B018  reading it is what checks it
    except ValueError as error:
        # Python's own words would repeat the address, and with it the password.
        raise ImproperlyConfigured(
            f"{name} can't be read as an address: its port must be a number up to 65535, an IPv6 host needs brackets, "
            "and special characters of a password are written in percent codes."
        ) from error
    return value


def encryption_keys(name: str, directory: Path) -> list[str]:
    """Fernet keys, the newest first; one is made and kept where none is given."""
    keys = [key.strip() for key in kept_secret(name, directory, make="fernet").split(",") if key.strip()]
    for number, key in enumerate(keys, 1):
        try:
            length = len(base64.urlsafe_b64decode(key))
        except (binascii.Error, ValueError):
            length = 0
        if length != 32:
            raise ImproperlyConfigured(
                f"Key {number} in {name} is no encryption key: it takes 32 bytes in URL-safe base64. "
                "docs/operator-guide.md says how to make one."
            )
    return keys


def kept_secret(name: str, directory: Path, make: str = "token") -> str:
    """The variable's value, or a secret made once and kept in ``directory`` with mode 0600."""
    value = text(name)
    if value:
        return value
    path = directory / name.lower()
    try:
        return path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        pass  # made below, or told why not
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} can't be read ({error.strerror}); set {name} or mend its rights."
        ) from error
    if make == "fernet":
        from cryptography.fernet import Fernet

        value = Fernet.generate_key().decode()
    else:
        value = secrets.token_urlsafe(48)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{directory} can't be written ({error.strerror}); set ATRIUM_DATA to a directory of yours, or set {name}."
        ) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(value)
    return value
