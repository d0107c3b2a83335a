"""The HTML of messages and rich fields as Markdown. Anyone may have written it: it is tidied first, and only words and their structure stay."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import html as lxml_html

from datasources.connectors.wording import block, inline, table, tags_escaped
from datasources.ingestion.html import tidy

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = {*_HEADINGS, "p", "div", "section", "article", "ul", "ol", "li", "pre", "blockquote", "table", "hr", "body"}
_MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*", "code": "`", "s": "~~", "del": "~~"}
_LONGEST = 500_000


def markdown(text: str) -> str:
    """Plain text keeps its lines; of HTML the words stay with headings, lists, tables, code and emphasis."""
    if not re.search(r"<[A-Za-z/!]", text):
        return block(lxml_html.fromstring(f"<p>{text}</p>").text_content()) if "&" in text else block(text)
    tidied, _, _ = tidy(text[:_LONGEST])
    if not tidied:
        return ""
    root = lxml_html.document_fromstring(tidied)
    return "\n\n".join(_blocks(root.find("body"))).strip()


def words(text: str, longest: int = 80) -> str:
    """The first words as plain text on one line, as for a title."""
    root = lxml_html.fromstring(f"<div>{tidy(text[:5000])[0]}</div>") if text.strip() else None
    plain = " ".join(" ".join(root.itertext()).split()) if root is not None else ""
    return plain if len(plain) <= longest else plain[:longest].rsplit(" ", 1)[0] + "…"


def _blocks(element: lxml_html.HtmlElement | None) -> Iterator[str]:
    """Paragraphs of what stands in an element; text between its blocks is a paragraph of its own."""
    if element is None:
        return
    loose = tags_escaped(_spaces(element.text))
    for child in element:
        if child.tag in _BLOCKS:
            yield from _paragraph(loose)
            loose = ""
            yield from _block(child)
        else:
            loose += _inline(child)
        loose += tags_escaped(_spaces(child.tail))
    yield from _paragraph(loose)


def _block(element: lxml_html.HtmlElement) -> Iterator[str]:
    if element.tag in _HEADINGS:
        yield from (f"**{part}**" for part in _paragraph(_inline(element)))
    elif element.tag in ("ul", "ol"):
        yield "\n".join(_items(element))
    elif element.tag == "pre":
        code = element.text_content().strip("\n").replace("```", "'''")
        yield f"```\n{code}\n```"
    elif element.tag == "blockquote":
        yield from ("\n".join(f"> {line}" for line in part.split("\n")) for part in _blocks(element))
    elif element.tag == "table":
        rows = [[" ".join(cell.text_content().split()) for cell in row.iter("td", "th")] for row in element.iter("tr")]
        if rows:
            width = max(len(row) for row in rows)
            head, *rest = [row + [""] * (width - len(row)) for row in rows]
            yield table(head, rest).strip() or " | ".join(map(inline, head))
    else:
        yield from _blocks(element)


def _items(element: lxml_html.HtmlElement) -> Iterator[str]:
    number = 0
    for item in element:
        if item.tag != "li":
            continue
        number += 1
        sign = "-" if element.tag == "ul" else f"{number}."
        lines = "\n".join(_blocks(item)).split("\n")
        yield "\n".join([f"{sign} {lines[0]}", *(f"{' ' * (len(sign) + 1)}{line}" for line in lines[1:])])


def _inline(element: lxml_html.HtmlElement) -> str:
    if element.tag == "br":
        return "\n"
    inner = tags_escaped(_spaces(element.text))
    for child in element:
        inner += _inline(child) + tags_escaped(_spaces(child.tail))
    mark = _MARKS.get(element.tag)
    if not mark or not inner.strip():
        return inner
    bare = inner.strip()
    return inner.replace(bare, f"{mark}{bare}{mark}", 1)


def _paragraph(text: str) -> Iterator[str]:
    lines = [" ".join(line.split()) for line in text.split("\n")]
    if kept := "\n".join(line for line in lines if line):
        yield re.sub(r"(?m)^(#{1,6}\s|>|={2,}$|-{2,}$)", r"\\\1", kept)


def _spaces(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")
