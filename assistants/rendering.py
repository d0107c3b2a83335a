"""A stored answer as HTML. Nothing in it is trusted: no raw HTML, no pictures, no links out of the sources.

``[n]`` becomes a chip that opens the document at the passage. A link leads somewhere only if it is the address of a source of
this answer or a page of the product; any other stays text, its address in plain sight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import nh3
from django.conf import settings
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from assistants.claims import claim_before, sentence_for
from assistants.presenting import Source

_TAGS = {
    *(
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "p",
        "ul",
        "ol",
        "li",
        "blockquote",
        "pre",
        "code",
        "em",
        "strong",
        "s",
        "a",
        "br",
        "hr",
    ),
    *("span", "div", "table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {
    "a": {"href", "class", "data-n", "data-sentence", "id", "aria-label"},
    "span": {"class", "data-n", "data-withheld", "aria-label", "tabindex", "id"},
    "ol": {"start"},
    "pre": {"tabindex", "data-language"},
    "div": {"class", "tabindex", "role", "aria-label"},
    "th": {"style"},
    "td": {"style"},
}
_DIGITS = 3
_renderer: MarkdownIt | None = None


def answer_html(content: str, sources: Sequence[Source], answer: UUID | str) -> SafeString:
    """``content`` as ``presenting`` shows it to this reader, with its sources; ids of chips begin with the answer's."""
    env: dict[str, Any] = {
        "sources": {source.n: source for source in sources},
        "addresses": addresses_of(sources),
        "answer": str(answer),
        "seen": {},
    }
    html = _markdown().render(content, env)
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer",
        filter_style_properties={"text-align"},
    )
    return mark_safe(clean)  # noqa: S308  cleaned by nh3 just above


def addresses_of(sources: Iterable[Source]) -> frozenset[str]:
    """Where the sources that this reader may see stand at their vendors: the only places outside that links may lead to."""
    return frozenset(source.url for source in sources if source.url and not source.withheld)


def is_live(href: str, addresses: Iterable[str]) -> bool:
    """Whether a link in an answer may lead there: a source's own address (or a place in it), or a page of the product."""
    base = urlsplit(settings.BASE_URL)
    parts = urlsplit(href)
    if not parts.scheme and not parts.netloc:
        return href.startswith("/w/") and "\\" not in href and ".." not in parts.path
    if parts.scheme not in ("http", "https"):
        return False
    if (parts.scheme, parts.netloc) == (base.scheme, base.netloc):
        return parts.path.startswith("/w/")
    return href.partition("#")[0] in {address.partition("#")[0] for address in addresses}


def _markdown() -> MarkdownIt:
    global _renderer
    if _renderer is None:
        made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
        # "[1]: http://…" would turn every later [1] into a link of the model's.
        made.disable("reference")
        made.inline.ruler.before("link", "citation", _citation)
        made.core.ruler.push("headings", _headings)
        for rule, function in _RULES.items():
            made.add_render_rule(rule, function)
        _renderer = made
    return _renderer


def _citation(state: StateInline, silent: bool) -> bool:
    """``[n]`` of a passage that this answer read. ``[n](…)`` is a link, as the stream's reader has it too."""
    text, start = state.src, state.pos
    if text[start] != "[":
        return False
    end = text.find("]", start, start + _DIGITS + 2)
    number = text[start + 1 : end] if end > 0 else ""
    if not number.isascii() or not number.isdigit() or text[end + 1 : end + 2] == "(":
        return False
    source = state.env.get("sources", {}).get(int(number))
    if source is None:
        return False
    if not silent:
        token = state.push("citation", "", 0)
        token.meta = {"source": source}
    state.pos = end + 1
    return True


def _headings(state: Any) -> None:
    """One level down: the page has its own title."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"


def _chip(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    source: Source = tokens[at].meta["source"]
    n, seen = source.n, env["seen"]
    seen[n] = seen.get(n, 0) + 1
    common = f'class="cite" data-n="{n}" id="cite-{escape(env["answer"])}-{n}-{seen[n]}"'
    if source.withheld:
        return f'<span {common} data-withheld="" tabindex="0" aria-label="Source {n}, withheld: you may not read it">{n}</span>'
    if source.gone:
        return f'<span {common} data-withheld="" tabindex="0" aria-label="Source {n}, deleted since">{n}</span>'
    sentence = sentence_for(source.text, _claim(tokens, at)) if source.text else ""
    said = f' data-sentence="{escape(sentence)}"' if sentence else ""
    return f'<a {common} href="{escape(source.href)}"{said} aria-label="Source {n}: {escape(source.title)}">{n}</a>'


def _claim(tokens: Sequence[Token], at: int) -> str:
    """What the marker stands behind: the sentence before it, in its own paragraph, item or cell."""
    return claim_before("".join(token.content or " " for token in tokens[:at]))


def _link_open(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    href = str(tokens[at].attrs.get("href", ""))
    live = is_live(href, env["addresses"])
    env.setdefault("links", []).append("" if live else href)
    return f'<a href="{escape(href)}">' if live else "<span>"


def _link_close(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    dead = env["links"].pop()
    # Of an address that is its own text, once is enough.
    written = "".join(token.content for token in tokens[max(0, at - 1) : at])
    if not dead:
        return "</a>"
    return "</span>" if written == dead else f' <span class="address">({escape(dead)})</span></span>'


def _image(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    words, address = tokens[at].content.strip(), str(tokens[at].attrs.get("src", ""))
    return f'<span class="address">[{escape(f"Picture: {words}" if words else "Picture")}] ({escape(address)})</span>'


def _table_open(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    return '<div class="table-scroll" tabindex="0" role="region" aria-label="Table"><table>'


def _table_close(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    return "</table></div>"


def _code(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    language = tokens[at].info.strip().partition(" ")[0]
    named = f' data-language="{escape(language)}"' if language.isascii() and language.replace("-", "").isalnum() else ""
    return f'<pre tabindex="0"{named}><code>{escape(tokens[at].content)}</code></pre>'


_RULES: Mapping[str, Any] = {
    "citation": _chip,
    "link_open": _link_open,
    "link_close": _link_close,
    "image": _image,
    "table_open": _table_open,
    "table_close": _table_close,
    "fence": _code,
    "code_block": _code,
}
