"""The second half of a run: documents on the list are read, embedded and written, each stage in threads of its own.

    list (this thread) → readers: fetch, extract, chunk → embedder → this thread: index, then SQL

The embedder is what is slow, so the others keep work ready for it. What is under way is bounded, so a source of any size
needs the same memory.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from django.db import connection, transaction
from django.db.models import F

from datasources.models import Document, Node, RunItem, SyncRun
from datasources.syncing.embedding import BATCH, Embedding, Piece
from datasources.syncing.job import Job
from datasources.syncing.leases import Interrupted, LeaseLost, Postponed
from datasources.syncing.reading import READERS, Prepared, Reader, Verdict, Work
from datasources.syncing.turns import Turn
from datasources.syncing.writing import Writer

PAGE = 200
MOST_DOCUMENTS = 128
MOST_CHARACTERS = 8_000_000
"""Under way at a time: read, but not written yet. A single document may be longer."""
CAREFUL_ATTEMPTS = 3
"""A run that was broken off so often without getting anything done goes on one document at a time …"""
HOPELESS_ATTEMPTS = 8
"""… and gives that one up when even so it does not get past it."""

Result = Piece | Verdict | BaseException


class _Stopping(Exception):
    """Inside a stage's thread: the run has ended, nobody wants the result."""


def process(job: Job) -> None:
    """Read all that is on the run's list. Raises what ends or interrupts the run; what was done until then is written."""
    writer, turn = Writer(job), Turn(job.source.workspace_id)
    with Pipeline(job) as pipeline:
        todo = waiting(job)
        upcoming = next(todo, None)
        try:
            while upcoming is not None or pipeline.busy or writer.due:
                job.lease.check()
                if turn.is_over:
                    raise Interrupted("leave")
                while upcoming is not None and pipeline.has_room:
                    pipeline.submit(upcoming)
                    upcoming = next(todo, None)
                for result in pipeline.results(0.1):
                    writer.add(result)
                if writer.due or (upcoming is None and writer.documents == pipeline.documents):
                    pipeline.ended(writer.flush())
        except (LeaseLost, Postponed):
            raise
        except BaseException as error:
            if not (isinstance(error, Interrupted) and error.wish != "stop"):
                writer.abandon()
            raise


def waiting(job: Job) -> Iterator[Work]:
    """What is on the list still, page by page, each document once."""
    after = 0
    while items := list(
        RunItem.objects.filter(run=job.run, outcome=RunItem.Outcome.WAITING, pk__gt=after).order_by("pk")[:PAGE]
    ):
        after = items[-1].pk
        ids = [item.node for item in items]
        nodes = Node.objects.select_related("parent").in_bulk(ids)
        documents = {d.pk: d for d in Document.objects.filter(pk__in=ids).defer("text")}
        _drop(job, [item for item in items if item.node not in nodes])
        for item in items:
            if item.node in nodes:
                yield _work(job, item, nodes[item.node], documents.get(item.node))


def _work(job: Job, item: RunItem, node: Node, document: Document | None) -> Work:
    fresh = job.first and document is None and job.run.started is not None and node.created >= job.run.started
    text = None
    # What has no version may have changed at the source; only where that is not asked, the stored text will do.
    told = bool(node.version) or job.run.trigger == SyncRun.Trigger.EMBEDDER
    if document is not None and told and node.version == node.fetched_version:
        text = document.text
    return Work(item.pk, node, document, text, fresh)


def _drop(job: Job, items: list[RunItem]) -> None:
    """Their nodes were removed meanwhile, by a person."""
    if items:
        with transaction.atomic():
            RunItem.objects.filter(pk__in=[item.pk for item in items]).delete()
            job.lease.write(discovered=F("discovered") - len(items))


