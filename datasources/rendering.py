"""A stored document as HTML: Markdown rendered, nothing in it trusted, and passages marked at their exact offsets.

Offsets count code points of the stored text, while a renderer thinks in lines and tokens. So each mark goes through it as a
character that stands nowhere in the text: put in where Markdown does not take it for syntax, found again in the HTML, and turned
into an element there. Where a mark would change what the text means (inside a link's address, say), it moves or is dropped.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.token import Token

LONGEST_PART = 150_000
"""Code points of a document that are rendered at once; longer ones come in parts."""

Resolve = Callable[[str], str | None]
"""A link's address as written to where it leads, or None: then its words stay and the link goes."""

_TAGS = {
    *(f"h{level}" for level in range(1, 7)),
    *("p", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "s", "a", "br", "hr", "span", "div"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "div": {"class", "tabindex", "role", "aria-label"},
    "pre": {"tabindex"},
    "span": {"class"},
    "code": {"class"},
    **{f"h{n}": {"id"} for n in range(1, 7)},
}
_SCHEMES = {"http", "https", "mailto"}
# Of a line: what Markdown may take for syntax at its begin. A mark goes behind it.
_LEAD = re.compile(r"[ \t]*(?:>[ \t]?|[-+*][ \t]+|\d{1,9}[.)][ \t]+|#{1,6}[ \t]+|\|[ \t]*)*(?:\[[ xX]\][ \t]+)?")
# Lines that are nothing but syntax: rules, fences, underlines of headings and tables.
_SYNTAX_LINE = re.compile(r"^[ \t>]*(?:(?:[-=*_][ \t]*){3,}|[-=]+[ \t]*|`{3,}.*|~{3,}.*|\|?[ \t:|-]*-[ \t:|-]*)$")
_HTML_PIECE = re.compile(r"""<(?:"[^"]*"|'[^']*'|[^>"'])*>|[^<]+""")
_BOX = re.compile(r"\[([ xX])\](?=[ \t])")
_PLAIN_ITEM = ["paragraph_open", "inline"]
_MARK, _FIRST_MARK = "<mark>", '<mark id="passage" tabindex="-1">'
_PRIVATE = range(0xF0000, 0xF0400)


@dataclass(frozen=True, slots=True)
class Mark:
    """``start`` and ``end``: code points of the whole text. ``number``: of a passage in the margin; None is the citation."""

    start: int
    end: int
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a long text that begins at a paragraph."""

    number: int
    start: int
    end: int


def parts_of(text: str, longest: int = LONGEST_PART) -> list[Part]:
    """Cut a long text at empty lines, so that each part is at most ``longest`` code points where it has any."""
    parts: list[Part] = []
    start = 0
    while len(text) - start > longest:
        cut = text.rfind("\n\n", start + 1, start + longest)
        cut = cut + 2 if cut > 0 else start + longest
        parts.append(Part(len(parts) + 1, start, cut))
        start = cut
    parts.append(Part(len(parts) + 1, start, len(text)))
    return parts


def part_at(parts: Sequence[Part], offset: int) -> Part:
    return next((part for part in parts if part.start <= offset < part.end), parts[-1])


def render(
    text: str, marks: Iterable[Mark] = (), *, part: Part | None = None, resolve: Resolve | None = None
) -> SafeString:
    """HTML of the text (or of a part of it) that is safe to show; headings are one level down, below the page's own.

    The cited passage is in ``<mark>``; the first has the id ``passage``. A numbered one begins with an empty
    ``<span class="passage-at">`` for the margin. Links other than http, https and mailto lead where ``resolve`` says;
    pictures are not loaded, their words stay.
    """
    part = part or Part(1, 0, len(text))
    piece = text[part.start : part.end]
    signs = _Signs(piece)
    for mark in marks:
        start, end = max(mark.start, part.start) - part.start, min(mark.end, part.end) - part.start
        if start < end:
            signs.add(start, end, mark.number)
    env: dict[str, Any] = {"resolve": resolve or (lambda href: None)}
    signed = signs.put_in()
    html = _markdown().render(signed, env)
    if signs and _shape(signed) != _shape(piece):
        # A mark changed what the text means: put it at the begin of its line, and if that is no better, leave it out.
        signed = signs.put_in(whole_lines=True)
        html = _markdown().render(signed if _shape(signed) == _shape(piece) else piece, env)
    clean = nh3.clean(
        html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=_SCHEMES, link_rel="noopener noreferrer nofollow"
    )
    return mark_safe(signs.turn(clean))  # noqa: S308  cleaned above; the elements put in have no text of the document's


class _Signs:
    """Characters that stand for the begin and end of marks while the text goes through the renderer."""

    def __init__(self, text: str) -> None:
        self.text = text
        used = set(text)
        self.free = iter([chr(code) for code in _PRIVATE if chr(code) not in used])
        self.open: dict[str, int | None] = {}
        self.close: set[str] = set()
        self.places: list[tuple[int, int, str, str]] = []

    def __bool__(self) -> bool:
        return bool(self.places)

    def add(self, start: int, end: int, number: int | None) -> None:
        opening, closing = next(self.free, ""), next(self.free, "") if number is None else ""
        if not opening:
            return
        self.open[opening] = number
        if closing:
            self.close.add(closing)
        self.places.append((start, end, opening, closing))

    def put_in(self, *, whole_lines: bool = False) -> str:
        """The text with the signs in it, where Markdown does not take them for syntax."""
        at: list[tuple[int, int, str]] = []
        for start, end, opening, closing in self.places:
            begin = _after_syntax(self.text, _line_start(self.text, start) if whole_lines else start)
            stop = _before_syntax(self.text, _line_end(self.text, end) if whole_lines else end)
            at.append((begin, 1, opening))
            if closing:
                at.append((max(begin, stop), 0 if stop > begin else 2, closing))
        pieces, last = [], 0
        for place, _, sign in sorted(at):
            pieces += [self.text[last:place], sign]
            last = place
        return "".join([*pieces, self.text[last:]])

    def turn(self, html: str) -> str:
        """The HTML with elements where the signs are."""
        if not self.places:
            return html
        signs = set(self.open) | self.close
        split = re.compile("([" + "".join(signs) + "])")
        inside = marked = False
        done: list[str] = []
        for match in _HTML_PIECE.finditer(html):
            piece = match.group()
            if piece.startswith("<"):
                done.append(split.sub("", piece))
                continue
            for run in split.split(piece):
                if run in self.open:
                    number = self.open[run]
                    if number is None:
                        inside = True
                    else:
                        done.append(f'<span class="passage-at" id="passage-{number}" data-n="{number}"></span>')
                elif run in self.close:
                    inside = False
                elif inside and run.strip():
                    done.append(f"{_MARK if marked else _FIRST_MARK}{run}</mark>")
                    marked = True
                else:
                    done.append(run)
        return "".join(done)


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", max(0, at - 1))
    return len(text) if end < 0 else end


def _after_syntax(text: str, at: int) -> int:
    """The first place at or after ``at`` where a character does not change what its line is."""
    while at < len(text):
        start, end = _line_start(text, at), _line_end(text, at + 1)
        line = text[start:end]
        lead = start + len(_LEAD.match(line).group())  # type: ignore[union-attr]  # matches nothing at least
        if line.strip() and not _SYNTAX_LINE.match(line) and lead < end:
            return max(at, lead)
        at = end + 1
    return len(text)


def _before_syntax(text: str, at: int) -> int:
    """The last place at or before ``at`` that is the end of words rather than of syntax."""
    while at > 0:
        at = len(text[:at].rstrip()) if text[max(0, at - 1) : at].isspace() else at
        start = _line_start(text, at)
        line = text[start : _line_end(text, at)]
        lead = start + len(_LEAD.match(line).group())  # type: ignore[union-attr]
        if not _SYNTAX_LINE.match(line) and at > lead:
            before = text[start:at].rstrip()
            return start + len(before.rstrip("|").rstrip()) if before.endswith("|") else at
        at = start - 1 if start else 0
    return 0


def _shape(text: str) -> list[tuple[str, str]]:
    """What the text means, apart from its words: block and inline tokens by type, with addresses."""
    return list(_shape_of(_markdown().parse(text, {"resolve": lambda href: None})))


def _shape_of(tokens: Iterable[Token]) -> Iterator[tuple[str, str]]:
    for token in tokens:
        if token.type != "text":
            yield token.type, str(token.attrs.get("href", token.attrs.get("src", "")))
        if token.children:
            yield from _shape_of(token.children)


# ---- The renderer ------------------------------------------------------------------------------------------------

_renderer: MarkdownIt | None = None


def _markdown() -> MarkdownIt:
    global _renderer
    if _renderer is None:
        made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
        made.core.ruler.push("atrium", _adapt)
        for rule, function in _RULES.items():
            made.add_render_rule(rule, function)
        _renderer = made
    return _renderer


def _adapt(state: Any) -> None:
    """Headings go one level down and get ids; boxes of a list of tasks are drawn."""
    seen: dict[str, int] = {}
    tokens: list[Token] = state.tokens
    for place, token in enumerate(tokens):
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
        if token.type == "heading_open":
            words = "".join(c for c in tokens[place + 1].content if ord(c) < 0xF0000)
            slug = slugify(words) or "part"
            seen[slug] = seen.get(slug, 0) + 1
            token.attrSet("id", f"s-{slug}" if seen[slug] == 1 else f"s-{slug}-{seen[slug] - 1}")
        if token.type == "list_item_open" and [one.type for one in tokens[place + 1 : place + 3]] == _PLAIN_ITEM:
            first = (tokens[place + 2].children or [token])[0]
            if box := _BOX.match(first.content):
                first.content = ("☐" if box[1] == " " else "☑") + first.content[3:]


def _link_open(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    href = str(tokens[at].attrs.get("href", ""))
    if urlsplit(href).scheme in _SCHEMES:
        target: str | None = href
    elif href.startswith("#"):
        target = f"#s-{slugify(unquote(href[1:]))}"
    else:
        target = env["resolve"](href)
    env.setdefault("links", []).append(target is not None)
    return f'<a href="{escape(target)}">' if target is not None else "<span>"


def _link_close(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    return "</a>" if env["links"].pop() else "</span>"


def _image(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    words = tokens[at].content.strip()
    return f'<span class="gone">[{escape("Picture: " + words if words else "Picture")}]</span>'


def _table_open(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    return '<div class="table-scroll" tabindex="0" role="region" aria-label="Table"><table>'


def _table_close(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    return "</table></div>"


def _code(self: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    return f'<pre tabindex="0"><code>{escape(tokens[at].content)}</code></pre>'


_RULES: Mapping[str, Callable[..., str]] = {
    "link_open": _link_open,
    "link_close": _link_close,
    "image": _image,
    "table_open": _table_open,
    "table_close": _table_close,
    "fence": _code,
    "code_block": _code,
}


def relative_links(text: str) -> set[str]:
    """The addresses in the text that are neither whole nor an anchor of this page: they may lead to a neighbour."""
    found: set[str] = set()
    for token in _markdown().parse(text, {"resolve": lambda href: None}):
        for child in token.children or ():
            href = str(child.attrs.get("href", "")) if child.type == "link_open" else ""
            if href and not href.startswith(("#", "/")) and not urlsplit(href).scheme:
                found.add(href)
    return found


def neighbour(external_id: str, href: str) -> str:
    """The external id that a relative address leads to, where external ids are paths; empty where it leads outside."""
    path = unquote(urlsplit(href).path)
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(external_id), path)) if path else ""
    return "" if joined.startswith("..") or joined == "." else joined
