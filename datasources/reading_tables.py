"""The way of one reader, with one assistant's knowledge, to tables: which ones fit, and SQL over some of them.

As for passages, access is asked anew at each step: a table that was found a moment ago is not asked once it may not be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Substr

from datasources.models import Document, Node, Table
from datasources.reading import Knowledge, ReadablePassage, nodes_within
from datasources.tables import Limits, Result, SqlError, named, run_sql
from datasources.titles import title_of
from portal.models import Membership
from portal.threads import in_database

MOST_OFFERED = 8
"""Tables that a model is told of at once: those that the search found, then those beside them that look joined."""
_BESIDE = 40
_HEAD = 20_000
"""Code points of a document in which the descriptions of its tables stand."""
GONE = "One of the tables is gone, or may not be read any more."


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table that the reader may ask. ``name``: what SQL calls it; ``columns`` as ``models.Table`` keeps them."""

    id: UUID
    node: UUID
    name: str
    title: str
    columns: Sequence[dict[str, Any]]
    rows: int
    left_out: int
    digest: str


@dataclass(frozen=True, slots=True)
class TableReader:
    """Made by ``SourceReader.tables``."""

    membership: Membership
    knowledge: Knowledge

    async def fitting(self, nodes: Sequence[UUID], *, others: bool = False) -> tuple[Sheet, ...]:
        """Tables of these nodes, in their order, and then some that may be joined to them; empty where these have none.

        ``others``: then also whatever tables there are within the knowledge, largest first, as far as there is room.
        """
        return await in_database(self._fitting, nodes, others) if nodes or others else ()

    async def ask(self, sheets: Sequence[Sheet], sql: str, limits: Limits) -> Result:
        """Raises SqlError and TablesUnavailable, each with a sentence."""
        return await in_database(self._ask, sheets, sql, limits)

    async def passages(self, sheets: Sequence[Sheet]) -> tuple[ReadablePassage, ...]:
        """What describes each of them, as a passage of its document, so that an answer can cite it."""
        return await in_database(self._passages, sheets)

    def _tables(self) -> QuerySet[Table]:
        return Table.objects.filter(node__in=self._nodes().values("pk")).select_related("node")

    def _nodes(self) -> QuerySet[Node]:
        return nodes_within(self.membership, self.knowledge)

    def _fitting(self, nodes: Sequence[UUID], others: bool = False) -> tuple[Sheet, ...]:
        order = {node: at for at, node in enumerate(dict.fromkeys(nodes))}
        found = sorted(self._tables().filter(node__in=order), key=lambda t: (order[t.node_id], t.position))
        found = found[:MOST_OFFERED]
        if found and (room := MOST_OFFERED - len(found)):
            beside = Q(pk__in=[])
            for source, parent in {(table.node.source_id, table.node.parent_id) for table in found}:
                beside |= Q(node__source=source, node__parent=parent)
            near = self._tables().filter(beside).exclude(pk__in=[table.pk for table in found])[:_BESIDE]
            found += sorted(near, key=lambda t: (-_shared(t, found), t.title, str(t.pk)))[:room]
        if others and (room := MOST_OFFERED - len(found)):
            rest = self._tables().exclude(pk__in=[table.pk for table in found])
            found += rest.order_by("-rows", "label", "pk")[:room]
        return tuple(_sheet(name, table) for name, table in named(found).items())

    def _ask(self, sheets: Sequence[Sheet], sql: str, limits: Limits) -> Result:
        tables = self._tables().in_bulk([sheet.id for sheet in sheets])
        if len(tables) < len(sheets):
            raise SqlError(GONE, "refused")
        return run_sql({sheet.name: tables[sheet.id] for sheet in sheets}, sql, limits)

    def _passages(self, sheets: Sequence[Sheet]) -> tuple[ReadablePassage, ...]:
        readable = self._nodes().filter(pk__in={sheet.node for sheet in sheets}).values("pk")
        documents = {
            document.pk: document
            for document in Document.objects.filter(node__in=readable)
            .select_related("node__source")
            .annotate(head=Substr("text", 1, _HEAD))
            .defer("text", "node__source__cursor")
        }
        return tuple(_passage(sheet, documents[sheet.node]) for sheet in sheets if sheet.node in documents)


def _shared(table: Table, found: Sequence[Table]) -> int:
    """How many of its columns are called like one of those: what joins tables usually is."""
    names = {column["name"].casefold() for other in found for column in other.columns}
    return sum(column["name"].casefold() in names for column in table.columns)


def _sheet(name: str, table: Table) -> Sheet:
    return Sheet(
        table.pk, table.node_id, name, table.title, table.columns, table.rows, table.left_out, table.content_hash
    )


def _passage(sheet: Sheet, document: Any) -> ReadablePassage:
    node: Node = document.node
    start, end = _described_at(document.head, sheet)
    return ReadablePassage(
        node=node.pk,
        source=node.source_id,
        source_name=node.source.name,
        title=title_of(document.title, node.title, node.kind),
        path=node.path,
        url=node.url,
        kind=node.kind,
        heading="",
        text=document.head[start:end],
        start=start,
        end=end,
        content_hash=document.indexed_hash or document.content_hash,
        score=1.0,
        modified=node.modified,
    )


def _described_at(head: str, sheet: Sheet) -> tuple[int, int]:
    """Where the paragraph about the table stands; the document's beginning where it is not found."""
    at = 0
    for paragraph in head.split("\n\n"):
        if paragraph.startswith("Table “") and paragraph.replace("\\", "").startswith(f"Table “{sheet.title}”"):
            return at, at + len(paragraph)
        at += len(paragraph) + 2
    return 0, max(1, len(head.partition("\n\n")[0]))
