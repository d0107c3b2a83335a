"""One pass over one index after the other, which goes on where it was broken off.

The cursor, between runs: ``since`` (index → the newest time that was seen in it). In the middle of a run also ``at`` (the index),
``pit`` and ``after`` (where in it), ``flavour`` (what kind of cluster opened it), ``done`` (it was read to its end), and ``next`` (what ``since`` will be).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from datasources.connectors.base import Change, Checkpoint, ConnectorError, Cursor, RemoteNode, Skipped, Upsert
from datasources.connectors.elasticsearch.client import KEEP, Client, Flavour, Lost
from datasources.connectors.elasticsearch.fields import Fields, document_id, index_id, query_of
from datasources.connectors.lines import Lines, moment

PAGE = 200
OVERLAP = timedelta(minutes=5)
"""Read again each time: writers' clocks differ, and an index shows what it got a moment later."""
_KEPT = ("at", "pit", "flavour", "after", "next", "whole", "done")
NO_SOURCE = "The index keeps no source of its documents, so there is no text to read"
NO_KEY = "The field that was named as id is empty in this document"


@dataclass
class Place:
    """Where a run is. ``whole``: everything is told, not only what changed."""

    since: dict[str, str]
    at: str = ""
    pit: str = ""
    flavour: Flavour | None = None
    after: list[Any] = field(default_factory=list)
    next: dict[str, str] = field(default_factory=dict)
    whole: bool = True
    done: bool = False

    @classmethod
    def of(cls, cursor: Cursor, timed: bool) -> Place:
        since = dict(cursor.get("since") or {})
        if "at" in cursor:
            return cls(since, **{name: cursor[name] for name in _KEPT})
        return cls(since, next=dict(since), whole=not (timed and cursor.get("since") is not None))

    def cursor(self) -> dict[str, Any]:
        return {"since": self.since, **{name: getattr(self, name) for name in _KEPT}}

    def passed(self, index: str) -> bool:
        """Whether it was told before the run was broken off."""
        return index < self.at or (index == self.at and self.done)


class Walk:
    def __init__(self, client: Client, fields: Fields, lines: Lines) -> None:
        self.client, self.fields, self.lines = client, fields, lines
        self._begun = datetime.now(UTC)

    def enters(self, index: str) -> bool:
        return self.lines.takes(index_id(index)) or bool(self._included(index))

    def query(self, index: str, since: str = "") -> dict[str, Any]:
        """What the settings, the line above the index, and the time since leave of it."""
        own = self.lines.options(index_id(index)).get("query")
        filters = [part for part in (self.fields.query, query_of(own)) if part]
        if not self.lines.takes(index_id(index)):
            keys = self._included(index)
            filters.append({"terms": {self.fields.id: keys}} if self.fields.id else {"ids": {"values": keys}})
        begin = moment(since)
        if begin is not None:
            filters.append({"range": {self.fields.time: {"gte": (begin - OVERLAP).isoformat()}}})
        return {"bool": {"filter": filters}} if filters else {"match_all": {}}

    def below(self, index: str, place: Place) -> Iterator[Change]:
        """All hits of an index, page by page, each page with its checkpoint."""
        since = "" if place.whole else place.since.get(index, "")
        query, lost = self.query(index, since), 0
        if place.at != index:
            pit = self.client.open(index)
            place.at, place.pit, place.after, place.done = index, pit, [], False
            place.flavour = self.client.flavour
        self.client.flavour = place.flavour
        while True:
            try:
                answer = self.client.search(index, self._body(query, place), place.pit)
            except Lost:
                lost += 1
                if lost > 2:
                    raise ConnectorError(f"The cluster does not keep a point in time open over {index}") from None
                # Positions of Elasticsearch mean nothing outside their point in time; ids do.
                place.pit, place.after = self.client.open(index), place.after if self._by_id(place) else []
                continue
            place.pit = str(answer.get("pit_id") or place.pit)
            hits = (answer.get("hits") or {}).get("hits") or []
            for hit in hits:
                yield from self._told(index, hit, place)
            if hits:
                place.after = list(hits[-1]["sort"])
            if len(hits) < PAGE:
                break
            yield Checkpoint(place.cursor())
        if place.pit:
            self.client.close(place.pit)
        place.pit, place.after, place.done = "", [], True
        yield Checkpoint(place.cursor())

    def _told(self, index: str, hit: Mapping[str, Any], place: Place) -> Iterator[Change]:
        node = self.fields.node(index, hit)
        if not self.lines.takes(node.external_id, index_id(index), created=node.created or node.modified):
            return
        if not hit.get("_source"):
            yield Skipped(node, NO_SOURCE)
        elif self.fields.id and not self.fields.key(hit):
            yield Skipped(node, NO_KEY)
        else:
            yield Upsert(node)
        self._remember(index, node, place)

    def _remember(self, index: str, node: RemoteNode, place: Place) -> None:
        if node.modified is not None:
            seen = min(node.modified, self._begun)
            newest = moment(place.next.get(index))
            if newest is None or seen > newest:
                place.next[index] = seen.isoformat()

    def _body(self, query: Mapping[str, Any], place: Place) -> dict[str, Any]:
        order = (self.fields.id or "_id") if self._by_id(place) else "_shard_doc"
        body: dict[str, Any] = {
            "size": PAGE,
            "query": query,
            "sort": [{order: "asc"}],
            "_source": self.fields.wanted or True,
            "track_total_hits": False,
        }
        if place.pit:
            body["pit"] = {"id": place.pit, "keep_alive": KEEP}
        if place.after:
            body["search_after"] = place.after
        return body

    def _by_id(self, place: Place) -> bool:
        return not place.pit or self.client.flavour != "elasticsearch"

    def _included(self, index: str) -> list[str]:
        prefix = document_id(index, "")
        return [key.removeprefix(prefix) for key in self.lines.named(prefix, include=True)]
