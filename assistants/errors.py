"""Why the product says no to something about assistants and conversations."""

from __future__ import annotations

from typing import Final

# What an API answers to each code; anything else is 400.
STATUS: Final[dict[str, int]] = {
    "not_found": 404,
    "not_yours": 403,
    "not_allowed": 403,
    "answer_running": 409,
    "not_running": 409,
    "handle_taken": 409,
    "not_open": 409,
    "changed_since": 409,
    "shutting_down": 503,
    "not_saved": 503,
    "budget": 402,
}


class Refused(Exception):
    """``str(error)`` is a sentence for a person: what is wrong and what to do. ``code`` is for scripts."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        return STATUS.get(self.code, 400)
