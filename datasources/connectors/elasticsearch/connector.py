"""Documents of indices in Elasticsearch or OpenSearch. Indices, aliases and data streams are the branches.

Later runs ask for what has a newer time; an index tells nothing of deletions, so these show when all is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Checkpoint,
    Chosen,
    Complete,
    Content,
    Cursor,
    Estimate,
    RemoteNode,
    Skipped,
    TestResult,
    Upsert,
)
from datasources.connectors.elasticsearch.about import ABOUT
from datasources.connectors.elasticsearch.client import Client
from datasources.connectors.elasticsearch.fields import Fields, index_id, query_of
from datasources.connectors.elasticsearch.mapping import Known
from datasources.connectors.elasticsearch.walk import Place, Walk
from datasources.connectors.lines import Lines
from datasources.connectors.wording import plural

_FOUND = 50


class Elasticsearch:
    """Config: ``base_url``, ``index`` (patterns), the names of fields, ``query``. Secret: ``key``, or ``username`` and ``password``."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.pattern = str(config.get("index") or "*")
        self.fields = Fields(config)
        self.client = Client(str(config.get("base_url") or ""), secret, around.network)

    def test(self) -> TestResult:
        about = self.client.about()
        found = self.client.indices(self.pattern)
        if not found:
            return TestResult(False, f"No index matches {self.pattern}: correct it, or let the key see the index")
        if missing := self._mapping().missing(self.fields.named):
            return TestResult(False, missing)
        walk = Walk(self.client, self.fields, Lines(()))
        number = self.client.count(found[0].name, walk.query(found[0].name))
        where = f"{about}: " if about else ""
        kinds = f"{len(found):,} {'indices match' if len(found) != 1 else 'index matches'} {self.pattern}"
        return TestResult(True, f"{where}{kinds}; {plural(number, 'document')} in {found[0].name}")

    def choices(self, external_id: str | None) -> Mapping[str, Sequence[str]]:
        """Fields of the indices for each setting that names one."""
        return self._mapping().choices() if external_id is None else {}

    def check(self, external_id: str | None, options: Mapping[str, Any]) -> None:
        query_of(options.get("query"))

    def _mapping(self) -> Known:
        return Known(self.client.mapping(self.pattern))

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        if parent is None:
            for index in self.client.indices(self.pattern):
                yield _branch(index.name)
            return
        walk = Walk(self.client, self.fields, Lines(()))
        for change in walk.below(parent.removeprefix("index:"), Place({})):
            if isinstance(change, Upsert):
                yield change.node

    def find(self, text: str) -> Iterator[RemoteNode]:
        """Indices whose name contains it, then documents whose title does, where a field is named for that."""
        indices = [index.name for index in self.client.indices(self.pattern)]
        for name in indices:
            if text.casefold() in name.casefold():
                yield _branch(name)
        if not self.fields.title:
            return
        walk = Walk(self.client, self.fields, Lines(()))
        pattern = "*" + text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?") + "*"
        title = self.fields.title
        like = [
            {"match_phrase_prefix": {title: text}},
            {"wildcard": {title: {"value": pattern, "case_insensitive": True}}},
        ]
        for name in indices:
            query = {"bool": {"must": [{"bool": {"should": like}}], "filter": [walk.query(name)]}}
            body = {"size": _FOUND, "query": query, "_source": self.fields.wanted or True}
            for hit in self.client.search(name, body)["hits"]["hits"]:
                yield self.fields.node(name, hit)

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        walk = Walk(self.client, self.fields, Lines(chosen))
        names = [index.name for index in self.client.indices(self.pattern) if not index.reason]
        return Estimate(sum(self.client.count(name, walk.query(name)) for name in names if walk.enters(name)))

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        walk = Walk(self.client, self.fields, Lines(chosen))
        place = Place.of(cursor, bool(self.fields.time))
        told: list[str | None] = []
        unread = False
        for index in self.client.indices(self.pattern):
            if not walk.enters(index.name):
                continue
            if index.reason:
                unread = True
                yield Skipped(_branch(index.name), index.reason)
                continue
            told.append(index_id(index.name))
            if not place.passed(index.name):
                yield Upsert(_branch(index.name))
                yield from walk.below(index.name, place)
        yield Checkpoint({"since": place.next})
        if place.whole:
            yield from map(Complete, told if unread else [None])

    def fetch(self, node: RemoteNode) -> Content:
        where = node.extra
        source = self.client.document(
            str(where["index"]), str(where["id"]), str(where.get("routing") or ""), self.fields.wanted
        )
        return self.fields.content(source, node.title)


def _branch(name: str) -> RemoteNode:
    return RemoteNode(index_id(name), "collection", name, has_text=False, has_children=True)


CONNECTOR = Elasticsearch
