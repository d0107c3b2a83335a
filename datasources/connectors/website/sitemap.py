"""Sitemaps: lists of addresses, lists of such lists, plain or gzipped. Source: sitemaps.org/protocol.html."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from lxml import etree

from datasources.connectors.base import ConnectorError
from datasources.connectors.website.fetching import Getter, Refused

_MOST_SITEMAPS = 50
_MOST_BYTES = 50 * 1024 * 1024
"""As the protocol says, after unpacking."""


def addresses(getter: Getter, starts: list[str], takes: Callable[[str], bool]) -> Iterator[str]:
    """What the sitemaps list, as far as ``takes`` wants it. Raises ConnectorError; what is none is passed over."""
    waiting = list(starts)
    seen: set[str] = set()
    while waiting and len(seen) < _MOST_SITEMAPS:
        at = waiting.pop(0)
        if at in seen:
            continue
        seen.add(at)
        try:
            got = getter.get(at, lambda target: target, limit=_MOST_BYTES)
        except Refused:
            continue
        if got.status != 200:
            if got.status >= 500:
                raise ConnectorError(f"The sitemap {at} can't be read just now ({got.status})")
            continue
        pages, more = parsed(unpacked(got.body))
        waiting += more
        yield from (page for page in pages if takes(page))


def unpacked(body: bytes) -> bytes:
    """Gunzipped where it is gzipped, never to more than a sitemap may have."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        return zlib.decompressobj(wbits=31).decompress(body, _MOST_BYTES)
    except zlib.error:
        return b""


def parsed(body: bytes) -> tuple[list[str], list[str]]:
    """(addresses of pages, addresses of further sitemaps)."""
    if body.lstrip()[:1] != b"<":
        lines = body.decode("utf-8", "replace").split()
        return [line for line in lines if line.startswith(("http://", "https://"))], []
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, load_dtd=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        return [], []
    if root is None:
        return [], []
    locations = [(element.text or "").strip() for element in root.iter("{*}loc")]
    found = [location for location in locations if location]
    return ([], found) if etree.QName(root).localname == "sitemapindex" else (found, [])
