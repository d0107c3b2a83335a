"""Reads what a vendor says when it refuses, and turns it into a ``ProviderError``.

The shapes, as the vendors document them:
- OpenAI and those who speak like it: ``{"error": {"message", "type", "param", "code"}}``
- Mistral: ``{"object": "error", "message", "type", "param", "code"}``, ``{"message", "request_id"}`` or ``{"detail": …}``
- Anthropic: ``{"type": "error", "error": {"type", "message"}}``
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from portal.providers.errors import Code, ProviderError

_CREDENTIALS = "under Govern → Credentials"
_KEYLIKE: Final = re.compile(r"(?i)\b(?:sk|pk|key|bearer)[-_ ][\w*.\-…]{6,}|\b(?=\w*\d)(?=\w*[A-Za-z])\w{28,}\b")
_MAX_DETAIL: Final = 300

# The first rule whose words occur in the vendor's code, type or message wins; each is lower case.
_WORDS: Final[tuple[tuple[Code, tuple[str, ...]], ...]] = (
    (
        "quota",
        (
            "insufficient_quota",
            "exceeded your current quota",
            "billing_hard_limit",
            "billing_error",
            "credit balance",
            "insufficient credit",
            "insufficient balance",
            "payment required",
        ),
    ),
    (
        "context_too_long",
        (
            "context_length_exceeded",
            "maximum context length",
            "context length",
            "context window",
            "prompt is too long",
            "prompt too long",
            "too large for model",
            "too many tokens",
            "request_too_large",
            "string_above_max_length",
        ),
    ),
    (
        "content_filter",
        ("content_filter", "content_policy", "content management policy", "responsibleai", "guardrail", "moderation"),
    ),
    (
        "model_not_found",
        ("model_not_found", "invalid_model", "invalid model", "unknown model", "no such model"),
    ),
    ("bad_key", ("invalid_api_key", "authentication_error", "incorrect api key", "invalid x-api-key")),
    ("rate_limited", ("rate_limit", "rate limit", "too many requests")),
    ("unavailable", ("overloaded", "server_error", "api_error", "service_unavailable")),
    ("no_access", ("permission_error", "permission denied", "unsupported_country")),
)

# Words that only decide where the status leaves the question open: a message may quote the prompt.
_BY_STATUS: Final[dict[int, Code]] = {
    401: "bad_key",
    402: "quota",
    403: "no_access",
    404: "model_not_found",
    408: "timeout",
    413: "context_too_long",
    429: "rate_limited",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked whom; what an error's words need. ``secret`` is cut out of whatever the vendor says."""

    vendor: str
    model: str = ""
    secret: str = ""
    stall_seconds: float = 60.0

    def __repr__(self) -> str:
        return f"Caller({self.vendor}, {self.model})"

    def redact(self, text: str) -> str:
        """The text on one line, short, without the key or anything that looks like one."""
        if self.secret:
            text = text.replace(self.secret, "[key]")
        text = _KEYLIKE.sub("[key]", " ".join(text.split()))
        return text if len(text) <= _MAX_DETAIL else text[: _MAX_DETAIL - 1] + "…"


def refusal(caller: Caller, status: int | None, body: bytes, headers: Mapping[str, str] | None = None) -> ProviderError:
    """The error for a reply with ``status``, or (None) for an error event inside a stream."""
    said = _said(body)
    code = _code(status, said)
    detail = caller.redact(said["message"] or body[:2000].decode("utf-8", "replace"))
    wait = retry_after(headers or {})
    return ProviderError(_sentence(caller, code, status, detail, wait), code=code, retry_after=wait, detail=detail)


def refused_parameter(body: bytes, sent: set[str]) -> str | None:
    """Which of the optional parameters in ``sent`` a server complains about, if it names one."""
    said = _said(body)
    if said["param"] in sent:
        return said["param"]
    text = (said["message"] or body.decode("utf-8", "replace")).lower()
    return next((name for name in sorted(sent, key=len, reverse=True) if re.search(rf"\b{name}\b", text)), None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or ``Retry-After`` (seconds or an HTTP date, RFC 9110 10.2.3)."""
    milliseconds = headers.get("retry-after-ms")
    if milliseconds is not None and (value := _number(milliseconds)) is not None:
        return value / 1000
    given = headers.get("retry-after")
    if given is None:
        return None
    if (value := _number(given)) is not None:
        return value
    try:
        date = parsedate_to_datetime(given)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _said(body: bytes) -> dict[str, str]:
    """message, code, type and param of an error body, as text; empty where it has none."""
    empty = {"message": "", "code": "", "type": "", "param": ""}
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return empty
    if isinstance(value, dict) and value.get("error"):
        value = value["error"]
    if isinstance(value, str):
        return {**empty, "message": value}
    if not isinstance(value, dict):
        return empty
    message = value.get("message") or value.get("detail") or ""
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    return {"message": message, **{key: str(value.get(key) or "") for key in ("code", "type", "param")}}


def _code(status: int | None, said: dict[str, str]) -> Code:
    if status in (401, 402):
        return _BY_STATUS[status]
    labels = f"{said['code']} {said['type']}".lower()
    message = said["message"].lower()
    open_question = status is None or status in (400, 403, 404, 413, 422, 429)
    for code, words in _WORDS:
        if any(word in labels for word in words) or (open_question and any(word in message for word in words)):
            return code
    if status is None:
        return "unavailable"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 300 <= status < 400:
        return "bad_response"
    return "unavailable" if status >= 500 else "bad_request"


def _sentence(caller: Caller, code: Code, status: int | None, detail: str, wait: float | None) -> str:
    vendor, model = caller.vendor, caller.model or "the model"
    if code == "bad_response":
        return f"{vendor} sends its callers on to another address. Put the final address in {_CREDENTIALS}."
    told = f" It says: “{detail}”" if detail else ""
    later = f" Try again in {_spoken(wait)}." if wait is not None else " Try again in a minute."
    sentences: dict[str, str] = {
        "bad_key": f"{vendor} does not accept the key: it is wrong or was revoked. Put in a new one {_CREDENTIALS}.",
        "no_access": f"{vendor} does not let this key do that. Check its permissions, or use another key.{told}",
        "quota": f"The account at {vendor} has used up its allowance. Add credit there, or choose another model.",
        "rate_limited": f"{vendor} is getting more calls than this key may make.{later}",
        "context_too_long": f"This is more than {model} can read at once. Ask a shorter question or start anew.",
        "content_filter": f"{vendor}'s content filter stopped this answer. Put the question another way.",
        "model_not_found": f"{vendor} knows no model “{caller.model}” for this key. Choose another, or check the address.",
        "timeout": f"{vendor} took too long to answer.{later}",
        "unavailable": f"{vendor} is out of order just now{f' (it answered {status})' if status else ''}.{later}",
    }
    return sentences.get(code, f"{vendor} refused the call{f' ({status})' if status else ''}.{told}")


def _spoken(seconds: float) -> str:
    if seconds < 90:
        count = max(1, round(seconds))
        return f"{count} second{'s' if count != 1 else ''}"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / 3600)} hours"
