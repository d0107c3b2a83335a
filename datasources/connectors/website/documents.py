"""Pages and files of a site as nodes, and what fetch makes of an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from urllib.parse import unquote, urlsplit

from datasources.connectors.base import Content, NodeError, RemoteNode
from datasources.connectors.website import pages
from datasources.connectors.website.fetching import Got
from datasources.connectors.website.pages import Page
from datasources.ingestion.kinds import MIME, extension, kind_by_name
from datasources.ingestion.results import Limits, too_large

LOGIN = "It asks for a login: only open pages can be read"
UNREADABLE = "No text can be read from a file of this kind"
_HTML = ("text/html", "application/xhtml+xml")


def is_page(got: Got) -> bool:
    return got.mime in _HTML or (
        not got.mime and got.body[:512].lstrip().lower().startswith((b"<!doctype html", b"<html"))
    )


def version_of(got: Got) -> str:
    """What the server says of the version; empty where it says nothing. Compressing servers add to the etag."""
    etag = got.headers.get("ETag", "").removeprefix("W/").strip('"').removesuffix("-gzip").removesuffix("-br")
    return etag or got.headers.get("Last-Modified", "")


def page_node(address: str, parent: str | None, page: Page, got: Got) -> RemoteNode:
    return RemoteNode(
        address,
        "page",
        page.title[:300],
        parent,
        version_of(got) or page.digest(),
        url=address,
        author=page.author,
        modified=_modified(got),
        tags=page.tags,
    )


def refusal_of_file(got: Got, parent: str | None, limits: Limits) -> tuple[RemoteNode, str]:
    """(the node, why it can't come in; empty where it can)."""
    name = filename_of(got)
    declared = got.headers.get("Content-Length", "")
    size = int(declared) if declared.isdigit() else len(got.body) or None
    kind = kind_by_name(name, got.mime)
    version = version_of(got) or sha256(got.body).hexdigest()[:32]
    tags = (kind,) if kind else ()
    node = RemoteNode(
        got.address, "file", name, parent, version, url=got.address, modified=_modified(got), tags=tags, size=size
    )
    if kind in ("", "never", "archive"):
        return node, f"{UNREADABLE} ({got.mime or extension(name) or 'unknown'})"
    if size is not None and size > limits.file_bytes:
        return node, too_large(size, limits.file_bytes).reason
    return node, ""


def content_of(got: Got, title: str, limit: int) -> Content:
    """Raises NodeError."""
    if got.large:
        raise NodeError(too_large(limit + 1, limit).reason, skip=True)
    if not is_page(got):
        return Content(data=got.body, filename=filename_of(got), mime=got.mime)
    if len(got.body) <= pages.LARGEST:
        page = pages.read(got.body, got.address, got.headers)
        if page.markdown is not None:
            return Content(markdown=page.markdown, filename=f"{title}.md")
    return Content(data=got.body, filename="page.html", mime="text/html")


def filename_of(got: Got) -> str:
    """From its address, with the extension that its kind has where the address has none that is known."""
    name = unquote(urlsplit(got.address).path.rstrip("/").rsplit("/", 1)[-1]) or "file"
    if kind_by_name(name):
        return name
    by_mime = {mime: kind for kind, mime in MIME.items()} | {
        "text/plain": "txt",
        "text/csv": "csv",
        "text/markdown": "md",
    }
    return f"{name}.{by_mime[got.mime]}" if got.mime in by_mime else name


def _modified(got: Got) -> datetime | None:
    try:
        found = parsedate_to_datetime(got.headers.get("Last-Modified", ""))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
