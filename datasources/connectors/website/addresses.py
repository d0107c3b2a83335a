"""Addresses of a site: one spelling for each page, what lies inside, and the tree that their paths make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit, urlunsplit

from datasources.connectors.base import ConnectorError, NodeKind, RemoteNode

DIR = "dir:"
_LONGEST = 1000
_TRACKING = re.compile(
    r"^(utm_\w+|gclid|fbclid|msclkid|mc_[ce]id|phpsessid|jsessionid|sessionid|sid|_ga|ref_src)$", re.I
)
_SESSION = re.compile(r";jsessionid=[^/?]*", re.I)
_UNREAD = re.compile(
    r"\.(css|js|mjs|map|json|xml|rss|atom|png|jpe?g|gif|svg|webp|avif|ico|bmp|tiff?|woff2?|ttf|otf|eot|mp[34]|m4[av]|webm|"
    r"mov|avi|mkv|ogg|wav|flac|zip|gz|tgz|bz2|xz|7z|rar|exe|msi|dmg|deb|rpm|iso|apk|jar)$",
    re.I,
)
FILES = re.compile(r"\.(pdf|docx?|pptx?|xlsx?|od[tsp]|rtf|epub|csv|tsv|md|txt)$", re.I)


def normalized(address: str, base: str = "") -> str:
    """One spelling: no fragment, no default port, no session or tracking parameters. Empty where it is no page."""
    try:
        parts = urlsplit(urljoin(base, address.strip()))
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        return ""
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{host}]" if ":" in host else host
    netloc = host if port in (None, default) else f"{host}:{port}"
    path = _SESSION.sub("", parts.path) or "/"
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [pair for pair in pairs if not _TRACKING.match(pair[0])]
    query = parts.query if len(kept) == len(pairs) else urlencode(kept)
    found = urlunsplit((parts.scheme, netloc, path.replace(" ", "%20"), query, ""))
    return found if len(found) <= _LONGEST else ""


def is_read(address: str) -> bool:
    """Whether it can be a page or a document: style sheets, pictures and the like are part of pages."""
    return not _UNREAD.search(urlsplit(address).path)


class Site:
    """``scope``: ``below`` the start address, its ``host``, or its ``domain`` (with all names below it)."""

    def __init__(self, start: str, scope: str) -> None:
        self.start = normalized(start)
        if not self.start:
            raise ConnectorError("Give the whole address of the page to begin with, from https:// on", permanent=True)
        parts = urlsplit(self.start)
        self.scheme, self.netloc, self.scope = parts.scheme, parts.netloc, scope
        self.home = f"{parts.scheme}://{parts.netloc}"
        last = parts.path.rsplit("/", 1)[-1]
        path = parts.path if not last or "." not in last else parts.path[: -len(last)]
        self.base = f"{path.rstrip('/')}/" if scope == "below" else "/"

    def own(self, address: str, base: str = "") -> str:
        """The address in this site's spelling; empty where it leads elsewhere."""
        found = normalized(address, base)
        if not found:
            return ""
        parts = urlsplit(found)
        if self.scheme == "https" and parts.scheme == "http" and parts.netloc == self.netloc:
            found = "https" + found[4:]
        return found if self.inside(found) else ""

    def inside(self, address: str) -> bool:
        parts = urlsplit(address)
        if parts.netloc != self.netloc:
            return self.scope == "domain" and f".{parts.hostname}".endswith("." + self._domain())
        if parts.scheme != self.scheme:
            return False
        return self.scope != "below" or address == self.start or f"{parts.path}/".startswith(self.base)

    def chain(self, external_id: str) -> list[str]:
        """Its own id, then its folders, the innermost first."""
        return [external_id, *self._folders(external_id.removeprefix(DIR), external_id.startswith(DIR))]

    def parent(self, external_id: str) -> str | None:
        return next(iter(self.chain(external_id)[1:]), None)

    def folder(self, external_id: str) -> RemoteNode:
        address = external_id.removeprefix(DIR)
        parts = urlsplit(address)
        name = unquote(parts.path.rstrip("/").rsplit("/", 1)[-1]) or parts.netloc
        kind: NodeKind = "folder" if parts.path != "/" else "site"
        return RemoteNode(
            external_id, kind, name, self.parent(external_id), has_text=False, has_children=True, url=address
        )

    def path(self, address: str) -> str:
        """What patterns are held against: path and query without the first slash."""
        parts = urlsplit(address)
        path = unquote(parts.path).lstrip("/")
        return f"{path}?{parts.query}" if parts.query else path

    def _folders(self, address: str, itself_a_folder: bool) -> Iterator[str]:
        parts = urlsplit(address)
        home = f"{parts.scheme}://{parts.netloc}"
        own = parts.netloc == self.netloc
        root = self.base if own else "/"
        path = parts.path.rstrip("/") if itself_a_folder else parts.path
        path = path[: path.rfind("/") + 1]
        while path.startswith(root) and path != root:
            yield f"{DIR}{home}{path}"
            path = path[: path.rstrip("/").rfind("/") + 1]
        if not own and not (itself_a_folder and parts.path == "/"):
            yield f"{DIR}{home}/"

    def _domain(self) -> str:
        host = urlsplit(self.start).hostname or ""
        return host.removeprefix("www.")
