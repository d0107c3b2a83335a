"""A web site, page by page. A node's id is its address in one spelling; folders of the tree are the parts of its path."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Chosen,
    ConnectorError,
    Content,
    Cursor,
    Estimate,
    NodeError,
    RemoteNode,
    TestResult,
    Upsert,
)
from datasources.connectors.files import natural
from datasources.connectors.lines import Lines
from datasources.connectors.shelf import Shelf
from datasources.connectors.website import pages, sitemap
from datasources.connectors.website.about import ABOUT
from datasources.connectors.website.addresses import DIR, Site, is_read
from datasources.connectors.website.crawl import LOGIN_START, Crawl
from datasources.connectors.website.documents import LOGIN, content_of, is_page
from datasources.connectors.website.fetching import Getter, Refused, SlowDown

_ESTIMATE_SECONDS = 8.0
_MOST_SHOWN = 10_000


class Website:
    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.config, self.around = config, around
        self.site = Site(str(config.get("base_url") or ""), str(config.get("scope") or "below"))
        self.getter = Getter(around, _pace(config.get("pace")))
        self._shelf = Shelf()

    def test(self) -> TestResult:
        page = self._start()
        listed = sum(1 for _ in self._in_sitemaps()) if self.config.get("sitemap") != "off" else 0
        more = f" Its sitemap lists {listed:,} pages inside." if listed else " It has no sitemap: links are followed."
        return TestResult(True, f"The site answers with “{page.title}”.{more}")

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        """From the sitemap and from the links of the start page and of the folder's own page: a crawl finds more."""
        folders: dict[str, RemoteNode] = {}
        found: dict[str, RemoteNode] = {}
        for address, title in self._candidates(parent):
            chain = self.site.chain(address)
            for key in chain[1:]:
                if self.site.parent(key) == parent:
                    folders[key] = self.site.folder(key)
            if self.site.parent(address) == parent:
                found.setdefault(address, _shown(self.site, address, title))
        yield from sorted(folders.values(), key=lambda node: natural(node.title))
        yield from sorted(found.values(), key=lambda node: natural(node.title))

    def find(self, text: str) -> Iterator[RemoteNode]:
        wanted, seen = text.casefold(), set()
        for address, title in self._candidates(None):
            nodes = [self.site.folder(key) for key in self.site.chain(address)[1:]]
            for node in [*nodes, _shown(self.site, address, title)]:
                if node.external_id not in seen and wanted in node.title.casefold():
                    seen.add(node.external_id)
                    yield node

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        begun, documents, crawl = time.monotonic(), 0, self._crawl(chosen)
        for change in crawl.changes({}):
            documents += isinstance(change, Upsert) and change.node.has_text
            if time.monotonic() - begun > _ESTIMATE_SECONDS:
                progress = crawl.progress
                waiting = min(len(progress.waiting), max(0, crawl.limit - progress.asked))
                return Estimate(documents + waiting, exact=False)
        return Estimate(documents)

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        return Crawl(self.getter, self.site, Lines(chosen), self.config, self._shelf).changes(cursor)

    def fetch(self, node: RemoteNode) -> Content:
        if (text := self._shelf.take(node)) is not None:
            return Content(markdown=text, filename=f"{node.title}.md")
        try:
            got = self.getter.get(node.external_id, self.site.own)
        except Refused as refused:
            raise NodeError(str(refused), skip=True) from refused
        if got.status in (404, 410):
            raise NodeError("It was there when the site was walked, and is gone now", skip=True)
        if got.status in (401, 403):
            raise NodeError(LOGIN, skip=True)
        if got.status >= 500:
            self._start()
            raise NodeError(f"The site fails at this page alone ({got.status})")
        if got.status != 200:
            raise NodeError(f"The site answers with the code {got.status}")
        return content_of(got, node.title, self.around.limits.file_bytes)

    def _crawl(self, chosen: Sequence[Chosen]) -> Crawl:
        return Crawl(self.getter, self.site, Lines(chosen), self.config)

    def _start(self) -> pages.Page:
        """The start page. Raises ConnectorError where it can't be read."""
        start = self.site.start
        try:
            got = self.getter.get(start, self.site.own)
        except Refused as refused:
            raise ConnectorError(f"The start address can't be read: {refused}", permanent=True) from refused
        if got.status >= 500:
            raise ConnectorError(f"{self.site.netloc} has a fault of its own just now ({got.status})")
        page = pages.read(got.body, got.address, got.headers) if is_page(got) else pages.Page(self.site.netloc)
        if got.status in (401, 403, 407) or page.needs_login(start, got.address):
            raise ConnectorError(LOGIN_START.format(start), permanent=True)
        if got.status != 200:
            raise ConnectorError(f"The start address {start} answers {got.status}: correct it", permanent=True)
        return page

    def _candidates(self, parent: str | None) -> Iterator[tuple[str, str]]:
        """(address, title as far as known) of what may be told, each once."""
        page, seen = self._start(), {self.site.start}
        yield self.site.start, page.title
        links = list(page.links)
        if parent is not None and parent.startswith(DIR):
            links += self._links_of(parent.removeprefix(DIR))
        crawl = self._crawl(())
        for address in [*map(self.site.own, links), *self._in_sitemaps()]:
            if address and address not in seen and is_read(address) and crawl.takes(address):
                seen.add(address)
                yield address, ""
                if len(seen) > _MOST_SHOWN:
                    return

    def _links_of(self, address: str) -> tuple[str, ...]:
        try:
            got = self.getter.get(address, self.site.own)
        except Refused:
            return ()
        return pages.read(got.body, got.address, got.headers).links if got.status == 200 and is_page(got) else ()

    def _in_sitemaps(self) -> Iterator[str]:
        crawl = self._crawl(())
        if crawl.sitemap == "off":
            return
        try:
            for address in sitemap.addresses(self.getter, crawl.sitemaps(), lambda found: bool(self.site.own(found))):
                yield self.site.own(address)
        except SlowDown:
            raise
        except ConnectorError as error:
            # The tree is shown without it; a run says what is wrong.
            if error.permanent:
                raise


def _shown(site: Site, address: str, title: str) -> RemoteNode:
    name = title or site.path(address).rstrip("/").rsplit("/", 1)[-1] or site.netloc
    return RemoteNode(address, "page", name, site.parent(address), url=address)


def _pace(value: Any) -> float:
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return 0.2


CONNECTOR = Website
