"""One document from its source to passages: fetch, extract, chunk. Runs in reader threads; touches no database."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import IO

import structlog
from django.conf import settings

from datasources.connectors.base import ConnectorError, Content, NodeError
from datasources.ingestion.chunking import Chunk, chunk
from datasources.ingestion.describing import told, with_descriptions
from datasources.ingestion.extract import Extractor, ReaderUnavailable
from datasources.ingestion.handing import hand_over
from datasources.ingestion.results import EMPTY, Failed, FoundTable, Limits, Skipped
from datasources.models import Document, Node, RunItem
from datasources.syncing.hierarchy import storable, stored_title
from datasources.syncing.job import Job, jittered, remote_of
from datasources.syncing.leases import Postponed
from datasources.syncing.tabling import StoredTable, put_away
from datasources.syncing.told import is_indexed
from datasources.titles import title_of

log = structlog.get_logger(__name__)

Outcome = RunItem.Outcome
READERS = 2
MOST_TOKENS = 512
"""Of one passage, where the embedder's window is not smaller."""
TRIES = 5
LONGEST_WAIT = 30.0
"""Seconds that a worker waits for a source itself; longer waits give the run back to the queue."""
UNEXPECTED = "Reading it failed unexpectedly ({}). Retry it; if that does not help, the portal's log says more"

_extractor: Extractor | None = None
_lock = threading.Lock()


def extractor() -> Extractor:
    """The process's one reader of files; its children start when first needed."""
    global _extractor
    with _lock:
        if _extractor is None:
            _extractor = Extractor(replace(Limits(), file_bytes=settings.MAX_FILE_BYTES), workers=READERS)
        return _extractor


def close_extractor() -> None:
    global _extractor
    with _lock:
        if _extractor is not None:
            _extractor.close()
            _extractor = None


@dataclass(slots=True)
class Work:
    """A document on the list. ``text``: what is stored of it, where nothing is to be fetched.

    ``fresh``: the index certainly has nothing of it.
    """

    item: int
    node: Node
    document: Document | None = None
    text: str | None = None
    fresh: bool = False


@dataclass(slots=True)
class Verdict:
    """A document that ends without passages to write. ``begun``: some of its passages were written before it failed.

    ``tables``: those that it has now, where they changed though its text did not; None leaves them.
    """

    work: Work
    outcome: Outcome
    reason: str = ""
    begun: bool = False
    tables: tuple[StoredTable, ...] | None = None


@dataclass(slots=True)
class Prepared:
    """A document cut into passages. ``title`` is the text's own; ``notes`` say what was left out of it.

    ``tables``: those that it has now; None leaves them as they are.
    """

    work: Work
    text: str
    title: str
    content_hash: str
    chunks: list[Chunk]
    notes: list[str] = field(default_factory=list)
    tables: tuple[StoredTable, ...] | None = None

    @property
    def embedded_title(self) -> str:
        return title_of(self.title, self.work.node.title, self.work.node.kind)


class Reader:
    """``pause`` sleeps for seconds and raises when the run is interrupted."""

    def __init__(self, job: Job, pause: Callable[[float], None]) -> None:
        self._job, self._pause = job, pause
        self._most_tokens = min(MOST_TOKENS, job.embedder.window)

    def read(self, work: Work) -> Prepared | Verdict:
        """Raises ConnectorError where the source refuses all, Postponed where it wants a longer pause."""
        try:
            return self._read(work)
        except NodeError as error:
            return Verdict(work, Outcome.SKIPPED if error.skip else Outcome.FAILED, str(error))
        except (ConnectorError, Postponed):
            raise
        except ReaderUnavailable as error:
            raise Postponed(str(error), 60.0) from error
        except Exception as error:  # a connector's or a parser's fault ends this document, never the run
            log.exception("reading a document failed", node=str(work.node.pk), path=work.node.path)
            return Verdict(work, Outcome.FAILED, UNEXPECTED.format(type(error).__name__))

    def _read(self, work: Work) -> Prepared | Verdict:
        if work.text is not None and work.document is not None:
            return self._cut(work, work.text, work.document.title, list(work.document.notes))
        with tempfile.TemporaryFile() as rows, tempfile.TemporaryFile() as parquet:
            content = self._fetch(work, rows)
            return self._extracted(work, content, rows, parquet)

    def _extracted(self, work: Work, content: Content, rows: IO[bytes], parquet: IO[bytes]) -> Prepared | Verdict:
        """``rows``: the connector's own tables, spooled; ``parquet``: an empty file."""
        text, title, notes = content.markdown, "", []
        found: list[FoundTable] = []
        if text is None:
            result = extractor().extract(content.data, content.filename or work.node.title, content.mime, parquet)
            match result:
                case Skipped(reason):
                    return Verdict(work, Outcome.SKIPPED, reason)
                case Failed(reason):
                    return Verdict(work, Outcome.FAILED, reason)
            text, title, notes, found = result.markdown, result.title, list(result.warnings), list(result.tables)
        if content.tables:
            given = extractor().tabulate(rows, parquet)
            if isinstance(given, Skipped | Failed):
                notes.append(given.reason)
            else:
                found += given
                notes += told(given)
        tables = put_away(self._job.source, work.node, found, parquet)
        name = title_of(title, work.node.title, work.node.kind)
        return self._cut(work, with_descriptions(text, name, found), title, notes, tables)

    def _fetch(self, work: Work, rows: IO[bytes]) -> Content:
        """The content, its tables spooled into ``rows``: they too may need the vendor, and a second try."""
        remote = remote_of(work.node)
        for attempt in range(TRIES):
            try:
                content = self._job.connector.fetch(remote)
                rows.seek(0)
                rows.truncate()
                hand_over(content.tables, rows)
                return content
            except ConnectorError as error:
                wait = error.retry_after if error.retry_after is not None else float(2**attempt)
                if error.permanent:
                    raise
                if wait > LONGEST_WAIT or attempt == TRIES - 1:
                    raise Postponed(str(error), max(wait, LONGEST_WAIT)) from error
                self._pause(jittered(wait))
        raise AssertionError("unreachable")

    def _cut(
        self, work: Work, text: str, title: str, notes: list[str], tables: tuple[StoredTable, ...] | None = None
    ) -> Prepared | Verdict:
        text, title = storable(text), stored_title(title)
        digest = hashlib.sha256(text.encode()).hexdigest()
        old = work.document
        same = old is not None and (old.content_hash, old.title) == (digest, title)
        if same and old is not None and is_indexed(old, work.node, self._job.space):
            return Verdict(work, Outcome.UNCHANGED, tables=tables)
        embedded_title = title_of(title, work.node.title, work.node.kind)
        chunks = chunk(text, self._job.embedder.token_spans, self._most_tokens, embedded_title)
        if not chunks:
            return Verdict(work, Outcome.SKIPPED, EMPTY)
        return Prepared(work, text, title, digest, chunks, [storable(note) for note in notes], tables)
