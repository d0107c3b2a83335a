"""What a walk learned of each page, so that the next one need only ask whether it changed (RFC 9110, section 13).

A page that did not change (304) comes without its text: what it led to, and how it is told, is taken from here.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datasources.connectors.website.fetching import Got
from datasources.connectors.website.pages import Page

MOST_BYTES = 1024 * 1024
"""Of all pages together, packed. Those that do not fit are read whole again, as on the first walk."""


@dataclass(frozen=True, slots=True)
class Known:
    """``links``, ``canonical``: as the walk follows them. ``text``: whether the page had any."""

    etag: str
    modified: str
    title: str
    canonical: str
    links: tuple[str, ...]
    author: str
    tags: tuple[str, ...]
    text: bool
    index: bool

    @property
    def condition(self) -> dict[str, str]:
        """Headers that ask for the page only if it has changed. A server that knows both heeds the ETag."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in asked.items() if value}

    @property
    def page(self) -> Page:
        """As it was read then, without its text."""
        return Page(
            self.title,
            self.canonical,
            self.links,
            "" if self.text else None,
            author=self.author,
            tags=self.tags,
            index=self.index,
        )

    def got(self, address: str) -> Got:
        """The answer of then, as far as a node is made of it."""
        return Got(address, 200, {"ETag": self.etag, "Last-Modified": self.modified}, b"")


def known_of(page: Page, got: Got, links: tuple[str, ...]) -> Known | None:
    """None where the server says nothing to ask by."""
    etag, modified = got.headers.get("ETag", ""), got.headers.get("Last-Modified", "")
    if not (etag or modified):
        return None
    text = page.markdown is not None
    return Known(etag, modified, page.title, page.canonical, links, page.author, page.tags, text, page.index)


def packed(pages: Mapping[str, Known], most: int = MOST_BYTES) -> str:
    """Text of at most so many characters; where all are too many, of as many as fit, the first ones first."""
    kept = list(pages.items())
    while kept:
        found = base64.b64encode(zlib.compress(json.dumps(_told(dict(kept))).encode())).decode()
        if len(found) <= most:
            return found
        kept = kept[: len(kept) // 2]
    return ""


def _told(pages: Mapping[str, Known]) -> dict[str, Any]:
    """Most pages link to the same few: each address is written once, and named by its number."""
    numbers: dict[str, int] = {}
    lines = []
    for address, known in pages.items():
        at, *links = (numbers.setdefault(one, len(numbers)) for one in (address, *known.links))
        more = [known.canonical, known.author, list(known.tags), known.text, known.index]
        lines.append([at, links, known.etag, known.modified, known.title, *more])
    return {"addresses": list(numbers), "pages": lines}


def unpacked(text: str) -> dict[str, Known]:
    if not text:
        return {}
    found = json.loads(zlib.decompress(base64.b64decode(text)))
    addresses = found["addresses"]
    return {
        addresses[at]: Known(
            etag, modified, title, canonical, tuple(addresses[n] for n in links), author, tuple(tags), has_text, index
        )
        for at, links, etag, modified, title, canonical, author, tags, has_text, index in found["pages"]
    }
