"""What kind of file this is: by its first bytes where they tell, by its name where they don't."""

from __future__ import annotations

from datasources.ingestion.grammars import language_of
from datasources.ingestion.results import UNREADABLE_KIND, Limits, Skipped, too_large

MIME = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "rtf": "application/rtf",
    "epub": "application/epub+zip",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
}
"""Kinds that the library reads, with the name it knows them by."""

_MACRO_TWINS = {"docm": "docx", "dotx": "docx", "pptm": "pptx", "ppsx": "pptx", "xlsm": "xlsx", "xltx": "xlsx"}
_MARKDOWN = {"md", "markdown", "mdown", "mkd", "mdx"}
_HTML = {"html", "htm", "xhtml"}
_TEXT = {"txt", "text", "log", "rst", "org", "adoc", "asciidoc", "tex", "json", "jsonl", "yaml", "yml", "toml", "ini"}
_TEXT |= {"cfg", "conf", "xml", "sql", "css"}
_TEXT |= {"vtt", "srt", "ics", "vcf", "properties", "env"}
_ARCHIVES = {"zip", "tar", "tgz", "tbz2", "txz"}
_NEVER = {"jpg", "jpeg", "png", "gif", "bmp", "tif", "tiff", "webp", "heic", "ico", "svg", "psd", "ai", "eps"}
_NEVER |= {"mp3", "wav", "ogg", "flac", "m4a", "mp4", "mov", "avi", "mkv", "webm", "wmv", "exe", "dll", "so", "dylib"}
_NEVER |= {
    "bin",
    "iso",
    "dmg",
    "msi",
    "deb",
    "rpm",
    "apk",
    "jar",
    "class",
    "pyc",
    "o",
    "a",
    "ttf",
    "otf",
    "woff",
    "woff2",
}
_NEVER |= {"7z", "rar", "sqlite", "db", "mdb", "accdb", "parquet", "pst", "ost", "key", "pages", "numbers"}
_BY_MIME = {mime: kind for kind, mime in MIME.items()} | {
    "text/markdown": "markdown",
    "text/html": "html",
    "text/csv": "csv",
    "text/plain": "text",
    "message/rfc822": "eml",
    "application/zip": "archive",
    "application/x-tar": "archive",
}


def extension(filename: str) -> str:
    name = filename.rsplit("/", 1)[-1].lower()
    return name.rsplit(".", 1)[-1] if "." in name.lstrip(".") else ""


def kind_by_name(filename: str, mime: str = "") -> str:
    """A key of MIME, or ``markdown html code csv text eml archive never``; empty where the name does not tell."""
    ext = extension(filename)
    if is_archive_name(filename):
        return "archive"
    if language_of(filename):
        return "code"
    for kind, names in (("markdown", _MARKDOWN), ("html", _HTML), ("text", _TEXT), ("never", _NEVER)):
        if ext in names:
            return kind
    if ext in ("csv", "tsv", "tab"):
        return "csv"
    if ext in ("eml", "mht", "mhtml"):
        return "eml"
    ext = _MACRO_TWINS.get(ext, ext)
    return ext if ext in MIME else _BY_MIME.get(mime.split(";")[0].strip().lower(), "")


def is_archive_name(filename: str) -> bool:
    name = filename.lower()
    return extension(name) in _ARCHIVES or name.endswith((".tar.gz", ".tar.bz2", ".tar.xz"))


def kind_of(head: bytes, filename: str, mime: str = "") -> str:
    """The same, told by the first bytes where these and the name disagree (a PDF called .txt is a PDF)."""
    named = kind_by_name(filename, mime)
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(b"{\\rtf"):
        return "rtf"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return named if named in MIME else "ole"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return named if named in MIME and named not in ("pdf", "rtf") else "archive"
    if head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x7fELF", b"MZ\x90", b"OggS", b"\x1aE\xdf\xa3")):
        return "never"
    return named


def refuse_by_name(filename: str, size: int | None, limits: Limits) -> Skipped | None:
    """What can be refused without reading a byte: kinds that hold no text, and files past the limit."""
    kind = kind_by_name(filename)
    if kind == "never":
        return Skipped(UNREADABLE_KIND)
    if kind == "archive":
        return None
    if size is not None and size > limits.file_bytes:
        return too_large(size, limits.file_bytes)
    return None


def text_size_warning(limit: int) -> str:
    return f"Only the first {limit / 1_000_000:g} million characters were taken in; split the file to have the rest too"
