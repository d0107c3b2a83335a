"""What can go wrong with a model, said for a person and coded for a program."""

from __future__ import annotations

from typing import Final, Literal, get_args

Code = Literal[
    "bad_key",  # the vendor does not know the key
    "no_access",  # the key is good, but may not do this
    "quota",  # the account has no money or allowance left
    "rate_limited",  # too many calls just now
    "context_too_long",  # the prompt does not fit the model
    "timeout",  # nothing came in time
    "dropped_stream",  # the answer stopped in the middle
    "content_filter",  # the vendor will not answer this
    "unavailable",  # cannot be reached, or is out of order
    "bad_response",  # what came is not what the vendor's API promises
    "bad_request",  # the vendor refuses what we asked
    "model_not_found",  # the vendor has no such model, or not for this key
    "address_refused",  # our own rules forbid that address
    "not_configured",  # a key, an address or a file is missing here
    "budget",  # what may be spent here is spent
]

_RETRYABLE: Final[frozenset[str]] = frozenset(
    {"rate_limited", "timeout", "dropped_stream", "unavailable", "bad_response"}
)

FREE: Final[frozenset[str]] = frozenset(
    {
        *("bad_key", "no_access", "quota", "rate_limited", "context_too_long", "unavailable", "bad_request"),
        *("model_not_found", "address_refused", "not_configured", "budget"),
    }
)
"""Before the first token, no vendor charges for a call that ended so."""


class ProviderError(Exception):
    """A call to a model that failed.

    ``str(error)`` is for a person: what happened and what to do. ``code`` is one of ``Code``.
    ``retryable``: the same call may well succeed later. ``retry_after``: seconds, where the vendor named
    them. ``detail``: the vendor's own words, shortened and without keys, for logs.
    """

    def __init__(
        self,
        message: str,
        *,
        code: Code,
        retryable: bool | None = None,
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        if code not in get_args(Code):
            raise ValueError(f"{code!r} is not an error code; known are {', '.join(get_args(Code))}")
        self.code: Code = code
        self.retryable = code in _RETRYABLE if retryable is None else retryable
        self.retry_after = retry_after
        self.detail = detail

    def __repr__(self) -> str:
        return f"ProviderError({self.code}: {self})"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (str(self), self.code, self.retryable, self.retry_after, self.detail)


def _rebuild(message: str, code: Code, retryable: bool, retry_after: float | None, detail: str) -> ProviderError:
    """Exceptions with keyword arguments do not unpickle by themselves, and these cross process borders."""
    return ProviderError(message, code=code, retryable=retryable, retry_after=retry_after, detail=detail)
