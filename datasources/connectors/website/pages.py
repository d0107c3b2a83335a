"""What a page says: its title, links and canonical address, whether it is one at all, and its text without the furniture."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from configparser import ConfigParser
from copy import deepcopy
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import trafilatura
from lxml import etree
from lxml import html as lxml_html
from trafilatura.settings import DEFAULT_CONFIG, use_config

from datasources.connectors.markup import safe_url
from datasources.connectors.website.addresses import normalized
from datasources.ingestion.decode import decode

_CHARSET = re.compile(r"charset=[\"']?([\w-]+)", re.I)
_MISSING = re.compile(
    r"\b404\b|\bnot found\b|\bdoes(n't| not) exist\b|nicht gefunden|introuvable|no encontrad|non trovat|niet gevonden",
    re.I,
)
_LOGIN_PATH = re.compile(r"(^|/)(log-?in|sign-?in|sso|auth|oauth2?|saml2?|cas)(/|\.|$)", re.I)
_SHORT, _SHORT_LOGIN = 600, 1500
_SCANT, _AMPLE = 250, 2
"""Where less was found, and all words of the page are this many times as many, those are taken."""
_NAVIGATION = ["//nav", "//*[@role='navigation']"]
_ANY_LENGTH = use_config()
"""Else what is shorter than some lines is thrown away for all words of the page in a row, menus and all."""
_ANY_LENGTH.set("DEFAULT", "MIN_EXTRACTED_SIZE", "1")
_MOST_LINKS = 5000
LARGEST = 1024 * 1024
"""Bytes of a page that are looked at here; a larger one is read by the extractor, in its child process."""


@dataclass(frozen=True, slots=True)
class Page:
    """``links``: absolute, in the order of the page. ``markdown``: its text; None where nothing was found."""

    title: str
    canonical: str = ""
    links: tuple[str, ...] = ()
    markdown: str | None = None
    author: str = ""
    tags: tuple[str, ...] = ()
    index: bool = True
    follow: bool = True
    password: bool = False
    heading: str = field(default="", repr=False)

    def digest(self) -> str:
        return hashlib.sha256((self.markdown or "").encode()).hexdigest()[:32]

    def needs_login(self, asked: str, reached: str) -> bool:
        length = len(self.markdown or "")
        led_there = asked != reached and bool(_LOGIN_PATH.search(urlsplit(reached).path))
        return led_there or (self.password and length < _SHORT_LOGIN)

    def says_missing(self) -> bool:
        """A page that says it is none, though the server answers 200."""
        return len(self.markdown or "") < _SHORT and bool(_MISSING.search(self.title) or _MISSING.search(self.heading))


def read(body: bytes, address: str, headers: Mapping[str, str]) -> Page:
    root = _parsed(body[:LARGEST], headers)
    if root is None:
        return Page(_name(address))
    base = normalized(_first(root, "//base/@href"), address) or address
    robots = f"{_meta(root, 'robots')},{_meta(root, 'atriumbot')},{headers.get('X-Robots-Tag', '')}".lower()
    canonical = normalized(href, base) if (href := _first(root, "//link[@rel='canonical']/@href")) else ""
    links = _links(root, base)
    heading = " ".join((root.xpath("string((//h1)[1])") or "").split())
    title = " ".join((root.findtext(".//title") or "").split()) or heading
    return Page(
        title or _name(address),
        canonical,
        links,
        markdown_of(root, base),
        author=_meta(root, "author")[:200],
        tags=tuple(word.strip()[:60] for word in _meta(root, "keywords").split(",") if word.strip())[:10],
        index="noindex" not in robots and "none" not in robots.split(","),
        follow="nofollow" not in robots and "none" not in robots.split(","),
        password=bool(root.xpath("//input[@type='password']")),
        heading=heading,
    )


def markdown_of(root: lxml_html.HtmlElement, base: str) -> str | None:
    """The main text with its headings, tables, lists and links; what could be taken for HTML is escaped."""
    for link in root.iter("a"):
        href = link.get("href")
        if href is None:
            continue
        target = safe_url(normalized(href, base))
        if target:
            link.set("href", target)
        else:
            del link.attrib["href"]
    found = _extracted(root, base, _ANY_LENGTH)
    if len(found) < _SCANT and len(whole := _extracted(root, base, DEFAULT_CONFIG)) > _AMPLE * len(found):
        found = whole
    return f"{found}\n" if found else None


def _extracted(root: lxml_html.HtmlElement, base: str, config: ConfigParser) -> str:
    found = trafilatura.extract(
        deepcopy(root),
        url=base,
        output_format="markdown",
        include_links=True,
        include_tables=True,
        include_formatting=True,
        include_comments=False,
        favor_recall=True,
        prune_xpath=_NAVIGATION,
        config=config,
    )
    return (found or "").replace("\x00", "").strip()


def _parsed(body: bytes, headers: Mapping[str, str]) -> lxml_html.HtmlElement | None:
    named = _CHARSET.search(headers.get("Content-Type", "")) or _CHARSET.search(body[:2048].decode("ascii", "replace"))
    text = _text(body, named[1] if named else "")
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    parser = lxml_html.HTMLParser(recover=True, remove_comments=True, remove_pis=True)
    try:
        return lxml_html.document_fromstring(text, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None


def _text(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset or "utf-8")
    except (LookupError, UnicodeDecodeError):
        return decode(body)[0]


def _links(root: lxml_html.HtmlElement, base: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for link in root.iter("a", "area"):
        if "nofollow" in (link.get("rel") or "").lower():
            continue
        if address := normalized(link.get("href") or "", base) if link.get("href") else "":
            found[address] = None
            if len(found) >= _MOST_LINKS:
                break
    return tuple(found)


def _meta(root: lxml_html.HtmlElement, name: str) -> str:
    for element in root.iter("meta"):
        if (element.get("name") or "").lower() == name:
            return " ".join((element.get("content") or "").split())
    return ""


def _first(root: lxml_html.HtmlElement, path: str) -> str:
    found = root.xpath(path)
    return str(found[0]) if found else ""


def _name(address: str) -> str:
    parts = urlsplit(address)
    return parts.path.rstrip("/").rsplit("/", 1)[-1] or parts.netloc
