"""One pass over one object after the other, in order of their last change, which goes on where it was broken off.

The cursor, between runs: ``since`` (ISO, by Salesforce's clock). In the middle also ``begun`` (what ``since`` will be), ``whole``,
``at`` (the object) and ``after`` (the change up to which it is told).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from datasources.connectors.base import Change, Checkpoint, Complete, Cursor, Delete, RemoteNode, Skipped, Upsert
from datasources.connectors.lines import Lines, moment
from datasources.connectors.salesforce import filters
from datasources.connectors.salesforce.client import Client, Record, Refused, stamp
from datasources.connectors.salesforce.filters import Chosen, object_id, record_id
from datasources.connectors.salesforce.shape import Shape

OVERLAP = timedelta(minutes=10)
"""Read again each time: a long transaction shows its changes some minutes after their stamp."""
LOG = timedelta(days=14)
"""Salesforce remembers deletions for 15 days; after a longer break everything is read."""
HIDDEN = "This user may not see it, or the organisation does not have it: give the user Read on it, or take it out of the settings"
_AT_ONCE = 200


@dataclass
class Position:
    since: datetime | None
    begun: str = ""
    whole: bool = True
    at: str = ""
    after: str = ""

    @classmethod
    def of(cls, cursor: Cursor) -> Position:
        since = moment(cursor.get("since"))
        if "begun" in cursor:
            return cls(since, *(cursor[name] for name in ("begun", "whole", "at", "after")))
        return cls(since, whole=since is None)

    def checkpoint(self) -> Checkpoint:
        since = {"since": stamp(self.since)} if self.since else {}
        return Checkpoint({**since, "begun": self.begun, "whole": self.whole, "at": self.at, "after": self.after})


class Walk:
    """``wanted``: API names of objects, in order; ``named``: a person named them, so one that is missing is told."""

    def __init__(self, client: Client, lines: Lines, wanted: Sequence[str], *, named: bool) -> None:
        self.client, self.lines, self.wanted, self.named = client, lines, wanted, named
        self._visible: Mapping[str, Record] | None = None
        self._told: set[str] = set()
        """Of a run from a cursor alone: what a whole listing tells may be very much."""
        self._counts = False

    @property
    def visible(self) -> Mapping[str, Record]:
        if self._visible is None:
            self._visible = self.client.objects()
        return self._visible

    def names(self) -> list[str]:
        readable = [name for name in self.wanted if self._is_readable(name)]
        return list(self.wanted) if self.named else readable

    def enters(self, name: str) -> bool:
        return self.lines.takes(object_id(name)) or bool(self.lines.named(record_id(name, ""), include=True))

    def shape(self, name: str) -> Shape | None:
        if not self._is_readable(name):
            return None
        try:
            return Shape.of(self.client.describe(name), set(self.visible))
        except Refused as error:
            if error.status == 404 or error.code == "INVALID_TYPE":
                return None
            raise

    def run(self, place: Position) -> Iterator[Change]:
        names = [name for name in self.names() if self.enters(name)]
        if not place.begun:
            now = self.client.now
            if place.since is not None and now - place.since > LOG:
                place.since, place.whole = None, True
            place.begun = stamp(now - OVERLAP)
        begin = names.index(place.at) if place.at in names else 0
        complete: list[str | None] = [object_id(name) for name in names[:begin] if self._is_readable(name)]
        for name in names[begin:]:
            if place.at != name:
                place.at, place.after = name, ""
            shape = self.shape(name)
            if shape is None:
                yield Skipped(missing_node(name), HIDDEN)
                continue
            complete.append(object_id(name))
            yield from self._object(shape, place)
        yield Checkpoint({"since": place.begun})
        if place.whole:
            yield from map(Complete, [None] if len(complete) == len(names) else complete)

    def _object(self, shape: Shape, place: Position) -> Iterator[Change]:
        chosen = filters.chosen(self.client, shape, self.lines)
        node = self.object_node(shape, chosen)
        yield Upsert(node if self.lines.takes(node.external_id) else replace(node, has_text=False))
        since = None if place.whole else place.since
        self._counts = since is not None
        if since is None or (node.modified is not None and node.modified >= since):
            yield from self._changed(shape, chosen, place, since)
        if since is not None:
            yield from self._commented(shape, chosen, since)
            yield from self._gone(shape, chosen, since)

    def _changed(self, shape: Shape, chosen: Chosen, place: Position, since: datetime | None) -> Iterator[Change]:
        begin = place.after or (stamp(since) if since else "")
        changed = f"SystemModstamp >= {begin}" if begin else ""
        soql = chosen.soql(shape.selected(), shape.name, changed, tail="ORDER BY SystemModstamp, Id")
        for page in self.client.pages(soql):
            for record in page:
                yield from self._told_record(shape, record)
            if page:
                place.after = stamp(moment(page[-1]["SystemModstamp"]) or self.client.now)
            yield place.checkpoint()

    def _told_record(self, shape: Shape, record: Record) -> Iterator[Change]:
        node = self.record_node(shape, record)
        if self.lines.takes(node.external_id, object_id(shape.name)):
            if self._counts:
                self._told.add(node.external_id)
            yield Upsert(node)

    def _commented(self, shape: Shape, chosen: Chosen, since: datetime) -> Iterator[Change]:
        """Records that somebody wrote about; most comments leave the record's own stamp as it was."""
        found: set[str] = set()
        for related in shape.related:
            soql = Chosen().soql(related.field, related.kind, f"SystemModstamp >= {stamp(since)}")
            for page in self.client.pages(soql):
                found |= {str(item[related.field]) for item in page if item.get(related.field)}
        keys = sorted(key for key in found if record_id(shape.name, key) not in self._told)
        for start in range(0, len(keys), _AT_ONCE):
            listed = ", ".join(filters.quoted(key) for key in keys[start : start + _AT_ONCE])
            soql = chosen.soql(shape.selected(), shape.name, f"Id IN ({listed})")
            for page in self.client.pages(soql):
                for record in page:
                    yield from self._told_record(shape, record)

    def _gone(self, shape: Shape, chosen: Chosen, since: datetime) -> Iterator[Change]:
        """What was deleted, and what an edit took out of the filter."""
        if shape.logged:
            end = self.client.now + timedelta(minutes=1)
            yield from (
                Delete(record_id(shape.name, key)) for key in self.client.deleted(shape.name, since - OVERLAP, end)
            )
        if chosen.narrowed and not chosen.scope:
            soql = Chosen(filters.base(shape)).soql(
                shape.selected(), shape.name, f"SystemModstamp >= {stamp(since)}", f"NOT ({chosen.where})"
            )
            for page in self.client.pages(soql):
                yield from (Delete(self.record_node(shape, record).external_id) for record in page)

    # nodes

    def object_node(self, shape: Shape, chosen: Chosen) -> RemoteNode:
        """Its version moves with any of its records, for they are its rows."""
        soql = chosen.soql("COUNT(Id) number, MAX(SystemModstamp) newest", shape.name)
        (found,) = next(self.client.pages(soql))
        told = repr((shape.digest, shape.hidden, chosen.where, chosen.scope, found.get("number"), found.get("newest")))
        return RemoteNode(
            object_id(shape.name),
            "table",
            shape.plural,
            version=hashlib.sha256(told.encode()).hexdigest()[:32],
            has_children=True,
            url=f"{self.client.root}/lightning/o/{shape.name}/list",
            modified=moment(found.get("newest")),
            tags=(shape.label,),
            ordinal=f"{self.wanted.index(shape.name):03}",
            extra={"where": chosen.where, "scope": chosen.scope, "number": int(found.get("number") or 0)},
        )

    def record_node(self, shape: Shape, record: Record) -> RemoteNode:
        key = str(record[shape.key]) + (f":{record.get('Language')}" if shape.knowledge else "")
        author: Any = record.get("CreatedBy") or {}
        return RemoteNode(
            record_id(shape.name, key),
            "article" if shape.knowledge else "ticket" if shape.name == "Case" else "record",
            shape.title(record),
            object_id(shape.name),
            "|".join([str(record["SystemModstamp"]), shape.digest, *_newest_comments(shape, record)]),
            url=f"{self.client.root}/lightning/r/{shape.name}/{record['Id']}/view",
            author=str(author.get("Name") or ""),
            created=moment(record.get("CreatedDate")),
            modified=moment(record.get("SystemModstamp")),
            tags=shape.tags(record),
            extra={"object": shape.name, "id": str(record["Id"])},
        )

    def _is_readable(self, name: str) -> bool:
        return bool(self.visible.get(name, {}).get("queryable", False))


def missing_node(name: str) -> RemoteNode:
    return RemoteNode(object_id(name), "table", name, has_text=False, has_children=True)


def _newest_comments(shape: Shape, record: Record) -> list[str]:
    below = [(record.get(related.name) or {}).get("records") or [] for related in shape.related]
    return [str(found[0].get("SystemModstamp") or "") if found else "" for found in below]
