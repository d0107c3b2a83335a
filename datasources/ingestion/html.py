"""HTML made ready for Markdown: scripts, navigation, forms and hidden parts go; links and pictures become their text."""

from __future__ import annotations

import re

from lxml import etree
from lxml import html as lxml_html

_DROP = (
    "script style noscript template svg math canvas iframe object embed applet nav form button select input textarea "
)
_DROP += "dialog head link meta audio video map"
_ROLES = {"navigation", "banner", "contentinfo", "search", "menu", "menubar", "dialog", "alertdialog", "complementary"}
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_LAYOUT = ("table", "tbody", "thead", "tfoot", "tr", "td", "th", "caption", "colgroup", "col")
_FURNITURE = re.compile(r"(?:^|[\s_-])(?:navbox|navbar|breadcrumbs?|cookie\S*|mw-editsection|sidebar-toc)(?:$|[\s_-])")
_WRAPPERS = ("div", "section", "article", "main", "aside", "center", "font", "span", "figure", "header", "footer")
_DEEPEST = 40
"""The library drops, without a word, what is nested some 60 deep."""
_CUT = "The page is nested so deep that part of it was left out"


def tidy(text: str) -> tuple[str, str, tuple[str, ...]]:
    """(HTML of what a person reads, title, what was left out). The first two are empty where nothing is left."""
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    if not text.strip():
        return "", "", ()
    parser = lxml_html.HTMLParser(recover=True, remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        root = lxml_html.document_fromstring(text, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return "", "", ()
    title = " ".join((root.findtext(".//title") or "").split())
    _remove(root)
    body = _main(root)
    _unlink(body)
    _unwrap_layout(body)
    _flatten(body)
    for element in body.iter():
        if isinstance(element.tag, str):
            href = None if element.tag not in ("td", "th") else {k: element.get(k) for k in ("colspan", "rowspan")}
            element.attrib.clear()
            element.attrib.update({k: v for k, v in (href or {}).items() if v})
    cut = any("depth" in entry.message.lower() for entry in parser.error_log)
    return etree.tostring(body, encoding="unicode", method="html"), title, (_CUT,) if cut else ()


def _remove(root: lxml_html.HtmlElement) -> None:
    doomed = list(root.iter(*_DROP.split()))
    for element in root.iter():
        if not isinstance(element.tag, str) or element.tag in ("html", "body"):
            continue
        style, role = element.get("style", ""), element.get("role", "")
        names = f"{element.get('class', '')} {element.get('id', '')}"
        if (
            "hidden" in element.attrib
            or (element.get("aria-hidden") == "true" and element.tag not in ("html", "body"))
            or (style and _HIDDEN.search(style))
            or role in _ROLES
            or _FURNITURE.search(names)
        ):
            doomed.append(element)
    for element in doomed:
        if element.getparent() is not None:
            element.drop_tree()
    for element in root.xpath("//body/header | //body/footer | //body/div/header | //body/div/footer"):
        if len(_words(element)) < 80 and not element.xpath(".//h1"):
            element.drop_tree()


def _words(element: lxml_html.HtmlElement) -> list[str]:
    return element.text_content().split()


def _main(root: lxml_html.HtmlElement) -> lxml_html.HtmlElement:
    """The part that says it is the content, where it holds most of the words; else the body."""
    bodies = root.xpath("//body")
    body = bodies[0] if bodies else root
    total = len(_words(body))
    for path in ("//main", "//*[@role='main']", "//article"):
        found = body.xpath(path)
        if len(found) == 1 and len(_words(found[0])) >= total * 0.5:
            return found[0]
    return body


def _unlink(body: lxml_html.HtmlElement) -> None:
    """A link becomes its text, a picture what it shows."""
    for picture in list(body.iter("img", "picture", "source")):
        alt = " ".join(picture.get("alt", "").split())
        picture.tail = f"{alt} {picture.tail or ''}" if len(alt) > 3 and picture.tag == "img" else picture.tail
        picture.drop_tree()
    for link in list(body.iter("a")):
        if link.getparent() is not None:
            link.drop_tag()


def _unwrap_layout(body: lxml_html.HtmlElement) -> None:
    """Tables that only place things on the page turn into plain blocks; tables of data stay."""
    for table in reversed(list(body.iter("table"))):
        if table is body or not _is_layout(table):
            continue
        inner = [e for e in table.iter(*_LAYOUT) if e is not table and next(e.iterancestors("table"), None) is table]
        for element in inner:
            if element.tag in ("td", "th", "tr", "caption"):
                element.tag = "div"
            else:
                element.drop_tag()
        table.tag = "div"


def _is_layout(table: lxml_html.HtmlElement) -> bool:
    if table.get("role") == "presentation":
        return True
    if table.xpath(".//th") and table.xpath("count(.//tr)") > 1:
        return False
    if table.xpath(".//table"):
        return True
    rows = table.xpath("./tr | ./*/tr")
    widest = max((len(row.xpath("./td | ./th")) for row in rows), default=0)
    if widest < 2 or len(rows) < 2:
        return True
    return any(len(_words(cell)) > 200 for cell in table.iter("td"))


def _flatten(body: lxml_html.HtmlElement) -> None:
    """Unwrap what only wraps; what is still too deep becomes plain paragraphs, so that no word is lost."""
    for element in list(body.iter(*_WRAPPERS)):
        if element is not body and len(element) == 1 and not (element.text or element[0].tail or "").strip():
            element.drop_tag()
    level = [body]
    for _ in range(_DEEPEST):
        level = [child for element in level for child in element]
        if not level:
            return
    for element in level:
        texts = [text for text in (" ".join(part.split()) for part in element.itertext()) if text]
        for child in list(element):
            element.remove(child)
        element.text = None
        for text in texts:
            etree.SubElement(element, "p").text = text
