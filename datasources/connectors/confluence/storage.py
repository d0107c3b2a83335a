"""Confluence's storage format (XHTML with macros) as Markdown. What has no text of its own is named, never dropped in silence.

https://confluence.atlassian.com/doc/confluence-storage-format-790796544.html
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree

from datasources.connectors.confluence import macros
from datasources.connectors.markup import code, escaped, fenced, indented, linked, paragraph, quoted, table, wrapped

AC, RI = "http://atlassian.com/content", "http://atlassian.com/resource/identifier"
Element = Any
Names = Callable[[str, str], str]
"""A person's name by (attribute of ri:user, its value)."""

_XML_ENTITIES = {"amp", "lt", "gt", "quot", "apos"}
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_TAG = re.compile(r"<[^<>]*>")
_DEEPEST = 200
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_MARKS = {"strong": "**", "b": "**", "em": "_", "i": "_", "del": "~~", "s": "~~"}
_BLOCKS = {"p", "ul", "ol", "table", "blockquote", "pre", "hr", "div", "section", "details", *_HEADINGS}
_AC_BLOCKS = {"structured-macro", "macro", "task-list", "layout", "layout-section", "layout-cell", "adf-extension"}


def markdown(body: str, names: Names) -> str:
    """The text of a page. Storage format that is broken is read as far as it can be."""
    known = _ENTITY.sub(lambda found: found[0] if found[1] in _XML_ENTITIES else html.unescape(found[0]), body)
    whole = f'<root xmlns:ac="{AC}" xmlns:ri="{RI}">{known}</root>'.encode()
    # huge_tree: else what is nested some 250 deep would be dropped without a word. Entities stay unresolved.
    parser = etree.XMLParser(
        recover=True, resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True, huge_tree=True
    )
    root = etree.fromstring(whole, parser)
    if root is None or any("depth" in entry.message.lower() for entry in parser.error_log):
        # Nested deeper than any parser goes: its words are kept, without their order in lists and tables.
        return paragraph(escaped(" ".join(html.unescape(_TAG.sub(" ", body)).split())))
    return re.sub(r"\n{3,}", "\n\n", Writer(names).blocks(root)).strip("\n")


def tag(element: Element) -> tuple[str, str]:
    """(namespace ``ac``, ``ri`` or empty, local name)."""
    if not isinstance(element.tag, str):
        return "", ""
    name = etree.QName(element)
    return {AC: "ac", RI: "ri"}.get(name.namespace or "", ""), name.localname.lower()


def attribute(element: Element, name: str, space: str = AC) -> str:
    return str(element.get(f"{{{space}}}{name}") or element.get(name) or "")


def child(element: Element, name: str) -> Element | None:
    return next((inner for inner in element if tag(inner) == ("ac", name)), None)


