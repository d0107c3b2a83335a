"""Macros of Confluence: those with text of their own are written, the others named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datasources.connectors.markup import escaped, fenced, quoted

if TYPE_CHECKING:
    from datasources.connectors.confluence.storage import Writer

Element = Any
_BOXES = {
    "info": "Info",
    "note": "Note",
    "tip": "Tip",
    "warning": "Warning",
    "panel": "",
    "success": "Success",
    "error": "Error",
}
_CODE = ("code", "noformat", "html", "markdown")
_PLAIN = (
    "excerpt",
    "section",
    "column",
    "details",
    "div",
    "span",
    "center",
    "alignment",
    "tabs-group",
    "tab",
    "ui-tabs",
    "ui-tab",
)
_SILENT = ("anchor", "toc", "toc-zone")
"""Without words of their own: a table of contents says again what the headings say."""
_FILES = ("view-file", "viewpdf", "viewdoc", "viewxls", "viewppt", "multimedia")
_INCLUDES = ("include", "excerpt-include")
_INLINE = ("status", "jira", "anchor", "profile", "emoji", "mention")


def name_of(element: Element) -> str:
    return next((str(value) for key, value in element.attrib.items() if key.endswith("name")), "").lower()


def is_inline(element: Element) -> bool:
    return name_of(element) in _INLINE


def inline(element: Element, writer: Writer) -> str:
    name, given = name_of(element), _parameters(element)
    if name == "status":
        return f"[{escaped(given.get('title') or given.get('colour') or 'status')}]"
    if name == "jira":
        asked = given.get("key") or given.get("jqlquery")
        return f"Jira {escaped(asked)}" if asked else "[Macro: jira]"
    if name == "profile":
        return writer.words(element).strip() or "[Macro: profile]"
    if name in _SILENT:
        return ""
    return " ".join(block(element, writer).split())


def block(element: Element, writer: Writer) -> str:
    name, given = name_of(element), _parameters(element)
    body, plain = _body(element, "rich-text-body"), _body(element, "plain-text-body")
    inside = writer.blocks(body) if body is not None else ""
    title = escaped(given.get("title") or "")
    if name in _CODE and plain is not None:
        text = fenced("".join(plain.itertext()).strip("\n"), given.get("language") or "")
        return f"**{title}**\n\n{text}" if title else text
    if name in _BOXES:
        label = ": ".join(part for part in (_BOXES[name], title) if part)
        return quoted("\n\n".join(part for part in (f"**{label}**" if label else "", inside) if part))
    if name == "expand":
        return "\n\n".join(part for part in (f"**{title or 'More'}**", inside) if part)
    if name in _PLAIN:
        return inside
    if name in _SILENT:
        return inside
    if name in _INCLUDES:
        return f"[Includes the page “{_named(element, writer)}”]"
    if name in _FILES:
        return f"[File: {_named(element, writer)}]"
    shown = f"[Macro: {escaped(name or 'without a name')}{f', {title}' if title else ''}]"
    if plain is not None:
        inside = fenced("".join(plain.itertext()).strip("\n"))
    return f"{shown}\n\n{inside}" if inside else shown


def _parameters(element: Element) -> dict[str, str]:
    found = {}
    for inner in element:
        if str(inner.tag).rpartition("}")[2] in ("parameter", "default-parameter"):
            found[name_of(inner)] = " ".join("".join(inner.itertext()).split())
    return found


def _body(element: Element, kind: str) -> Element | None:
    return next((inner for inner in element if str(inner.tag).rpartition("}")[2] == kind), None)


def _named(element: Element, writer: Writer) -> str:
    """The page or file that a parameter points to."""
    for inner in element.iter():
        if str(inner.tag).rpartition("}")[2] in ("page", "attachment", "blog-post"):
            return writer.inline(inner)
    return escaped(_parameters(element).get("name") or _parameters(element).get("") or "without a name")
