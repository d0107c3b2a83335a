"""Files to Markdown, in a child process with limits, so that no file can hang, kill or read the portal.

``Extractor`` is thread-safe: each of its children reads one file at a time, and callers wait for a free one. Plain
UTF-8 text and Markdown up to ``Limits.in_process_bytes`` need no child: decoding them runs no parser.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import structlog

from datasources.ingestion import wire
from datasources.ingestion.archives import Member
from datasources.ingestion.decode import decode_certain
from datasources.ingestion.kinds import kind_of, refuse_by_name
from datasources.ingestion.results import (
    CRASHED,
    EMPTY,
    TOO_HUNGRY,
    TOO_SLOW,
    Extracted,
    Failed,
    FoundTable,
    Limits,
    Refused,
    Skipped,
    too_large,
)
from datasources.ingestion.textual import markdown, plain

log = structlog.get_logger(__name__)

_ROOT = str(Path(__file__).resolve().parents[2])
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from datasources.ingestion.child import serve; serve(int(sys.argv[2]), sys.argv[3])"
)
_START_SECONDS = 60.0
_STDERR_TAIL = 4000

Source = Path | bytes | IO[bytes]
"""Where a file is: on disk, in memory, or open for reading from its beginning."""


class ReaderUnavailable(Exception):
    """The reading process can't be started at all; the message is for an operator. Trying again may help."""


class _Lost(Exception):
    """The child ended before it took the request: the file is not to blame."""


