"""One told node against what is known of it: what its row becomes, and whether it has to be read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from datasources.connectors.base import RemoteNode
from datasources.models import Document, Node, RunItem, node_id
from datasources.syncing.hierarchy import Place, storable, stored_title
from datasources.syncing.job import Job
from datasources.syncing.principals import normal
from datasources.titles import title_of

Outcome = RunItem.Outcome
LONGEST_ID = 1024

COMPARED = (
    "kind",
    "title",
    "parent_id",
    "parents",
    "path",
    "depth",
    "sort_key",
    "has_children",
    "url",
    "author",
    "tags",
    "size",
    "version",
    "remote_created",
    "modified",
    "extra",
    "status",
    "reason",
    "fetched_version",
    "told_readers",
    "readers",
)
WRITTEN = [name.removesuffix("_id") for name in COMPARED] + ["seen_in", "updated"]
"""What is written of a node that was known before, and is told otherwise."""


@dataclass(frozen=True, slots=True)
class Told:
    """``reason``: why it does not come in; empty where it does."""

    node: RemoteNode
    reason: str = ""


@dataclass(slots=True)
class Row:
    """``outcome`` None is a container. ``moved``: its place changed. ``elsewhere``: what the index says of it is old.

    ``emptied``: it had a document, and can have none any more.
    """

    node: Node
    outcome: Outcome | None
    reason: str = ""
    new: bool = False
    changed: bool = False
    moved: bool = False
    elsewhere: bool = False
    emptied: bool = False


def made_storable(item: Told, *, mirror: bool = False) -> Told:
    """A name that the database can't hold brings the node in as skipped, so that it is seen.

    ``mirror``: who may read it is kept, as it is compared later.
    """
    readers = normal(item.node.readers) if mirror else None
    item = replace(item, node=replace(item.node, readers=None if readers is None else tuple(readers)))
    node, external_id = item.node, storable(item.node.external_id)
    if external_id != node.external_id:
        named = replace(node, external_id=external_id[:LONGEST_ID])
        return Told(named, "Its name can't be read as text: rename it")
    if len(external_id) > LONGEST_ID:
        digest = hashlib.sha256(external_id.encode()).hexdigest()
        named = replace(node, external_id=external_id[: LONGEST_ID - 65] + "~" + digest)
        return Told(named, f"Its name with all folders above is longer than {LONGEST_ID} characters: shorten it")
    return item


def rows(
    job: Job,
    batch: Iterable[Told],
    known: Mapping[UUID, Node],
    documents: Mapping[UUID, Document],
    places: Mapping[UUID, Place],
) -> list[Row]:
    found = []
    for item in batch:
        pk = node_id(job.source.pk, item.node.external_id)
        found.append(_row(job, item, known.get(pk), documents.get(pk), pk, places[pk]))
    return found


def _row(job: Job, item: Told, old: Node | None, document: Document | None, pk: UUID, place: Place) -> Row:
    node = _node(job, item.node, pk, place)
    row = Row(node, None, new=old is None)
    if item.node.has_text or item.reason:
        row.outcome, row.reason = _outcome(job, item, node, old, document)
        node.status, node.reason = _status(row, old)
        row.emptied = document is not None and bool(item.reason)
    else:
        node.status = Node.Status.CONTAINER
        row.emptied = document is not None
    if old is not None:
        node.fetched_version = "" if row.emptied or item.reason else old.fetched_version
        row.changed = any(getattr(old, name) != getattr(node, name) for name in COMPARED)
        row.moved = (old.parents, old.path, old.readers) != (node.parents, node.path, node.readers)
        row.elsewhere = document is not None and _payload(old) != _payload(node)
    return row


def _node(job: Job, remote: RemoteNode, pk: UUID, place: Place) -> Node:
    return Node(
        id=pk,
        workspace_id=job.source.workspace_id,
        source_id=job.source.pk,
        external_id=remote.external_id,
        kind=remote.kind[:16],
        title=stored_title(remote.title),
        parent_id=node_id(job.source.pk, remote.parent) if remote.parent is not None else None,
        parents=list(place.parents),
        path=place.path,
        depth=min(place.depth, 32_000),
        sort_key=sort_key(remote),
        has_children=remote.has_children or not remote.has_text,
        url=storable(remote.url)[:2000],
        author=storable(remote.author)[:200],
        tags=[storable(tag)[:80] for tag in remote.tags],
        size=remote.size,
        version=remote.version[:200],
        remote_created=remote.created,
        modified=remote.modified,
        extra=dict(remote.extra),
        told_readers=None if remote.readers is None else list(remote.readers),
        readers=None if place.readers is None else list(place.readers),
        seen_in=job.run.pk,
    )


def _outcome(job: Job, item: Told, node: Node, old: Node | None, document: Document | None) -> tuple[Outcome, str]:
    if item.reason:
        return Outcome.SKIPPED, storable(item.reason)[:500]
    if old is None or not node.version or node.version != old.fetched_version:
        return Outcome.WAITING, ""
    if old.status == Node.Status.SKIPPED:
        return Outcome.SKIPPED, old.reason
    if old.status == Node.Status.INDEXED and document is not None and is_indexed(document, node, job.space):
        return Outcome.UNCHANGED, ""
    return Outcome.WAITING, ""


def _status(row: Row, old: Node | None) -> tuple[str, str]:
    if row.outcome == Outcome.SKIPPED:
        return Node.Status.SKIPPED, row.reason
    if row.outcome == Outcome.UNCHANGED or (old is not None and old.status == Node.Status.INDEXED):
        return Node.Status.INDEXED, ""
    return Node.Status.PENDING, ""


def _payload(node: Node) -> tuple[object, ...]:
    """What the index repeats of a node besides its text."""
    return node.parents, node.tags, node.readers, node.modified or node.remote_created


def is_indexed(document: Document, node: Node, space: str) -> bool:
    """Whether the index holds this document as it is, in this vector space; the title is in every passage."""
    return (
        document.indexed_space == space
        and document.indexed_hash == document.content_hash
        and document.indexed_title == title_of(document.title, node.title, node.kind)
    )


_NUMBER = re.compile(r"\d+")


def sort_key(remote: RemoteNode) -> str:
    """By the source's own order where it has one, else by title, numbers in it by value."""
    text = storable(remote.ordinal) or storable(remote.title).casefold()
    return _NUMBER.sub(lambda found: found[0].lstrip("0").rjust(8, "0"), text)[:200]
