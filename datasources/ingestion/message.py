"""E-mail files: the headers that matter, the body, and the attachments that can be read."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

from datasources.ingestion.results import Extracted, Refused

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_MOST_ATTACHMENTS = 50

ReadPart = Callable[[bytes, str, str], Extracted | Refused]


def read(data: bytes, read_part: ReadPart) -> Extracted:
    """``read_part(data, filename, mime)`` reads the body where it is HTML, and each attachment."""
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    subject = _header(message, "Subject")
    body = _body(message, read_part)
    lines = [f"**{name}:** {value}  " for name in _HEADERS if (value := _header(message, name))]
    attached, warnings = _attachments(message, read_part)
    if not body.strip() and not attached:
        return Extracted("", subject, "eml")
    blocks = ["\n".join(lines), body.strip(), *attached]
    markdown = "\n\n".join(block for block in blocks if block.strip()) + "\n"
    return Extracted(markdown, subject, "eml", tuple(warnings), {"date": _header(message, "Date")})


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(message.get(name, "")).split())
    except (ValueError, IndexError, AttributeError, TypeError):
        return ""


def _text(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        return data.decode(part.get_content_charset() or "utf-8").replace("\r\n", "\n")
    except (LookupError, UnicodeDecodeError):
        from datasources.ingestion.decode import decode

        return decode(data)[0]


def _body(message: EmailMessage, read_part: ReadPart) -> str:
    try:
        plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    except (ValueError, KeyError, AttributeError):
        plain, rich = None, None
    if isinstance(plain, EmailMessage) and (text := _text(plain)).strip():
        return text
    if isinstance(rich, EmailMessage):
        read_html = read_part(_text(rich).encode(), "body.html", "text/html; charset=utf-8")
        return read_html.markdown if isinstance(read_html, Extracted) else ""
    return "" if message.is_multipart() else _text(message)


def _attachments(message: EmailMessage, read_part: ReadPart) -> tuple[list[str], list[str]]:
    """(Markdown of each, what could not be read)."""
    blocks, warnings = [], []
    try:
        parts = list(message.iter_attachments())
    except (ValueError, KeyError, AttributeError):
        return [], ["The attachments could not be read"]
    for part in parts[:_MOST_ATTACHMENTS]:
        name = part.get_filename() or "attachment"
        payload = part.get_payload(decode=True)
        if part.get_content_type() == "message/rfc822" and isinstance(inner := part.get_payload(0), EmailMessage):
            payload, name = inner.as_bytes(), part.get_filename() or "message.eml"
        result = read_part(payload if isinstance(payload, bytes) else b"", name, part.get_content_type())
        if isinstance(result, Extracted):
            blocks.append(f"## Attachment: {name}\n\n{result.markdown.strip()}")
            warnings += [f"{name}: {warning}" for warning in result.warnings]
        else:
            warnings.append(f"The attachment {name} was left out: {result.reason}")
    if len(parts) > _MOST_ATTACHMENTS:
        warnings.append(f"Only the first {_MOST_ATTACHMENTS} of {len(parts)} attachments were read")
    return blocks, warnings
