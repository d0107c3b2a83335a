"""Salesforce: each object a table with a text of its own, each of its records a document below it.

What changed comes by SystemModstamp, what was deleted by Salesforce's own log of deletions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Chosen,
    Content,
    Cursor,
    Estimate,
    NodeError,
    RemoteNode,
    TableData,
    TestResult,
)
from datasources.connectors.lines import Lines
from datasources.connectors.salesforce import filters
from datasources.connectors.salesforce.about import ABOUT, OBJECTS
from datasources.connectors.salesforce.client import Client
from datasources.connectors.salesforce.shape import Shape
from datasources.connectors.salesforce.walk import HIDDEN, Position, Walk
from datasources.connectors.wording import inline, plural

_FOUND = 50


class Salesforce:
    """Config: ``objects`` (API names), perhaps ``base_url``. Secret: as its way to log in asks for."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.client = Client(config, secret, around)
        given = config.get("objects") or []
        parts = given.replace(",", "\n").split("\n") if isinstance(given, str) else given
        self.objects = list(dict.fromkeys(str(part).strip() for part in parts if str(part).strip()))
        self._shapes: dict[str, Shape] = {}
        self._lock = threading.Lock()

    def test(self) -> TestResult:
        walk = self._walk(())
        shapes = {name: walk.shape(name) for name in walk.names()}
        found = [shape for shape in shapes.values() if shape is not None]
        missing = [name for name, shape in shapes.items() if shape is None]
        if not found:
            return TestResult(False, f"This user may read none of {', '.join(walk.wanted)}: give it Read on them")
        hidden = [f"{shape.name}.{field}" for shape in found for field in shape.hidden]
        counts = [plural(self._count(shape), "record") + f" of {shape.plural}" for shape in found]
        words = f"{self.client.root} can be read: {', '.join(counts)}"
        words += f". Fields that this user may not see: {', '.join(hidden)}" if hidden else ""
        words += f". Objects that this user may not see: {', '.join(missing)}" if missing else ""
        return TestResult(True, words)

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        walk = self._walk(())
        for name in walk.names() if parent is None else [parent.removeprefix("object:")]:
            shape = walk.shape(name)
            if shape is None:
                continue
            chosen = filters.Chosen(filters.base(shape))
            if parent is None:
                yield walk.object_node(shape, chosen)
                continue
            soql = chosen.soql(shape.selected(), shape.name, tail=f"ORDER BY {(*shape.titles, 'Id')[0]}")
            for page in self.client.pages(soql):
                yield from (walk.record_node(shape, record) for record in page)

    def find(self, text: str) -> Iterator[RemoteNode]:
        """Objects, then records, whose name contains ``text``, whatever its case."""
        walk = self._walk(())
        shapes = [shape for name in walk.names() if (shape := walk.shape(name)) is not None]
        for shape in shapes:
            if text.casefold() in shape.plural.casefold():
                yield walk.object_node(shape, filters.Chosen(filters.base(shape)))
        pattern = "'%" + filters.quoted(text)[1:-1].replace("%", r"\%").replace("_", r"\_") + "%'"
        for shape in shapes:
            like = " OR ".join(f"{name} LIKE {pattern}" for name in shape.titles)
            if not like:
                continue
            soql = filters.Chosen(filters.base(shape)).soql(shape.selected(), shape.name, like, tail=f"LIMIT {_FOUND}")
            for page in self.client.pages(soql):
                yield from (walk.record_node(shape, record) for record in page)

    def choices(self, external_id: str | None) -> Mapping[str, Sequence[str]]:
        """The list views of an object that this user sees."""
        name = (external_id or "").removeprefix("object:")
        if not name or self._walk(()).shape(name) is None:
            return {}
        return {"list_view": [str(view.get("label") or "") for view in self.client.list_views(name)]}

    def check(self, external_id: str | None, options: Mapping[str, Any]) -> None:
        """The list view has to be there, and the filter a condition; of everything, for each object."""
        if external_id is not None and not external_id.startswith("object:"):
            return
        walk = self._walk(())
        for name in walk.names() if external_id is None else [external_id.removeprefix("object:")]:
            if (shape := walk.shape(name)) is not None:
                filters.chosen(self.client, shape, Lines([Chosen(external_id, options=options)]))

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        """Each object counts as a document, too."""
        walk, number = self._walk(chosen), 0
        for name in walk.names():
            shape = walk.shape(name) if walk.enters(name) else None
            if shape is not None:
                of_it = filters.chosen(self.client, shape, walk.lines)
                number += self.client.count(of_it.soql("COUNT()", name)) + walk.lines.takes(filters.object_id(name))
        return Estimate(number)

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        yield from self._walk(chosen).run(Position.of(cursor))

    def fetch(self, node: RemoteNode) -> Content:
        if node.external_id.startswith("object:"):
            return self._table(node)
        shape = self._shape(str(node.extra["object"]))
        where = filters.Chosen(f"Id = {filters.quoted(str(node.extra['id']))}")
        found = next(self.client.pages(where.soql(shape.everything(), shape.name)))
        if not found:
            raise NodeError("It is no longer at Salesforce, or this user may not see it any more", skip=True)
        return Content(markdown=shape.text(found[0]))

    def _table(self, node: RemoteNode) -> Content:
        shape = self._shape(node.external_id.removeprefix("object:"))
        chosen = filters.Chosen(str(node.extra.get("where") or ""), str(node.extra.get("scope") or ""))
        paths = ", ".join(dict.fromkeys(["Id", *(field.path for field in shape.fields)]))
        pages = self.client.pages(chosen.soql(paths, shape.name, tail="ORDER BY Id"))
        rows = ([field.cell(record) for field in shape.fields] for page in pages for record in page)
        table = TableData(tuple(field.column for field in shape.fields), rows)
        return Content(markdown=_described(shape, int(node.extra.get("number") or 0)), tables=(table,))

    def _shape(self, name: str) -> Shape:
        with self._lock:
            shape = self._shapes.get(name) or self._walk(()).shape(name)
            if shape is None:
                raise NodeError(HIDDEN, skip=True)
            self._shapes[name] = shape
            return shape

    def _count(self, shape: Shape) -> int:
        return self.client.count(filters.Chosen(filters.base(shape)).soql("COUNT()", shape.name))

    def _walk(self, chosen: Sequence[Chosen]) -> Walk:
        return Walk(self.client, Lines(chosen), self.objects or OBJECTS, named=bool(self.objects))


def _described(shape: Shape, number: int) -> str:
    lines = [f"- {inline(field.label)} (`{field.column}`, {field.kind})" for field in shape.fields]
    parts = [
        f"# {inline(shape.plural)}",
        f"A table of Salesforce, {plural(number, 'record')}, one row each. Its fields:",
        "\n".join(lines),
    ]
    if shape.hidden:
        parts.append(f"Fields that this connection may not see: {', '.join(shape.hidden)}")
    return "\n\n".join(parts) + "\n"


CONNECTOR = Salesforce
