"""What integrations write, kept in memory: what the portal keeps in its database for an ``api`` source."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from datasources.connectors.around import TableRows, WrittenNode


class MemoryStore:
    """A WrittenStore. ``write`` and ``remove`` are what the REST API does; removing takes all below with it."""

    def __init__(self) -> None:
        self.nodes: dict[str, WrittenNode] = {}
        self.tables: dict[str, TableRows] = {}

    def write(self, node: WrittenNode, rows: TableRows | None = None) -> None:
        told = (node.title, node.parent, node.text, node.tags, node.url, rows)
        version = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
        self.nodes[node.external_id] = replace(node, version=version, has_table=rows is not None)
        self.tables.pop(node.external_id, None)
        if rows is not None:
            self.tables[node.external_id] = rows

    def remove(self, external_id: str) -> None:
        for below in [node.external_id for node in self.children(external_id)]:
            self.remove(below)
        self.nodes.pop(external_id, None)
        self.tables.pop(external_id, None)

    def children(self, parent: str | None) -> Iterable[WrittenNode]:
        return [_without_text(node) for node in list(self.nodes.values()) if node.parent == parent]

    def all(self) -> Iterator[WrittenNode]:
        """What hangs below nothing that is there comes last."""
        told: set[str] = set()
        level = list(self.children(None))
        while level:
            yield from level
            told |= {node.external_id for node in level}
            level = [below for node in level for below in self.children(node.external_id)]
        yield from (_without_text(node) for key, node in list(self.nodes.items()) if key not in told)

    def one(self, external_id: str) -> WrittenNode | None:
        return self.nodes.get(external_id)

    def rows(self, external_id: str) -> TableRows | None:
        return self.tables.get(external_id)


def _without_text(node: WrittenNode) -> WrittenNode:
    return node if node.text is None else replace(node, text="")
