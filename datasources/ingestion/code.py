"""Source code as Markdown: each definition in a fenced block of its own, under a heading with its qualified name.

The chunker cuts between sections, so passages of code begin where functions and classes do, and carry their names.
Lines are never changed, left out or told twice: every line of the file that is not blank stands in one of the fences.
The grammars are compiled parsers, so this runs in the child that reads files (see child.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module

from tree_sitter import Language, Node, Parser

from datasources.ingestion.grammars import GRAMMARS, Grammar, language_of
from datasources.ingestion.results import Extracted

_WHOLE_CHARS = 2_500
"""A class that is no longer than this stays in one piece; a longer one is cut at its methods."""
_LONGEST_CHARS = 2_000_000
_LONGEST_LINE = 5_000
"""Longer ones were written by a program: its structure is nothing that a person would ask for."""
_DEEPEST = 5
_CLOSING = re.compile(r"\s*(?:[\])};,]*|end|fi|done|esac|\?>|#endif\b.*)\s*(?://.*|/\*.*|#.*)?")
_CPLUSPLUS = re.compile(r"^\s*(?:(?:class|namespace)\s+\w|template\s*<|(?:public|private|protected)\s*:)", re.MULTILINE)
_TICKS = re.compile(r"`+")
_MARKS, _ESCAPED = re.compile(r"([\\`*_<>#\[\]])"), r"\\\1"


@dataclass(slots=True)
class _Definition:
    """``first`` and ``last`` are rows, both within it. ``below``: its own definitions, where it is cut at them."""

    name: str
    first: int
    last: int
    below: list[_Definition] = field(default_factory=list)


def code(text: str, filename: str) -> Extracted | None:
    """None where the language is not known, or the text was not written by people."""
    language = language_of(filename)
    if language is None or len(text) > _LONGEST_CHARS:
        return None
    lines = text.split("\n")
    if max(map(len, lines)) > _LONGEST_LINE:
        return None
    grammar, root = _parsed(language, text)
    found = _definitions(grammar, root.children, "", lines, 0)
    writer = _Writer(lines, grammar.fence)
    writer.region(0, len(lines) - 1, found, "", 1)
    return Extracted(writer.markdown(), "", "code", (), {"language": grammar.fence})


def _parsed(language: str, text: str) -> tuple[Grammar, Node]:
    """The tree. A ``.h`` may hold C or C++."""
    name = "cpp" if language == "c" and _CPLUSPLUS.search(text) else language
    return GRAMMARS[name], _parser(name).parse(text.encode("utf-8", "replace")).root_node


@lru_cache(maxsize=len(GRAMMARS))
def _parser(name: str) -> Parser:
    grammar = GRAMMARS[name]
    return Parser(Language(getattr(import_module(grammar.module), grammar.function)()))


def _definitions(grammar: Grammar, nodes: list[Node], prefix: str, lines: list[str], depth: int) -> list[_Definition]:
    found: list[_Definition] = []
    for index, node in enumerate(nodes):
        inner = _unwrapped(grammar, node)
        if inner.type in grammar.through:
            name = _name(grammar, inner) if inner.type in grammar.named_through else ""
            within = inner.child_by_field_name("body") or inner
            if depth < _DEEPEST * 2:
                found += _definitions(grammar, within.children, _joined(grammar, prefix, name), lines, depth + 1)
            continue
        name = _name(grammar, inner) if _defines(grammar, inner) else ""
        if not name:
            continue
        first = _first_row(grammar, nodes, index)
        last = _last_row(node)
        if found and first <= found[-1].last:
            first = max(node.start_point.row, found[-1].last + 1)
        if first > last:
            continue
        definition = _Definition(_joined(grammar, prefix, name), first, last)
        body = inner.child_by_field_name("body")
        size = sum(len(line) + 1 for line in lines[first : last + 1])
        if inner.type in grammar.classes and body is not None and size > _WHOLE_CHARS and depth < _DEEPEST:
            definition.below = _definitions(grammar, body.children, definition.name, lines, depth + 1)
        found.append(definition)
    return found


def _joined(grammar: Grammar, prefix: str, name: str) -> str:
    return f"{prefix}{grammar.joint}{name}" if prefix and name else prefix or name


def _unwrapped(grammar: Grammar, node: Node) -> Node:
    """The definition inside decorators, ``export``, ``template <…>`` and the like."""
    for _ in range(4):
        if node.type not in grammar.wrappers:
            break
        named = [child for child in node.named_children if "comment" not in child.type]
        inner = node.child_by_field_name("definition") or node.child_by_field_name("declaration")
        if inner is None and not named:
            break
        node = inner if inner is not None else named[-1]
    return node


def _defines(grammar: Grammar, node: Node) -> bool:
    if node.type.endswith("_specifier") and node.child_by_field_name("body") is None:
        return False
    return node.type in grammar.definitions or node.type in grammar.classes or node.type in grammar.assigned


def _name(grammar: Grammar, node: Node) -> str:
    if node.type in grammar.assigned:
        return _assigned_name(grammar, node)
    if node.type == "impl_item":
        trait, kind = _text(node.child_by_field_name("trait")), _text(node.child_by_field_name("type"))
        return f"{kind} as {trait}" if trait else kind
    if node.type == "method_declaration" and (receiver := node.child_by_field_name("receiver")) is not None:
        kinds = re.findall(r"\w+", _text(receiver).partition("[")[0])
        return f"{kinds[-1]}.{_text(node.child_by_field_name('name'))}" if kinds else ""
    name = node.child_by_field_name("name")
    if name is None and (declarator := node.child_by_field_name("declarator")) is not None:
        name = _declared(declarator)
    if name is None:
        name = next((n for c in node.named_children if (n := c.child_by_field_name("name")) is not None), None)
    return _text(name)


def _declared(node: Node) -> Node | None:
    """The name inside ``*f(int)``: declarators nest in C."""
    for _ in range(8):
        inner = node.child_by_field_name("declarator")
        if inner is None:
            break
        node = inner
    return node


def _assigned_name(grammar: Grammar, node: Node) -> str:
    """``const f = () => …`` and ``exports.f = function …`` define a function; other assignments define nothing."""
    for one in (node, *node.named_children):
        value = one.child_by_field_name("value") or one.child_by_field_name("right")
        name = one.child_by_field_name("name") or one.child_by_field_name("property") or one.child_by_field_name("left")
        if value is not None and name is not None and value.type in grammar.functions:
            return _text(name)
    return ""


def _text(node: Node | None) -> str:
    text = (node.text or b"").decode("utf-8", "replace") if node is not None else ""
    return " ".join(re.sub(r"<[^<>]*>", "", text).split())[:120]


def _first_row(grammar: Grammar, nodes: list[Node], index: int) -> int:
    """Where it begins, with the comments and attributes that stand right above it."""
    row = nodes[index].start_point.row
    while index > 0:
        above = nodes[index - 1]
        if not ("comment" in above.type or above.type in grammar.above) or _last_row(above) != row - 1:
            break
        row, index = above.start_point.row, index - 1
    return row


def _last_row(node: Node) -> int:
    end = node.end_point
    return end.row - 1 if end.column == 0 and end.row > node.start_point.row else end.row


class _Writer:
    """Rows into sections. A heading's level says how deep the definition lies."""

    def __init__(self, lines: list[str], fence: str) -> None:
        self.lines = lines
        self.fence = fence
        self.sections: list[tuple[str, list[str]]] = []

    def region(self, first: int, last: int, found: list[_Definition], name: str, level: int) -> None:
        """The rows of a file (``name`` empty) or of a class that is cut, its definitions under headings one level down."""
        heading = _heading(name, level) if name else ""
        at = first
        for definition in found:
            self._between(at, definition.first - 1, heading)
            if definition.below:
                self.region(definition.first, definition.last, definition.below, definition.name, level + 1)
            else:
                self._add(_heading(definition.name, level + 1), definition.first, definition.last)
            at = definition.last + 1
            heading = _heading(f"{name}, continued" if name else "Top level", level + 1)
        self._between(at, last, heading)

    def _between(self, first: int, last: int, heading: str) -> None:
        rows = [line for line in self.lines[first : last + 1] if line.strip()]
        if not rows:
            return
        if self.sections and all(_CLOSING.fullmatch(row) for row in rows):
            self.sections[-1][1].extend(rows)
        else:
            self._add(heading, first, last)

    def _add(self, heading: str, first: int, last: int) -> None:
        rows = self.lines[first : last + 1]
        while rows and not rows[0].strip():
            rows = rows[1:]
        while rows and not rows[-1].strip():
            rows = rows[:-1]
        if rows:
            self.sections.append((heading, rows))

    def markdown(self) -> str:
        parts = []
        for heading, rows in self.sections:
            longest = max((len(run) for row in rows for run in _TICKS.findall(row)), default=0)
            fence = "`" * max(3, longest + 1)
            block = "\n".join((f"{fence}{self.fence}", *rows, fence))
            parts.append(f"{heading}\n\n{block}\n" if heading else f"{block}\n")
        return "\n".join(parts)


def _heading(name: str, level: int) -> str:
    marks = "#" * min(level, 6)
    return f"{marks} {_MARKS.sub(_ESCAPED, name)}"
