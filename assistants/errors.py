"""Why the product says no to something about assistants and conversations."""

from __future__ import annotations

from typing import Final

from django.core.exceptions import ValidationError

# What an API answers to each code; anything else is 400.
STATUS: Final[dict[str, int]] = {
    "not_found": 404,
    "not_yours": 403,
    "not_allowed": 403,
    "answer_running": 409,
    "not_running": 409,
    "handle_taken": 409,
    "name_taken": 409,
    "not_open": 409,
    "changed_since": 409,
    "shutting_down": 503,
    "not_saved": 503,
    "budget": 402,
    "bad_draft": 502,
    "slow_model": 504,
}


class Refused(Exception):
    """``str(error)`` is a sentence for a person: what is wrong and what to do. ``code`` is for scripts."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        return STATUS.get(self.code, 400)


class Wrong:
    """Gathers what is wrong with fields, so that whoever sent them is told all of it at once: ``with wrong:`` around each check."""

    def __init__(self) -> None:
        self.words: dict[str, list[str]] = {}

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, ValidationError):
            return False
        for name, words in error.message_dict.items():
            self.words.setdefault(name, []).extend(words)
        return True

    def tell(self) -> None:
        """Raises ValidationError where anything was wrong."""
        if self.words:
            raise ValidationError(self.words)