class Pipeline:
    """Reader threads and an embedder thread. Exceptions in them come out of ``results``."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._stopping = threading.Event()
        self._reader = Reader(job, self._pause)
        self._embedding = Embedding(job, self._pause)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sync-read")
        self._prepared: queue.SimpleQueue[Prepared | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._embedder = threading.Thread(target=self._embed, name="sync-embed", daemon=True)
        self._lock = threading.Lock()
        # Under way: submitted, but not written yet.
        self.documents = 0
        self._characters = 0
        self._most = 1 if job.run.attempts > CAREFUL_ATTEMPTS else MOST_DOCUMENTS

    def __enter__(self) -> Pipeline:
        self._embedder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._prepared.put(None)
        # A reader in the middle of a long file is not waited for: what it finds goes nowhere.
        self._readers.shutdown(wait=False, cancel_futures=True)
        if kind is None:
            self._embedder.join()

    def stop(self) -> None:
        self._stopping.set()

    @property
    def busy(self) -> bool:
        return self.documents > 0

    @property
    def has_room(self) -> bool:
        return self.documents < self._most and (self.documents == 0 or self._characters < MOST_CHARACTERS)

    def submit(self, work: Work) -> None:
        self.documents += 1
        self._readers.submit(self._read, work).add_done_callback(self._after_reading)

    def ended(self, documents: int) -> None:
        """So many documents have been written."""
        self.documents -= documents
        self._most = MOST_DOCUMENTS
        if self.documents == 0:
            with self._lock:
                self._characters = 0

    def results(self, seconds: float) -> Iterator[Piece | Verdict]:
        """What is ready, waiting at most so long for the first. Raises what ended a stage."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                result = self._results.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            if isinstance(result, BaseException):
                raise result
            if isinstance(result, Verdict) or result.last:
                self._let_go(result)
            yield result
            deadline = 0.0

    def _let_go(self, result: Piece | Verdict) -> None:
        if isinstance(result, Piece):
            with self._lock:
                self._characters -= len(result.prepared.text)

    def _read(self, work: Work) -> Prepared | Verdict:
        if self._stopping.is_set():
            raise _Stopping
        try:
            return self._reader.read(work)
        finally:
            # Some connectors read what the portal itself keeps; the thread's connection goes back to the pool.
            connection.close()

    def _after_reading(self, future: Future[Prepared | Verdict]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            if not isinstance(error, _Stopping):
                self._results.put(error)
            return
        result = future.result()
        if isinstance(result, Verdict):
            self._results.put(result)
            return
        with self._lock:
            self._characters += len(result.text)
        self._prepared.put(result)

    def _embed(self) -> None:
        try:
            while (group := self._gather()) is not None:
                for result in self._embedding.points(group):
                    self._results.put(result)
                    if self._stopping.is_set():
                        return
        except _Stopping:
            return
        except BaseException as error:  # noqa: BLE001  handed to the run's own thread, which raises it
            self._results.put(error)

    def _gather(self) -> list[Prepared] | None:
        """The documents that are ready, up to a batch of passages; waits for one at least."""
        first = self._prepared.get()
        if first is None:
            return None
        group, passages = [first], len(first.chunks)
        while passages < BATCH:
            try:
                following = self._prepared.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._prepared.put(None)
                break
            group.append(following)
            passages += len(following.chunks)
        return group

    def _pause(self, seconds: float) -> None:
        """Sleep in a stage's thread, until the run ends."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._stopping.wait(min(left, 1.0)):
                raise _Stopping
            self._job.lease.alive()


def give_up_hopeless(job: Job) -> None:
    """The document at which the run was broken off again and again counts as failed, so that the run gets past it."""
    if job.run.attempts <= HOPELESS_ATTEMPTS:
        return
    work = next(waiting(job), None)
    if work is not None:
        writer = Writer(job)
        reason = f"Reading it broke off {job.run.attempts - 1} times without a result"
        writer.add(Verdict(work, RunItem.Outcome.FAILED, reason))
        writer.flush()
        job.run.attempts = CAREFUL_ATTEMPTS + 1
