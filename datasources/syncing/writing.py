"""Results of many documents into the index and into SQL, and the run's account with them.

The index comes first: its writes are idempotent, so that a crash between the two is repaired by doing the documents again.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from uuid import UUID

import structlog
from django.db import DataError, connection, transaction
from django.db.models import F
from django.utils import timezone

from datasources.models import Document, Node, RunItem, Table
from datasources.retrieval.types import Point, Selector
from datasources.syncing.embedding import Piece
from datasources.syncing.hierarchy import storable
from datasources.syncing.job import Job
from datasources.syncing.reading import UNEXPECTED, Prepared, Verdict, Work
from datasources.syncing.tabling import write_tables

log = structlog.get_logger(__name__)

Outcome = RunItem.Outcome
POINTS = 256
DOCUMENTS = 64
SECONDS = 1.0
"""A batch is written when it has so many points or documents, or is so old."""
RATE_SECONDS = 20.0
"""Over about how long the documents a second are averaged."""

_SET_READ = """
UPDATE datasources_node node SET status = 'indexed', reason = '', fetched_version = read.version, updated = now()
FROM unnest(%s::uuid[], %s::text[]) AS read (id, version) WHERE node.id = read.id
"""


class Writer:
    """Gathers results; ``flush`` writes them. Used by the run's own thread only."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._begun: set[UUID] = set()
        self._current = ""
        self._clear()
        self._rate, self._measured = job.run.rate, time.monotonic()

    def _clear(self) -> None:
        self._points: list[Point] = []
        self._tails: list[tuple[UUID, int]] = []
        self._whole: list[Prepared] = []
        self._verdicts: list[Verdict] = []
        self._embedded = 0
        self._since = time.monotonic()

    @property
    def documents(self) -> int:
        """How many have come to an end and are to be written."""
        return len(self._whole) + len(self._verdicts)

    @property
    def due(self) -> bool:
        full = len(self._points) >= POINTS or self.documents >= DOCUMENTS
        waiting = bool(self.documents or self._points)
        return full or (waiting and time.monotonic() - self._since > SECONDS)

    def add(self, result: Piece | Verdict) -> None:
        if isinstance(result, Verdict):
            self._current = result.work.node.path
            result.reason = storable(result.reason)[:500]
            self._verdicts.append(result)
            return
        self._current = result.prepared.work.node.path
        self._points += result.points
        self._embedded += result.embedded
        if result.tail is not None:
            self._tails.append((result.prepared.work.node.pk, result.tail))
        if result.last:
            self._whole.append(result.prepared)
        else:
            self._begun.add(result.prepared.work.node.pk)

    def flush(self) -> int:
        """Write all; how many documents came to an end."""
        self._write_index()
        ended = self.documents
        try:
            self._write_rows(self._whole, self._verdicts)
        except DataError:
            # One of them has what a column can't take: find it by writing them one by one.
            self._write_singly()
        self._begun -= {p.work.node.pk for p in self._whole} | {v.work.node.pk for v in self._verdicts}
        self._clear()
        self._job.notice()
        return ended

    def abandon(self) -> None:
        """Documents that are in the index in part, and will not be ended, go out of it."""
        if begun := list(self._begun):
            self._job.forget_points(begun, (self._job.space,))
            Document.objects.filter(pk__in=begun).update(indexed_hash="", passages=0)

    def _write_index(self) -> None:
        job = self._job
        job.lease.check()
        if self._points:
            job.patiently(lambda: job.index.upsert(job.space, self._points))
        for node, tail in self._tails:
            selector = Selector(source=job.source.pk, node=node, from_position=tail)
            job.patiently(lambda selector=selector: job.index.delete(job.space, selector))  # type: ignore[misc]
        self._leave_old_spaces([p.work for p in self._whole])
        if gone := [v.work.node.pk for v in self._verdicts if _leaves_the_index(v)]:
            job.forget_points(gone)

    def _leave_old_spaces(self, works: list[Work]) -> None:
        old: dict[str, list[UUID]] = defaultdict(list)
        for work in works:
            space = work.document.indexed_space if work.document is not None else ""
            if space and space != self._job.space:
                old[space].append(work.node.pk)
        for space, nodes in old.items():
            self._job.forget_points(nodes, (space,))

    def _write_singly(self) -> None:
        for prepared in self._whole:
            try:
                self._write_rows([prepared], [])
            except DataError as error:
                log.exception("a document can't be stored", node=str(prepared.work.node.pk))
                self._job.forget_points([prepared.work.node.pk], (self._job.space,))
                reason = UNEXPECTED.format(type(error).__name__)
                self._write_rows([], [Verdict(prepared.work, Outcome.FAILED, reason, begun=True)])
        self._write_rows([], self._verdicts)

    def _write_rows(self, whole: list[Prepared], verdicts: list[Verdict]) -> None:
        job = self._job
        with transaction.atomic():
            self._write_documents(whole)
            ended: list[Prepared | Verdict] = [*whole, *verdicts]
            write_tables({r.work.node.pk: r.tables for r in ended if r.tables is not None})
            self._write_nodes(whole, verdicts)
            counts = _write_items(whole, verdicts)
            changes: dict[str, object] = {name: F(name) + number for name, number in counts.items()}
            if whole or verdicts:
                changes["rate"] = self._measure(len(whole) + len(verdicts))
            job.lease.write(passages=F("passages") + self._embedded, attempts=0, current=self._current[:300], **changes)
            self._embedded = 0
            job.account.record()

    def _write_documents(self, whole: list[Prepared]) -> None:
        if not whole:
            return
        rows = [_document(self._job, prepared) for prepared in whole]
        Document.objects.bulk_create(
            [row for row, prepared in zip(rows, whole, strict=True) if prepared.work.text is None],
            update_conflicts=True,
            unique_fields=["node"],
            update_fields=[
                *("title", "text", "content_hash", "notes", "updated"),
                *("indexed_space", "indexed_hash", "indexed_title", "passages", "behind", "lag"),
            ],
        )
        if again := [row for row, prepared in zip(rows, whole, strict=True) if prepared.work.text is not None]:
            fields = ["indexed_space", "indexed_hash", "indexed_title", "passages", "behind"]
            Document.objects.bulk_update(again, fields)

    def _write_nodes(self, whole: list[Prepared], verdicts: list[Verdict]) -> None:
        read = [p.work.node for p in whole] + [v.work.node for v in verdicts if v.outcome == Outcome.UNCHANGED]
        with connection.cursor() as cursor:
            cursor.execute(_SET_READ, [[node.pk for node in read], [node.version for node in read]])
        for verdict in verdicts:
            node = verdict.work.node
            mine = Node.objects.filter(pk=node.pk)
            if verdict.outcome == Outcome.SKIPPED:
                Document.objects.filter(pk=node.pk).delete()
                Table.objects.filter(node=node.pk).delete()
                mine.update(status=Node.Status.SKIPPED, reason=verdict.reason, fetched_version=node.version)
            elif verdict.outcome == Outcome.FAILED:
                mine.update(status=Node.Status.FAILED, reason=verdict.reason)
                if verdict.begun:
                    Document.objects.filter(pk=node.pk).update(indexed_hash="", passages=0)

    def _measure(self, ended: int) -> float:
        """Documents a second, recent ones weighing more."""
        now = time.monotonic()
        passed, self._measured = max(now - self._measured, 1e-3), now
        weight = min(1.0, passed / RATE_SECONDS) if self._rate else 1.0
        self._rate += weight * (ended / passed - self._rate)
        return self._rate


