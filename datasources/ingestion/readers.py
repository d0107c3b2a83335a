"""One file's bytes to Extracted or Refused, whatever its kind. Runs in the child; see extract.py for the parent."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial

from datasources.ingestion import code, textual
from datasources.ingestion.decode import decode, looks_like_text
from datasources.ingestion.kinds import MIME, kind_of, text_size_warning
from datasources.ingestion.results import (
    CORRUPT,
    EMPTY,
    ENCRYPTED,
    UNREADABLE_KIND,
    Extracted,
    Failed,
    Limits,
    Refusal,
    Refused,
    Skipped,
    skip,
    too_large,
)

_OLD_OFFICE = {"doc": "Word", "xls": "Excel", "ppt": "PowerPoint"}
_ZIP_OFFICE = {"docx", "pptx", "xlsx", "odt", "ods", "epub"}


def read(data: bytes, filename: str, mime: str, limits: Limits, depth: int = 0) -> Extracted | Refused:
    """``depth`` counts files inside files (attachments)."""
    try:
        if len(data) > limits.file_bytes:
            return too_large(len(data), limits.file_bytes)
        if not data.strip(b"\x00\t\n\r \xef\xbb\xbf"):
            return Skipped(EMPTY)
        result = _read(data, filename, mime, limits, depth)
    except Refusal as refusal:
        return refusal.refused
    if not result.markdown.strip():
        return Skipped(EMPTY)
    return finish(result, limits)


def finish(result: Extracted, limits: Limits) -> Extracted:
    """Cut to size, and look for a title in the text; where it has none, its name serves (see titles.py)."""
    markdown, warnings = result.markdown, result.warnings
    if len(markdown) > limits.text_chars:
        cut = markdown.rfind("\n", 0, limits.text_chars)
        markdown = markdown[: cut + 1 if cut > limits.text_chars // 2 else limits.text_chars]
        warnings = (*warnings, text_size_warning(limits.text_chars))
    title = result.title or (
        textual.first_heading(markdown) if result.kind not in ("text", "code", "csv", "xlsx") else ""
    )
    return replace(result, markdown=markdown, warnings=warnings, title=title)


def _read(data: bytes, filename: str, mime: str, limits: Limits, depth: int) -> Extracted:
    kind = kind_of(data[:2048], filename, mime)
    if kind == "archive":
        raise skip("An archive inside another file; unpack it to bring it in")
    if kind in MIME:
        return _office(data, kind)
    if kind == "ole":
        raise skip(UNREADABLE_KIND)
    if kind == "never":
        raise skip(UNREADABLE_KIND)
    if kind == "eml":
        return _email(data, limits, depth)
    if kind in ("", "code") and not looks_like_text(data):
        raise skip(UNREADABLE_KIND)
    return _text(data, kind, filename, limits)


def _text(data: bytes, kind: str, filename: str, limits: Limits) -> Extracted:
    text, _ = decode(data, declared=kind == "html")
    if kind == "html":
        return _html(text)
    if kind == "csv":
        return textual.separated(text, limits)
    if kind == "code" and (cut := code.code(text, filename)) is not None:
        return cut
    return textual.markdown(text) if kind == "markdown" else textual.plain(text)


def _html(text: str) -> Extracted:
    from datasources.ingestion import html, library

    tidied, title, warnings = html.tidy(text)
    return Extracted(library.html_to_markdown(tidied) if tidied else "", title, "html", warnings)


def _office(data: bytes, kind: str) -> Extracted:
    from datasources.ingestion import library, slides

    if kind in _ZIP_OFFICE and data.startswith(b"\xd0\xcf\x11\xe0"):
        raise skip(ENCRYPTED if b"E\0n\0c\0r\0y\0p\0t" in data else CORRUPT)
    if kind in _ZIP_OFFICE and library.is_encrypted_office(io.BytesIO(data)):
        raise skip(ENCRYPTED)
    try:
        result = library.read(data, kind)
        if kind == "pptx" and (notes := slides.notes(data)):
            return replace(result, markdown=f"{result.markdown}\n{notes}\n")
        return result
    except Refusal as refusal:
        if kind == "pptx" and isinstance(refusal.refused, Failed):
            return slides.read(data)
        if kind in _OLD_OFFICE and isinstance(refusal.refused, Failed):
            name = _OLD_OFFICE[kind]
            raise skip(f"Old {name} file that could not be read; save it as .{kind}x and upload that") from refusal
        raise


def _email(data: bytes, limits: Limits, depth: int) -> Extracted:
    from datasources.ingestion import message

    if depth >= 2:
        raise skip("Nested too deep in other messages")
    return message.read(data, partial(_part, limits=limits, depth=depth + 1))


def _part(data: bytes, filename: str, mime: str, *, limits: Limits, depth: int) -> Extracted | Refused:
    return read(data, filename, mime, limits, depth)
