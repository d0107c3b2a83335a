"""Kreuzberg as we use it: Markdown out of PDF, Office, OpenDocument, RTF, EPUB and tidied HTML. Imported in the child only."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from typing import IO, Any

from kreuzberg import ConcurrencyConfig, ContentFilterConfig, ExtractionConfig, PageConfig, extract_bytes_sync
from kreuzberg.exceptions import KreuzbergError

from datasources.ingestion import pdf
from datasources.ingestion.kinds import MIME
from datasources.ingestion.results import CORRUPT, ENCRYPTED, SCANNED, Extracted, fail, skip

_PASSWORD = re.compile(r"password|encrypt", re.IGNORECASE)
_DASHES = re.compile(r"^\|(?: *:?-{2,}:? *\|)+ *$", re.MULTILINE)
_PADDING = re.compile(r" {2,}\|")
_PICTURE = re.compile(r"\\?!\[([^\]\n]*)\]\([^)\n]*\)")
_ESCAPE = re.compile(r"(?m)(^[ \t]*)?\\([!\"#$%&'()+,./:;=>?@^{}~-])")
_IN_WORD = re.compile(r"(?<=\w)\\_(?=\w)")
_EMPTY_ROWS = re.compile(r"(?m)^\|(?:[ \t]*\|)+[ \t]*\n(?!\|[ ]*:?-)")
_BULLETS = re.compile(r"(?m)^([ \t]*)[•◦▪●○■‣∙·][ \t]*(?:\n+(?=[^\s#|]))?(?=\S)")
_GAPS = re.compile(r"\n{3,}")
_WEAK_TITLE = re.compile(
    r"^(?:\(?(?:untitled|anonymous|unspecified)\)?|document\d*|(?:microsoft word|powerpoint presentation|slide 1)\b.*|.*\.(?:docx?|pptx?|xlsx?|pdf|indd|dvi|tex))$",
    re.IGNORECASE,
)


def _config(fmt: str = "markdown") -> ExtractionConfig:
    return ExtractionConfig(
        output_format=fmt,
        use_cache=False,
        enable_quality_processing=False,
        concurrency=ConcurrencyConfig(max_threads=1),
        content_filter=ContentFilterConfig(include_headers=True, include_footers=True, strip_repeating_text=False),
        pages=PageConfig(extract_pages=True),
    )


def read(data: bytes, kind: str) -> Extracted:
    """The text of ``data``, of one of the kinds in ``MIME``. Raises Refusal."""
    mime = MIME[kind]
    try:
        result = extract_bytes_sync(data, mime, config=_config())
    except KreuzbergError as error:
        raise skip(ENCRYPTED) if _PASSWORD.search(str(error)) else fail(CORRUPT) from error
    title = _title(result.metadata.get("title"))
    metadata = _metadata(result.metadata)
    if kind == "pdf":
        pages = [page["content"] for page in result.pages or []]
        markdown, starts = pdf.to_markdown(pages, result.content)
        if not markdown.strip():
            if result.content.strip():
                return Extracted(polish(result.content), title, kind, (), metadata)
            raise skip(SCANNED)
        return Extracted(markdown, title, kind, _blank_pages(pages), {**metadata, "pages": starts})
    return Extracted(polish(result.content), title, kind, _left_out(result.processing_warnings), metadata)


def _left_out(warnings: list[Any] | None) -> tuple[str, ...]:
    sources = {getattr(warning, "source", "") for warning in warnings or ()}
    return ("Files embedded in the document were left out",) if any("embedded" in s for s in sources) else ()


def html_to_markdown(html: str) -> str:
    result = extract_bytes_sync(f"<html><body>{html}</body></html>".encode(), "text/html", config=_config())
    return polish(result.content)


def is_encrypted_office(source: IO[bytes]) -> bool:
    """An OpenDocument or EPUB zip whose parts are encrypted says so in its manifest."""
    try:
        with zipfile.ZipFile(source) as archive:
            names = set(archive.namelist())
            for name in ("META-INF/manifest.xml", "META-INF/encryption.xml"):
                if name in names and archive.getinfo(name).file_size < 4_000_000:
                    text = archive.read(name)
                    if b"encryption-data" in text or (b"EncryptedData" in text and b"obfuscation" not in text):
                        return True
    except (zipfile.BadZipFile, RuntimeError, ValueError, OSError, EOFError):
        return False
    finally:
        source.seek(0)
    return False


def polish(markdown: str) -> str:
    """Plainer Markdown: no padding in tables, no escapes that no reader needs, pictures as what they show."""
    markdown = _PICTURE.sub(lambda m: m[1] if len(m[1]) > 3 and not m[1].startswith("SVG") else "", markdown)
    markdown = _DASHES.sub(lambda m: "|" + " --- |" * (m[0].count("|") - 1), markdown)
    markdown = _PADDING.sub(" |", markdown)
    markdown = _ESCAPE.sub(lambda m: m[0] if m[1] is not None and m[2] in "#+->=~" else (m[1] or "") + m[2], markdown)
    markdown = _IN_WORD.sub("_", markdown)
    markdown = _BULLETS.sub(r"\1- ", markdown.replace("\u00a0", " "))
    markdown = _EMPTY_ROWS.sub("", markdown)
    markdown = "\n".join(line.rstrip() for line in markdown.split("\n"))
    return _GAPS.sub("\n\n", markdown).strip("\n") + "\n" if markdown.strip() else ""


def _blank_pages(pages: list[str]) -> tuple[str, ...]:
    blank = sum(1 for page in pages if not page.strip())
    return (f"{blank} of {len(pages)} pages hold no text (pictures or scans)",) if blank else ()


def _title(value: Any) -> str:
    title = " ".join(value.split()) if isinstance(value, str) else ""
    return "" if _WEAK_TITLE.match(title) else title[:300]


def _metadata(raw: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {
        key: raw[key] for key in ("authors", "created_at", "modified_at", "language", "page_count") if raw.get(key)
    }
    counts = Counter({"sheets": len(raw.get("sheet_names") or ()), "slides": raw.get("slide_count") or 0})
    return wanted | {key: n for key, n in counts.items() if n}