class Extractor:
    """Up to ``workers`` children, started when first needed and kept warm. ``close`` ends them."""

    def __init__(self, limits: Limits | None = None, *, workers: int = 1, scratch: Path | None = None) -> None:
        self.limits = limits or Limits()
        self._scratch = scratch
        self._idle: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)
        self._workers = workers
        self._closed = False
        self._lock = threading.Lock()

    def extract(
        self, source: Source, filename: str, mime: str = "", tables: IO[bytes] | None = None
    ) -> Extracted | Refused:
        """The text of one file, or why not. Raises ReaderUnavailable, and OSError where ``source`` can't be opened.

        ``tables``: an empty file for what of it can be asked by SQL; None: that is not wanted.
        """
        size = _size(source)
        if size == 0:
            return Skipped(EMPTY)
        if refused := refuse_by_name(filename, size, self.limits):
            return refused
        if size > self.limits.file_bytes:
            return too_large(size, self.limits.file_bytes)
        if size <= self.limits.in_process_bytes and (done := self._at_once(source, filename, mime)):
            return done
        with _opened(source) as file:
            descriptors = [file.fileno()] + ([tables.fileno()] if tables is not None else [])
            reply = self._ask({"do": "extract", "filename": filename, "mime": mime}, descriptors)
        return _unpacked(reply)

    def tabulate(self, rows: IO[bytes], tables: IO[bytes]) -> list[FoundTable] | Refused:
        """Tables that a connector gave, as ``handing.hand_over`` wrote them to ``rows``, as Parquet into ``tables``."""
        reply = self._ask({"do": "tabulate", "filename": ""}, [rows.fileno(), tables.fileno()])
        return [FoundTable(**row) for row in reply["tables"]] if "tables" in reply else _refused(reply)

    def members(self, source: Source, filename: str = "") -> list[Member] | Refused:
        """What is inside an archive, nested ones unfolded."""
        with _opened(source) as file:
            reply = self._ask({"do": "members", "filename": filename}, [file.fileno()])
        return [Member(*row) for row in reply["members"]] if "members" in reply else _refused(reply)

    def member(self, source: Source, path: str, filename: str = "") -> bytes | Refused:
        """The bytes of one member, by the path that ``members`` gave."""
        with _opened(source) as file, tempfile.TemporaryFile() as target:
            request = {"do": "member", "path": path, "filename": filename}
            reply = self._ask(request, [file.fileno(), target.fileno()])
            if "copied" not in reply:
                return _refused(reply)
            target.seek(0)
            return target.read(self.limits.file_bytes + 1)

    def close(self) -> None:
        """End the children; a read that is under way is waited for."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for _ in range(self._workers):
            child = self._idle.get()
            if child is not None:
                child.end()

    def __enter__(self) -> Extractor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _at_once(self, source: Source, filename: str, mime: str) -> Extracted | Refused | None:
        data = _read(source)
        kind = kind_of(data[:2048], filename, mime)
        if kind not in ("markdown", "text") or (text := decode_certain(data)) is None:
            return None
        result = markdown(text) if kind == "markdown" else plain(text)
        if not result.markdown.strip():
            return Skipped(EMPTY)
        from datasources.ingestion.readers import finish

        return finish(result, self.limits)

    def _ask(self, request: dict[str, Any], files: list[int]) -> dict[str, Any]:
        """Give the request to a free child. One that died in its sleep is replaced, and the request told again."""
        if self._closed:
            raise ReaderUnavailable("The reader of files has been closed")
        child = self._idle.get()
        try:
            for attempt in (1, 2):
                child = child or _Child(self.limits, self._scratch)
                try:
                    reply = child.ask(request, files)
                except _Lost as lost:
                    child.end()
                    child = None
                    if attempt == 2:
                        raise ReaderUnavailable(f"The process that reads files ends at once: {lost}") from lost
                    continue
                if reply.pop("worn", False) or child.served >= self.limits.files_per_child:
                    child.end()
                    child = None
                return reply
            raise AssertionError("unreachable")
        finally:
            self._idle.put(child)


class _Child:
    """One reading process and the channel to it."""

    def __init__(self, limits: Limits, scratch: Path | None) -> None:
        self.limits = limits
        self.served = 0
        self.scratch = tempfile.mkdtemp(prefix="atrium-read-", dir=scratch)
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the child)
        self.channel, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, _ROOT, str(theirs.fileno()), self.scratch]
        try:
            self.process = subprocess.Popen(
                command,
                env={"TMPDIR": self.scratch, "MALLOC_ARENA_MAX": "2"},
                cwd=self.scratch,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise ReaderUnavailable(f"The process that reads files does not start: {error}") from error
        finally:
            theirs.close()
        self._greet()

    def _greet(self) -> None:
        try:
            wire.send(self.channel, asdict(self.limits))
            hello = wire.receive(self.channel, time.monotonic() + _START_SECONDS)
        except (wire.Ended, TimeoutError) as error:
            self.process.kill()
            self.process.wait()
            tail = self._error_tail()
            self.end()
            raise ReaderUnavailable(f"The process that reads files does not start: {tail or error}") from error
        _note_once(tuple(hello["notes"]))

    def ask(self, request: dict[str, Any], files: list[int]) -> dict[str, Any]:
        """The reply, or, where the child died or was stopped over the file, a Failed that says so."""
        self.channel.settimeout(self.limits.seconds)
        try:
            wire.send(self.channel, request, files)
        except (wire.Ended, OSError) as error:
            raise _Lost(self._error_tail()) from error
        self.served += 1
        try:
            reply = wire.receive(self.channel, time.monotonic() + self.limits.seconds)
        except TimeoutError:
            self.process.kill()
            log.warning("reading.stopped", file=request["filename"], seconds=self.limits.seconds)
            return {"failed": asdict(Failed(TOO_SLOW)), "worn": True}
        except wire.Ended:
            return {"failed": asdict(Failed(self._cause(request["filename"]))), "worn": True}
        if "error" in reply:
            log.warning("reading.broke", file=request["filename"], error=reply["error"])
        return reply

    def _cause(self, filename: str) -> str:
        code = self.process.wait()
        tail = self._error_tail()
        log.warning("reading.died", file=filename, code=code, stderr=tail)
        if code in (-signal.SIGXCPU, -signal.SIGALRM):
            return TOO_SLOW
        hungry = code == -signal.SIGKILL or "memory allocation" in tail or "MemoryError" in tail
        return TOO_HUNGRY if hungry or code == -signal.SIGXFSZ else CRASHED

    def _error_tail(self) -> str:
        end = self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, end - _STDERR_TAIL))
        return self.errors.read().decode("utf-8", "replace").strip()

    def end(self) -> None:
        self.channel.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


@contextmanager
def _opened(source: Source) -> Iterator[IO[bytes]]:
    """The source as an open file with a descriptor; what has none goes through an unlinked temporary file."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
        return
    if not isinstance(source, bytes) and _has_descriptor(source):
        source.seek(0)
        os.lseek(source.fileno(), 0, os.SEEK_SET)
        yield source
        return
    with tempfile.TemporaryFile() as copy:
        if isinstance(source, bytes):
            copy.write(source)
        else:
            source.seek(0)
            shutil.copyfileobj(source, copy)
        copy.flush()
        copy.seek(0)
        yield copy


def _has_descriptor(file: IO[bytes]) -> bool:
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, AttributeError, ValueError):
        return False


def _size(source: Source) -> int:
    if isinstance(source, bytes):
        return len(source)
    return source.stat().st_size if isinstance(source, Path) else source.seek(0, os.SEEK_END)


def _read(source: Source) -> bytes:
    if isinstance(source, bytes):
        return source
    if isinstance(source, Path):
        return source.read_bytes()
    source.seek(0)
    return source.read()


def _unpacked(reply: dict[str, Any]) -> Extracted | Refused:
    if "extracted" not in reply:
        return _refused(reply)
    fields = reply["extracted"]
    tables = tuple(FoundTable(**row) for row in fields["tables"])
    return Extracted(**{**fields, "warnings": tuple(fields["warnings"]), "tables": tables})


def _refused(reply: dict[str, Any]) -> Refused:
    kind: Callable[..., Refused] = Skipped if "skipped" in reply else Failed
    return kind(**(reply.get("skipped") or reply["failed"]))


_noted: set[tuple[str, ...]] = set()


def _note_once(notes: tuple[str, ...]) -> None:
    """Say once what this system could not give the sandbox."""
    if notes not in _noted:
        _noted.add(notes)
        if notes:
            log.warning("reading.sandbox_incomplete", missing=list(notes))
        else:
            log.info("reading.sandbox_complete")
