"""What integrations wrote through the REST API: documents, folders and tables, each under an external id of their own.

The store is the source here, and it is near: every run lists all of it. A single write is told by ``look``, at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.api.about import ABOUT
from datasources.connectors.around import Around, TableRows, WrittenNode, WrittenStore
from datasources.connectors.base import (
    Change,
    Checkpoint,
    Chosen,
    Complete,
    ConnectorError,
    Content,
    Cursor,
    Delete,
    Estimate,
    NodeError,
    NodeKind,
    RemoteNode,
    Skipped,
    TableData,
    TestResult,
    Upsert,
)
from datasources.connectors.lines import Lines
from datasources.connectors.wording import inline

ORPHAN = "The folder “{}” that it was written into is not there: write that first, or write this one without it"
LOOP = "It was written into itself: write it again with another parent"
_DEEPEST = 100


class Written:
    """Config and secret are empty; what was written comes from ``around.written``."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        if around.written is None:
            raise ConnectorError("What is written by API has no place to be kept in", permanent=True)
        self.around = around
        self.store: WrittenStore = around.written

    def test(self) -> TestResult:
        number = sum(1 for node in self.store.all() if node.text is not None or node.has_table)
        if not number:
            return TestResult(True, "Nothing was written yet: write documents with the REST API")
        return TestResult(True, f"{number:,} document{'s' * (number != 1)} written so far")

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        holders = self._holders()
        for node in self.store.children(parent):
            yield self._node(node, holders)

    def find(self, text: str) -> Iterator[RemoteNode]:
        """Titles that contain ``text``, whatever its case."""
        wanted, holders = text.casefold(), self._holders()
        for node in self.store.all():
            if wanted in node.title.casefold():
                yield self._node(node, holders)

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        told = (change.node for change in self._listing(Lines(chosen)) if isinstance(change, Upsert))
        return Estimate(sum(1 for node in told if node.has_text))

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        yield from self._listing(Lines(chosen))
        yield Checkpoint({})
        yield Complete(None)

    def look(self, external_ids: Sequence[str], chosen: Sequence[Chosen]) -> Iterator[Change]:
        lines, holders = Lines(chosen), self._holders()
        for external_id in external_ids:
            found = self._with_above(external_id)
            if found is None:
                yield Delete(external_id)
                continue
            nodes = [self._node(node, holders) for node in found.nodes]
            chain = [node.external_id for node in nodes]
            if found.wrong:
                yield Skipped(nodes[0], found.wrong)
            elif lines.takes(*chain):
                for at in reversed(range(len(nodes))):
                    yield Upsert(nodes[at] if lines.takes(*chain[at:]) else replace(nodes[at], has_text=False))

    def fetch(self, node: RemoteNode) -> Content:
        written = self.store.one(node.external_id)
        if written is None:
            raise NodeError("The integration has removed it", skip=True)
        rows = self.store.rows(node.external_id) if written.has_table else None
        text = written.text or (_in_words(written.title, rows) if rows else "")
        return Content(markdown=text, tables=(TableData(rows.columns, rows.rows),) if rows else ())

    def _listing(self, lines: Lines) -> Iterator[Change]:
        """What holds something chosen, and is not chosen itself, is told without its text, just before that."""
        holders = self._holders()
        chains: dict[str, tuple[str, ...]] = {}
        waiting: dict[str, RemoteNode] = {}
        for written in self.store.all():
            node = self._node(written, holders)
            if written.parent is not None and written.parent not in chains:
                found = self._with_above(written.external_id)
                yield Skipped(node, (found.wrong if found else "") or ORPHAN.format(written.parent))
                continue
            chain = (node.external_id, *(chains[written.parent] if written.parent is not None else ()))
            if node.has_children:
                chains[node.external_id] = chain
            if lines.takes(*chain):
                yield from (Upsert(waiting.pop(key)) for key in reversed(chain) if key in waiting)
                yield Upsert(node)
            elif node.has_children:
                waiting[node.external_id] = replace(node, has_text=False)

    def _holders(self) -> set[str]:
        """What something was written into: far fewer than what was written."""
        return {node.parent for node in self.store.all() if node.parent is not None}

    def _with_above(self, external_id: str) -> _Found | None:
        nodes: list[WrittenNode] = []
        key: str | None = external_id
        while key is not None:
            node = self.store.one(key)
            if node is None:
                return _Found(nodes, ORPHAN.format(key)) if nodes else None
            nodes.append(node)
            if len(nodes) > _DEEPEST:
                return _Found(nodes[:1], LOOP)
            key = node.parent
        return _Found(nodes)

    def _node(self, node: WrittenNode, holders: set[str]) -> RemoteNode:
        has_text = node.text is not None or node.has_table
        kind: NodeKind = "table" if node.has_table else ("page" if has_text else "folder")
        return RemoteNode(
            node.external_id,
            kind,
            node.title or node.external_id,
            node.parent,
            node.version,
            has_text=has_text,
            has_children=not has_text or node.external_id in holders,
            url=node.url,
            author=node.author,
            modified=node.modified,
            tags=node.tags,
            readers=node.readers if self.around.mirror else None,
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """``nodes``: the one asked for, then those above it. ``wrong``: why it can't come in."""

    nodes: list[WrittenNode]
    wrong: str = ""


def _in_words(title: str, rows: TableRows) -> str:
    """What search finds of a table that came without a text."""
    columns = ", ".join(inline(str(column)) for column in rows.columns)
    return f"# {inline(title)}\n\nA table of {len(rows.rows):,} rows. Its columns: {columns}\n"


CONNECTOR = Written