class Writer:
    def __init__(self, names: Names) -> None:
        self.names = names
        self.depth = 0

    def blocks(self, element: Element) -> str:
        """All that is in an element, as blocks with blank lines between."""
        self.depth += 1
        parts = list(self._parts(element)) if self.depth < _DEEPEST else [escaped("".join(element.itertext()))]
        self.depth -= 1
        return "\n\n".join(part.strip("\n") for part in parts if part.strip())

    def _parts(self, element: Element) -> Iterator[str]:
        """Runs of inline things are paragraphs of their own."""
        run = self._text(element.text)
        for inner in element:
            if self._is_block(inner):
                yield paragraph(run.strip())
                run = ""
                yield self._block(inner)
            else:
                run += self.inline(inner)
            run += self._text(inner.tail)
        yield paragraph(run.strip())

    def _is_block(self, element: Element) -> bool:
        space, name = tag(element)
        if space == "ac":
            return name in _AC_BLOCKS and not macros.is_inline(element)
        return name in _BLOCKS

    def _block(self, element: Element) -> str:
        space, name = tag(element)
        if space == "ac":
            return self._ac_block(element, name)
        if name in _HEADINGS:
            text = " ".join(self.words(element).split())
            return f"{'#' * min(6, _HEADINGS[name] + 1)} {text}" if text else ""
        match name:
            case "ul" | "ol":
                return self._list(element, ordered=name == "ol")
            case "table":
                return self._table(element)
            case "blockquote":
                inner = self.blocks(element)
                return quoted(inner) if inner else ""
            case "pre":
                return fenced("".join(element.itertext()))
            case "hr":
                return "---"
        return self.blocks(element)

    def _ac_block(self, element: Element, name: str) -> str:
        if name in ("structured-macro", "macro"):
            return macros.block(element, self)
        if name == "task-list":
            return "\n".join(self._task(task) for task in element if tag(task) == ("ac", "task"))
        if name == "adf-extension":
            fallback = next((inner for inner in element.iter() if tag(inner) == ("ac", "adf-fallback")), None)
            return self.blocks(element if fallback is None else fallback)
        return self.blocks(element)

    def _task(self, task: Element) -> str:
        status, body = child(task, "task-status"), child(task, "task-body")
        done = "".join(status.itertext()).strip() == "complete" if status is not None else False
        text = self.blocks(body) if body is not None else ""
        return f"- [{'x' if done else ' '}] {indented(text, '  ').strip()}"

    def _list(self, element: Element, *, ordered: bool) -> str:
        lines = []
        for number, item in enumerate((inner for inner in element if tag(inner)[1] == "li"), 1):
            mark = f"{number}. " if ordered else "- "
            text = re.sub(r"\n\n(?=[ ]*(?:[-*]|\d+\.) )", "\n", self.blocks(item))
            lines.append(mark + indented(text, " " * len(mark)).strip())
        return "\n".join(lines)

    def _table(self, element: Element) -> str:
        """A table in a table comes as the words of its cell."""
        rows = [row for row in element.iter("tr") if next(row.iterancestors("table"), None) is element]
        cells = [[self._cell(cell) for cell in row if tag(cell)[1] in ("td", "th")] for row in rows]
        header = bool(rows) and any(tag(cell)[1] == "th" for cell in rows[0])
        return table([row for row in cells if row], header=header)

    def _cell(self, cell: Element) -> str:
        text = " ".join(self.blocks(cell).split())
        span = str(cell.get("colspan") or "1")
        return text + " |" * (min(int(span), 50) - 1) if span.isdigit() and int(span) > 1 else text

    # inside a line

    def words(self, element: Element) -> str:
        """An element's content as one run of words."""
        if self.depth > _DEEPEST:
            return escaped("".join(element.itertext()))
        self.depth += 1
        text = self._text(element.text)
        for inner in element:
            text += f" {self.blocks(inner)} " if self._is_block(inner) else self.inline(inner)
            text += self._text(inner.tail)
        self.depth -= 1
        return text

    def inline(self, element: Element) -> str:
        space, name = tag(element)
        if space == "ac":
            return self._ac_inline(element, name)
        if space == "ri":
            return self._resource(element, name)
        match name:
            case "br":
                return "\n"
            case "code":
                return code("".join(element.itertext()))
            case "a":
                return linked(self.words(element).strip(), element.get("href"))
            case "time":
                return escaped(str(element.get("datetime") or "".join(element.itertext())))
            case "img":
                return f"[Image: {escaped(str(element.get('alt') or 'without a name'))}]"
        return wrapped(self.words(element), _MARKS[name]) if name in _MARKS else self.words(element)

    def _ac_inline(self, element: Element, name: str) -> str:
        match name:
            case "link":
                return self._link(element)
            case "image":
                return self._image(element)
            case "emoticon":
                return attribute(element, "emoji-fallback") or f":{attribute(element, 'name')}:"
            case "placeholder" | "parameter":
                return ""
            case "structured-macro" | "macro":
                return macros.inline(element, self)
        return self.words(element)

    def _link(self, element: Element) -> str:
        said, target, url = "", "", ""
        for inner in element:
            space, name = tag(inner)
            if space == "ri":
                target, url = self._resource(inner, name), attribute(inner, "value", RI)
            elif name in ("link-body", "plain-text-link-body"):
                said = self.words(inner).strip()
        anchor = attribute(element, "anchor")
        return linked(said or target or escaped(anchor), url)

    def _image(self, element: Element) -> str:
        named = next((self._resource(inner, tag(inner)[1]) for inner in element if tag(inner)[0] == "ri"), "")
        alt = attribute(element, "alt") or attribute(element, "title")
        caption = child(element, "caption")
        text = f"[Image: {escaped(alt) or named or 'without a name'}]"
        return f"{text} {self.words(caption).strip()}" if caption is not None else text

    def _resource(self, element: Element, name: str) -> str:
        match name:
            case "user":
                for key in ("account-id", "userkey", "username"):
                    if value := attribute(element, key, RI):
                        return f"@{escaped(self.names(key, value) or 'a person')}"
                return "@a person"
            case "page" | "blog-post" | "content-entity":
                return escaped(attribute(element, "content-title", RI) or "another page")
            case "attachment":
                return escaped(attribute(element, "filename", RI))
            case "space":
                return escaped(attribute(element, "space-key", RI))
            case "url":
                return escaped(attribute(element, "value", RI).rpartition("/")[2] or attribute(element, "value", RI))
            case "shortcut":
                return escaped(attribute(element, "value", RI))
        return ""

    def _text(self, text: str | None) -> str:
        return escaped(re.sub(r"[ \t\r\n]+", " ", (text or "").replace("\u00a0", " ")))
