"""A company's web site on loopback: pages with navigation and footers, files, robots.txt, sitemaps, redirects.

``python -m tests.vendors.places.website`` prints its address (a private one: ATRIUM_PRIVATE_HOSTS=127.0.0.1 allows it).
"""

from __future__ import annotations

import gzip
import hashlib
import html
import sys
import time
from dataclasses import dataclass, field

from aiohttp import web

from tests.vendors.places.loopback import Loopback


@dataclass
class WebPage:
    """``body`` None: a page made of title and text, inside the site's furniture."""

    title: str = ""
    text: str = ""
    body: bytes | None = None
    mime: str = "text/html"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    head: str = ""
    links: list[str] = field(default_factory=list)
    etag: bool = True


class WebsiteServer(Loopback):
    """``soft``: what is not there is answered with 200 and an apology. ``login``: paths that redirect to a login page.

    ``unchanged``: paths that were answered with 304.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.pages: dict[str, WebPage] = {}
        self.robots = "User-agent: *\nDisallow: /private/\n"
        self.soft = False
        self.agents: set[str] = set()
        self.unchanged: list[str] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/{path:.*}", self.handle(self.page))]

    def error(self, status: int, headers: dict[str, str]) -> web.Response:
        return web.Response(text=f"<h1>{status}</h1>", status=status, headers=headers, content_type="text/html")

    async def page(self, request: web.Request) -> web.Response:
        self.agents.add(request.headers.get("User-Agent", ""))
        if request.path == "/robots.txt":
            return web.Response(text=self.robots) if self.robots else web.Response(status=404)
        found = self.pages.get(request.path_qs) or self.pages.get(request.path)
        if found is None:
            return self._missing(request.path)
        if found.status in (301, 302, 307, 308):
            return web.Response(status=found.status, headers=found.headers)
        body = found.body if found.body is not None else self.written(request.path, found)
        headers = dict(found.headers)
        if found.etag:
            headers.setdefault("ETag", f'"{hashlib.sha256(body).hexdigest()[:16]}"')
        if found.status == 200 and _is_known(request, headers):
            self.unchanged.append(request.path)
            return web.Response(status=304, headers={n: v for n, v in headers.items() if n == "ETag"})
        return web.Response(body=body, status=found.status, headers=headers, content_type=found.mime)

    def _missing(self, path: str) -> web.Response:
        if not self.soft:
            return web.Response(text="<h1>Nothing here</h1>", status=404, content_type="text/html")
        text = (
            "<html><head><title>Acme</title></head><body><main><p>Sorry, we looked everywhere.</p></main></body></html>"
        )
        return web.Response(text=text, content_type="text/html")

    def written(self, path: str, page: WebPage) -> bytes:
        links = "".join(f'<li><a href="{link}">{link}</a></li>' for link in [*page.links, *self.below(path)])
        text = "".join(f"<p>{html.escape(part)}</p>" for part in page.text.split("\n\n"))
        return (
            f"<!doctype html><html><head><title>{html.escape(page.title)}</title>{page.head}</head><body>"
            '<nav><a href="/">Home</a> <a href="/handbook/">Handbook</a> <a href="/blog/">Blog</a> Choose a language</nav>'
            f"<main><article><h1>{html.escape(page.title)}</h1>{text}</article><ul>{links}</ul></main>"
            "<footer>Imprint and cookie settings</footer></body></html>"
        ).encode()

    def below(self, path: str) -> list[str]:
        """An index links to what is in its folder."""
        if not path.endswith("/") or path == "/":
            return []
        return [other for other in self.pages if other.startswith(path) and other != path]

    def sitemap(self, paths: list[str], path: str = "/sitemap.xml", *, packed: bool = False) -> None:
        entries = "".join(f"<url><loc>{self.base_url}{one}</loc></url>" for one in paths)
        self._xml(path, f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>', packed)

    def sitemap_index(self, paths: list[str], path: str = "/sitemap.xml") -> None:
        entries = "".join(f"<sitemap><loc>{self.base_url}{one}</loc></sitemap>" for one in paths)
        self._xml(path, f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</sitemapindex>')

    def _xml(self, path: str, text: str, packed: bool = False) -> None:
        body = f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
        self.pages[path] = WebPage(body=gzip.compress(body) if packed else body, mime="application/xml")


def _is_known(request: web.Request, headers: dict[str, str]) -> bool:
    """Whether the client holds just this (RFC 9110, section 13.2.2)."""
    if etag := request.headers.get("If-None-Match"):
        return etag == headers.get("ETag")
    return request.headers.get("If-Modified-Since") == headers.get("Last-Modified", "nothing")


def filled(port: int = 0) -> WebsiteServer:
    """A small company's site: a handbook and a blog."""
    server = WebsiteServer(port)
    server.pages = {
        "/": WebPage("Acme", "Acme builds pumps for harbours and has done so since nineteen-eighty."),
        "/handbook/": WebPage("Handbook", "How we work together, in short chapters-for-all."),
        "/handbook/leave.html": WebPage("Leave", "Everyone has thirty days of leave, and takes them-all."),
        "/handbook/travel/rail.html": WebPage("Rail", "Trains come before planes, below six-hundred kilometres."),
        "/handbook/travel/hotels.html": WebPage("Hotels", "Hotels cost up to one-hundred-forty a night."),
        "/blog/": WebPage("Blog", "What we wrote about pumps, harbours and the-weather."),
        "/blog/spring.html": WebPage("Spring", "In spring we opened a new-workshop by the river."),
        "/blog/summer.html": WebPage("Summer", "In summer the harbour was full of herring-boats."),
    }
    return server


if __name__ == "__main__":
    with filled() as running:
        sys.stdout.write(f"{running.base_url}/\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)
