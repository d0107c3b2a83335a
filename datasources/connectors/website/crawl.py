"""One walk over a site, from page to page, level by level. Every run is a whole one: sites keep no log of changes.

A page that fails while the site stands is told and left to fetch; then nothing is called complete, since what only that
page links to is not known (unless it failed in the last run too: one broken page must not keep all others for ever). When the site itself fails or closes, the walk ends with an error. The cursor holds what was
asked and what waits, as long as that is small; past that, a walk that is broken off goes on from the last one that was.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from urllib3.exceptions import NameResolutionError

from datasources.connectors.base import (
    Change,
    Checkpoint,
    Complete,
    ConnectorError,
    Cursor,
    Delete,
    RemoteNode,
    Skipped,
    Upsert,
)
from datasources.connectors.files import Patterns
from datasources.connectors.lines import Lines
from datasources.connectors.shelf import Shelf
from datasources.connectors.website import pages, sitemap
from datasources.connectors.website.addresses import DIR, FILES, Site, is_read
from datasources.connectors.website.documents import LOGIN, is_page, page_node, refusal_of_file, version_of
from datasources.connectors.website.fetching import Getter, Got, Refused, SlowDown
from datasources.connectors.website.memory import known_of
from datasources.connectors.website.pages import Page
from datasources.connectors.website.progress import Progress, digest, from_cursor
from datasources.ingestion.results import too_large

MISSING = "It says that there is no such page, although the server answers that there is"
NO_TEXT = "No text was found on the page: it may be made by scripts in the browser"
NOINDEX = "The page asks not to be indexed (noindex)"
_EVERY = 25
_MOST_WAITING = 50_000
_MOST_FAILED = 50
_PROBE = "atrium-no-such-page-7f3a91"


class Crawl:
    def __init__(
        self, getter: Getter, site: Site, lines: Lines, config: Mapping[str, Any], shelf: Shelf | None = None
    ) -> None:
        """``shelf``: takes the texts that are new, for the fetch that follows."""
        self.getter, self.site, self.lines, self.shelf = getter, site, lines, shelf
        self.patterns = Patterns(config)
        self.depth = _number(config.get("depth"), 5)
        self.limit = _number(config.get("pages"), 2000)
        self.sitemap = str(config.get("sitemap") or "also")
        self.sitemap_url = str(config.get("sitemap_url") or "")
        self.files = config.get("files", True) is not False
        self.progress = Progress()
        self._told: set[str] = set()
        self._chosen: set[str] = set()
        self._missing = ""
        self._closed = 0

    def changes(self, cursor: Cursor) -> Iterator[Change]:
        progress = self.progress = from_cursor(cursor)
        self._seed()
        if not progress.asked:
            yield from self._begin()
        while progress.waiting:
            if progress.asked >= self.limit:
                yield from self._too_many()
                break
            address, depth = progress.waiting.popleft()
            yield from self._one(address, depth)
            if progress.asked % _EVERY == 0 and (position := progress.position()):
                yield Checkpoint(position)
        if self._closed:
            self._check()
        yield Checkpoint(progress.end())
        if progress.whole:
            yield Complete(None)

    # ---- What to ask

    def _begin(self) -> Iterator[Change]:
        self.add(self.site.start, 0)
        if self.sitemap != "off":
            yield from self._listed()
        for address in sorted(self._chosen):
            self.add(address, 1)

    def _listed(self) -> Iterator[Change]:
        """What the sitemaps list. One that fails while the site stands is said, and nothing is pruned without it."""
        starts = self.sitemaps()
        try:
            for address in sitemap.addresses(self.getter, starts, self._in_sitemap):
                self.add(self.site.own(address), 1)
                if len(self.progress.waiting) >= max(self.limit, 1) * 2:
                    break
        except SlowDown:
            raise
        except ConnectorError as error:
            if error.permanent:
                raise
            self._check()
            self.progress.fails(starts[0])
            node = RemoteNode(starts[0], "file", "Sitemap", self.site.parent(starts[0]), url=starts[0])
            yield from self._above(starts[0])
            yield Skipped(node, f"{error}; until it can, nothing is taken for deleted")

    def _seed(self) -> None:
        """Where chosen branches, and the folders above them, have a page of their own, links are looked for there."""
        for key in self.lines.named("", include=True):
            self._chosen |= {part.removeprefix(DIR) for part in self.site.chain(key)}
        self._chosen.add(self.site.start)

    def sitemaps(self) -> list[str]:
        if self.sitemap_url:
            return [self.sitemap_url]
        try:
            named = list(self.getter.robots(self.site.start).sitemaps)
        except Refused as refused:
            raise ConnectorError(f"The start address can't be read: {refused}", permanent=True) from refused
        return named or [f"{self.site.home}/sitemap.xml"]

    def _in_sitemap(self, address: str) -> bool:
        return bool(self.site.own(address))

    def add(self, address: str, depth: int, *, first: bool = False) -> None:
        if not address or depth > self.depth or len(self.progress.waiting) >= _MOST_WAITING or not is_read(address):
            return
        wanted = self.lines.takes(*self.site.chain(address)) or address in self._chosen
        known = self.progress.known
        if not wanted or not self.patterns.enters(self.site.path(address)) or digest(address) in known:
            return
        known.add(digest(address))
        put = self.progress.waiting.appendleft if first else self.progress.waiting.append
        put((address, depth))

    def takes(self, address: str) -> bool:
        return self.lines.takes(*self.site.chain(address)) and self.patterns.takes(self.site.path(address))

    # ---- One address

    def _one(self, address: str, depth: int) -> Iterator[Change]:
        self.progress.asked += 1
        self.progress.done.add(digest(address))
        start = address == self.site.start
        try:
            got = self.ask(address)
        except Refused as refused:
            if start:
                raise ConnectorError(f"The start address can't be read: {refused}", permanent=True) from refused
            yield from self._skip(address, str(refused))
            return
        except SlowDown:
            raise
        except ConnectorError as error:
            if start or error.permanent:
                raise
            yield from self._unknown(address) if _names_nobody(error) else self._trouble(address)
            return
        yield from self._got(address, depth, got)

    def ask(self, address: str) -> Got:
        """With HEAD where the name says that it is a file and the server then tells its version."""
        if FILES.search(address):
            got = self.getter.get(address, self.site.own, method="HEAD")
            if got.status == 200 and version_of(got) and not is_page(got):
                return got
        known = self.progress.pages.get(address)
        return self.getter.get(address, self.site.own, condition=known.condition if known else None)

    def _got(self, address: str, depth: int, got: Got) -> Iterator[Change]:
        final, start = got.address, address == self.site.start
        if start:
            _refuse_closed_start(self.site.start, got)
        if got.status == 304 and final == address and (known := self.progress.pages.get(address)):
            yield from self._read(address, depth, known.page, known.got(address))
            return
        if got.status not in (200, 304) and got.status < 500:
            self.progress.pages.pop(address, None)
        if got.status in (404, 410):
            yield Delete(address)
            return
        if got.status >= 500:
            yield from self._trouble(address)
        elif got.status in (401, 403):
            yield from self._login(address)
        elif got.status != 200:
            yield from self._skip(address, f"The site answers with the code {got.status}")
        elif final != address and not self.progress.is_new(final):
            return
        elif got.large:
            yield from self._skip(final, too_large(_size(got), self.getter.around.limits.file_bytes).reason)
        elif is_page(got):
            yield from self._page(address, depth, got)
        else:
            yield from self._file(got)

    def _page(self, address: str, depth: int, got: Got) -> Iterator[Change]:
        final, start = got.address, address == self.site.start
        page = pages.read(got.body, final, got.headers)
        if page.needs_login(address, final):
            if start:
                raise ConnectorError(LOGIN_START.format(self.site.start), permanent=True)
            yield from self._login(address)
            return
        if not start and (page.says_missing() or (page.markdown and page.digest() == self._missing_digest())):
            yield from self._skip(final, MISSING)
            return
        self._remember(address, page, got)
        yield from self._read(address, depth, page, got)

    def _remember(self, address: str, page: Page, got: Got) -> None:
        """For the next walk; not where the address led elsewhere, whose version says nothing about the way there."""
        own = dict.fromkeys(filter(None, map(self.site.own, page.links))) if page.follow else {}
        known = known_of(page, got, tuple(own)) if got.address == address else None
        before = self.progress.pages.pop(address, None)
        if known is not None:
            self.progress.pages[address] = known
        same = known is not None and before is not None and before.condition == known.condition
        if self.shelf is not None and page.markdown and not same and len(got.body) <= pages.LARGEST:
            self.shelf.put(page_node(got.address, None, page, got), page.markdown)

    def _read(self, address: str, depth: int, page: Page, got: Got) -> Iterator[Change]:
        """A page that is one: what it links to, and whether it comes in. Its text is not looked at any more."""
        final = got.address
        canonical = self.site.own(page.canonical) if page.canonical else ""
        if page.follow and self.sitemap != "only":
            for link in page.links:
                self.add(self.site.own(link), depth + 1)
        if canonical and canonical != final and address not in self.progress.by_canonical:
            # Followed one step only: pages that name each other would both be lost.
            self.progress.by_canonical.add(canonical)
            self.add(canonical, depth, first=True)
            return
        if not page.index:
            yield from self._skip(final, NOINDEX)
        elif page.markdown is None:
            yield from self._skip(final, NO_TEXT)
        elif self.takes(final):
            yield from self._tell(page_node(final, self.site.parent(final), page, got))

    def _file(self, got: Got) -> Iterator[Change]:
        if not self.files or not self.takes(got.address):
            return
        node, reason = refusal_of_file(got, self.site.parent(got.address), self.getter.around.limits)
        if reason:
            yield from self._skip(got.address, reason)
        else:
            yield from self._tell(node)

    # ---- When something is wrong

    def _trouble(self, address: str) -> Iterator[Change]:
        """One page fails: does the site? It is told as it may be known, and fetch says whether it can be read."""
        if address == self.site.start:
            raise ConnectorError(f"{self.site.netloc} has a fault of its own just now")
        self._check()
        self.progress.fails(address)
        if len(self.progress.failing) > _MOST_FAILED:
            raise ConnectorError(f"More than {_MOST_FAILED} pages of {self.site.netloc} fail just now")
        if self.takes(address):
            title = self.site.path(address).rstrip("/").rsplit("/", 1)[-1] or self.site.netloc
            node = RemoteNode(
                address, "page", title, self.site.parent(address), f"unread {int(time.time())}", url=address
            )
            yield from self._tell(node)

    def _unknown(self, address: str) -> Iterator[Change]:
        """A link to a host that is no more, while the start page's can be found."""
        self._check()
        yield from self._skip(address, "It leads to a host that nobody knows any more")

    def _login(self, address: str) -> Iterator[Change]:
        """One page is closed; looked after now and then is whether all are by now."""
        if self._closed % 10 == 0:
            self._check()
        self._closed += 1
        yield from self._skip(address, LOGIN)

    def _check(self) -> None:
        """Raises ConnectorError where the start page can't be read (any more)."""
        try:
            got = self.getter.get(self.site.start, self.site.own)
        except Refused as refused:
            raise ConnectorError(f"The start address can't be read: {refused}", permanent=True) from refused
        _refuse_closed_start(self.site.start, got)
        if got.status >= 500:
            raise ConnectorError(f"{self.site.netloc} has a fault of its own just now ({got.status})")

    def _missing_digest(self) -> str:
        """What the site shows for a page that surely is not there, where it answers 200 even then."""
        if not self._missing:
            self._missing = "none"
            try:
                got = self.getter.get(f"{self.site.home}{self.site.base}{_PROBE}", self.site.own)
            except Refused:
                return self._missing
            if got.status == 200 and is_page(got) and got.address != self.site.start:
                self._missing = pages.read(got.body, got.address, got.headers).digest()
        return self._missing

    # ---- Telling

    def _tell(self, node: RemoteNode) -> Iterator[Change]:
        yield from self._above(node.external_id)
        yield Upsert(node)

    def _skip(self, address: str, reason: str) -> Iterator[Change]:
        if self.takes(address):
            yield from self._above(address)
            title = self.site.path(address) or self.site.netloc
            yield Skipped(RemoteNode(address, "page", title[:200], self.site.parent(address), url=address), reason)

    def _above(self, address: str) -> Iterator[Change]:
        for key in reversed(self.site.chain(address)[1:]):
            if key not in self._told:
                self._told.add(key)
                yield Upsert(self.site.folder(key))

    def _too_many(self) -> Iterator[Change]:
        reason = f"The limit of {self.limit:,} pages is reached: raise it, or choose less of the site"
        while self.progress.waiting:
            yield from self._skip(self.progress.waiting.popleft()[0], reason)


LOGIN_START = "The start page {} asks for a login: only open pages can be read"


def _refuse_closed_start(start: str, got: Got) -> None:
    if got.status in (401, 403, 407):
        raise ConnectorError(LOGIN_START.format(start), permanent=True)
    if got.status in (404, 410):
        raise ConnectorError(f"There is no page at the start address {start}: correct it", permanent=True)


def _names_nobody(error: BaseException | None) -> bool:
    """Whether a name could not be resolved, whichever library says it."""
    while error is not None:
        if isinstance(error, socket.gaierror | NameResolutionError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _size(got: Got) -> int:
    declared = got.headers.get("Content-Length", "")
    return int(declared) if declared.isdigit() else 0


def _number(value: Any, initial: int) -> int:
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        return initial