def _leaves_the_index(verdict: Verdict) -> bool:
    """What can't come in any more, or failed half written. What failed otherwise stays as it was."""
    known = verdict.work.document is not None or not verdict.work.fresh
    return verdict.begun or (verdict.outcome == Outcome.SKIPPED and known)


def _document(job: Job, prepared: Prepared) -> Document:
    return Document(
        node_id=prepared.work.node.pk,
        title=prepared.title,
        text=prepared.text,
        content_hash=prepared.content_hash,
        notes=prepared.notes,
        indexed_space=job.space,
        indexed_hash=prepared.content_hash,
        indexed_title=prepared.embedded_title,
        passages=len(prepared.chunks),
        behind=False,
        lag=_lag(job, prepared.work),
    )


def _lag(job: Job, work: Work) -> float | None:
    """Seconds from the change at the source to now, when it can be found; None for what was there before it was looked for."""
    modified = work.node.modified
    known = work.document.updated if work.document is not None else job.source.last_synced
    now = timezone.now()
    return (now - modified).total_seconds() if modified and known and known < modified <= now else None


def _write_items(whole: list[Prepared], verdicts: list[Verdict]) -> Counter[str]:
    """Outcomes into the run's list, a statement for each that differs."""
    alike: dict[tuple[Outcome, str], list[int]] = defaultdict(list)
    for prepared in whole:
        alike[Outcome.INDEXED, "; ".join(prepared.notes)[:500]].append(prepared.work.item)
    for verdict in verdicts:
        alike[verdict.outcome, verdict.reason].append(verdict.work.item)
    counts: Counter[str] = Counter()
    for (outcome, reason), items in alike.items():
        RunItem.objects.filter(pk__in=items).update(outcome=outcome, reason=reason)
        counts[str(outcome)] += len(items)
    return counts
