"""The first half of a run: what the connector tells becomes nodes, and a list of what is to be read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When

from datasources.connectors.base import (
    Checkpoint,
    Chosen,
    Complete,
    Delete,
    Looks,
    Move,
    RemoteNode,
    Skipped,
    Upsert,
)
from datasources.models import DataSource, Document, Node, RunItem, SyncRun, Table, node_id
from datasources.syncing import told
from datasources.syncing.hierarchy import Place, Places, rewrite_below
from datasources.syncing.job import Job, remote_of
from datasources.syncing.later import Later
from datasources.syncing.told import Told

log = structlog.get_logger(__name__)

BATCH = 200
BATCH_SECONDS = 2.0
"""A slow listing is written as it comes, so that people see it grow."""
Outcome = RunItem.Outcome
UNLISTED = (SyncRun.Trigger.RETRY, SyncRun.Trigger.AGREED, SyncRun.Trigger.EMBEDDER)
"""Runs that ask nothing of the source but the content of what is known."""


def discover(job: Job) -> None:
    """Take in everything that the connector tells. Told twice (after a crash) is counted once."""
    listing = _Listing(job)
    begin = {} if job.run.full else job.source.cursor
    for change in job.connector.changes(job.run.cursor or begin, chosen_of(job.source)):
        job.lease.check()
        job.lease.alive()
        listing.add(change)
    listing.flush()


def look(job: Job) -> None:
    """Take in just what the vendor told of (the run's hints); a connector that can't look at single nodes lists."""
    if not isinstance(job.connector, Looks):
        job.run.hints = []
        job.lease.write(hints=[])
        discover(job)
        return
    listing = _Listing(job)
    for change in job.connector.look(job.run.hints, chosen_of(job.source)):
        job.lease.check()
        job.lease.alive()
        # A look is no listing: it moves no cursor, and completes nothing.
        if not isinstance(change, Checkpoint | Complete):
            listing.add(change)
    listing.flush()


def chosen_of(source: DataSource) -> list[Chosen]:
    return [
        Chosen(line.external_id or None, line.include, line.future, line.options)
        for line in source.selections.order_by("external_id")
    ]


def list_work(job: Job) -> None:
    """Put on the list what is not on it yet and needs reading: failures of before, another vector space, lost passages."""
    trigger = job.run.trigger
    if trigger == SyncRun.Trigger.RETRY:
        wanted = Node.objects.filter(source=job.source, pk__in=job.run.only).exclude(status=Node.Status.CONTAINER)
    elif trigger == SyncRun.Trigger.AGREED:
        wanted = Node.objects.none()
    elif trigger == SyncRun.Trigger.EMBEDDER:
        wanted = _stale(job)
    elif job.run.hints:
        # Only what was told of; what failed before waits for the next listing.
        wanted = Node.objects.none()
    else:
        wanted = _needing(job)
    on_list = RunItem.objects.filter(run=job.run, node=OuterRef("pk"))
    with transaction.atomic():
        added = 0
        for batch in _batches(wanted.filter(~Exists(on_list), gone=Node.Gone.NO).values_list("pk", "path").iterator()):
            RunItem.objects.bulk_create(RunItem(run=job.run, node=pk, path=path) for pk, path in batch)
            added += len(batch)
        job.lease.write(discovered=F("discovered") + added, listed=True, state=SyncRun.State.SYNCING, attempts=0)
    job.run.listed, job.run.state = True, SyncRun.State.SYNCING


def _needing(job: Job):  # type: ignore[no-untyped-def]
    status = Node.Status
    unread = Q(status__in=[status.PENDING, status.FAILED])
    stale = Q(status=status.INDEXED) & (~Q(version=F("fetched_version")) | Q(document=None) | _unlike(job))
    return Node.objects.filter(unread | stale, source=job.source)


def _stale(job: Job):  # type: ignore[no-untyped-def]
    """Came in, but the index has it otherwise, or not at all."""
    return Node.objects.filter(_unlike(job), source=job.source, status=Node.Status.INDEXED)


def _unlike(job: Job) -> Q:
    return Q(document__isnull=False) & (~Q(document__indexed_space=job.space) | Q(document__indexed_hash=""))


def _batches(rows: Iterable[tuple[UUID, str]], size: int = 1000) -> Iterable[list[tuple[UUID, str]]]:
    batch: list[tuple[UUID, str]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class _Listing:
    """Gathers changes into batches of one kind each, so that their order holds."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.places = Places(job.source.pk)
        self.later = Later(job.source, job.run.pk)
        self._told: dict[str, Told] = {}
        self._deleted: list[UUID] = []
        self._since = 0.0

    def add(self, change: Upsert | Delete | Move | Checkpoint | Complete | Skipped) -> None:
        match change:
            case Upsert(node):
                self._tell(Told(node))
            case Skipped(node, reason):
                self._tell(Told(node, reason))
            case Move(external_id, parent, title):
                self._move(external_id, parent, title)
            case Delete(external_id):
                self._flush_told()
                self._deleted.append(node_id(self.job.source.pk, external_id))
                if len(self._deleted) >= BATCH:
                    self.flush()
            case Checkpoint(cursor):
                self.flush()
                # A listing that came further made progress, however often its vendor asks it to slow down.
                further = {"attempts": 0} if cursor != self.job.run.cursor else {}
                self.job.lease.write(cursor=dict(cursor), **further)
                self.job.run.cursor = dict(cursor)
            case Complete(scope):
                self.flush()
                self.job.run.scopes = [*self.job.run.scopes, scope]
                self.job.lease.write(scopes=self.job.run.scopes)

    def flush(self) -> None:
        self._flush_told()
        self._flush_deleted()

    def _tell(self, item: Told) -> None:
        self._flush_deleted()
        self._told.pop(item.node.external_id, None)
        if not self._told:
            self._since = time.monotonic()
        self._told[item.node.external_id] = item
        if len(self._told) >= BATCH or time.monotonic() - self._since > BATCH_SECONDS:
            self._flush_told()

    def _move(self, external_id: str, parent: str | None, title: str) -> None:
        """A move is the known node told again, elsewhere."""
        self.flush()
        pk = node_id(self.job.source.pk, external_id)
        node = Node.objects.select_related("parent").filter(pk=pk).first()
        if node is None:
            log.warning("a node that is not known has moved", source=str(self.job.source.pk), node=external_id)
            return
        self._tell(Told(replace(remote_of(node), parent=parent, title=title or node.title)))
        self._flush_told()

    def _flush_told(self) -> None:
        if self._told:
            batch, self._told = list(self._told.values()), {}
            take_in(self.job, batch, self.places, self.later)
            self.job.notice()

    def _flush_deleted(self) -> None:
        if self._deleted:
            told, self._deleted = set(self._deleted), []
            # Most of what a vendor without a list of changes tells of was never there, such as days on which nothing was said.
            rows = Node.objects.filter(Q(pk__in=told) | Q(parent__in=told), source=self.job.source)
            gone = told & {key for row in rows.values_list("pk", "parent") for key in row}
            with transaction.atomic():
                if gone:
                    below = Node.objects.filter(source=self.job.source, parents__overlap=list(gone), gone=Node.Gone.NO)
                    below.update(gone=Node.Gone.MISSING)
                self.job.lease.write(current="")


def take_in(job: Job, batch: list[Told], places: Places, later: Later) -> None:
    """Write a batch of told nodes: rows, places, and what is to be done with each document."""
    batch = [told.made_storable(item, mirror=job.source.mirror) for item in batch]
    remote: dict[UUID, RemoteNode] = {node_id(job.source.pk, item.node.external_id): item.node for item in batch}
    known = Node.objects.in_bulk(list(remote))
    documents = {d.pk: d for d in Document.objects.filter(pk__in=list(known)).defer("text")}
    found = places.of(remote)
    if later.decides:
        batch = [_in_time(job, item, known, found, later) for item in batch]
    rows = told.rows(job, batch, known, documents, found)
    if emptied := [row.node.pk for row in rows if row.emptied]:
        job.forget_points(emptied)
    with transaction.atomic():
        Document.objects.filter(pk__in=emptied).delete()
        Table.objects.filter(node__in=emptied).delete()
        _write_nodes(job, rows)
        if roots := [row.node.pk for row in rows if row.moved or (row.new and row.node.has_children)]:
            rewrite_below(job.source.pk, roots)
            places.forget()
        Document.objects.filter(pk__in=[row.node.pk for row in rows if row.elsewhere]).update(behind=True)
        counts = _write_items(job, rows)
        changes = {name: F(name) + number for name, number in counts.items() if number}
        job.lease.write(**changes, current=rows[-1].node.path[:300])


def _in_time(job: Job, item: Told, known: Mapping[UUID, Node], places: Mapping[UUID, Place], later: Later) -> Told:
    """What was added after a choice that does not want it stays out, with that reason."""
    if item.reason or not item.node.has_text:
        return item
    pk = node_id(job.source.pk, item.node.external_id)
    return replace(item, reason=later.reason(places[pk].parents, known.get(pk)))


def _write_nodes(job: Job, rows: list[told.Row]) -> None:
    if changed := [row.node for row in rows if row.new or row.changed]:
        Node.objects.bulk_create(changed, update_conflicts=True, unique_fields=["id"], update_fields=told.WRITTEN)
    if known := [row.node.pk for row in rows if not row.new]:
        # Let go while this run is under way, at whatever moment: told once more, it is still on its way out.
        there = Case(When(gone=Node.Gone.AGREED, then=F("gone")), default=Value(Node.Gone.NO))
        Node.objects.filter(pk__in=known).update(seen_in=job.run.pk, gone=there)


def _write_items(job: Job, rows: list[told.Row]) -> Counter[str]:
    """The run's list, and by how much its counts change."""
    counts: Counter[str] = Counter()
    listed = {i.node: i for i in RunItem.objects.filter(run=job.run, node__in=[row.node.pk for row in rows])}
    new = []
    for row in rows:
        item = listed.get(row.node.pk)
        if row.outcome is None:
            continue
        if item is None:
            counts["discovered"] += 1
            new.append(
                RunItem(run=job.run, node=row.node.pk, path=row.node.path, outcome=row.outcome, reason=row.reason)
            )
        elif item.outcome == row.outcome and item.reason == row.reason:
            continue
        else:
            counts[str(item.outcome)] -= 1
            RunItem.objects.filter(pk=item.pk).update(outcome=row.outcome, reason=row.reason, path=row.node.path)
        counts[str(row.outcome)] += 1
    RunItem.objects.bulk_create(new)
    counts.pop(str(Outcome.WAITING), None)
    return counts
