"""Starts a process for a query, gives it its tables, and ends it when its time is over."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import structlog

from datasources.ingestion import wire
from datasources.querying.values import (
    TOO_HUNGRY,
    TOO_SLOW,
    Limits,
    Query,
    Result,
    ResultColumn,
    SqlError,
    TablesUnavailable,
)

log = structlog.get_logger(__name__)

_ROOT = str(Path(__file__).resolve().parents[2])
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from datasources.querying.child import serve; serve(int(sys.argv[2]), sys.argv[3])"
)
AT_ONCE = 2
"""Processes at a time: each may use as much memory as ``Limits`` says, and a processor."""
PATIENCE = 20.0
"""Seconds that a query waits for its turn."""
_BLOCK = 1024 * 1024
_turns = threading.BoundedSemaphore(AT_ONCE)


def run(tables: Mapping[str, IO[bytes]], queries: Sequence[Query], limits: Limits) -> list[Result]:
    """The results of all queries over ``tables`` (name in SQL → Parquet), or of none.

    Raises SqlError where one of them is refused, wrong or too much, and TablesUnavailable.
    """
    for query in queries:
        if len(query.sql) > limits.sql_chars:
            raise SqlError(f"The query has more than {limits.sql_chars:,} characters. Write it shorter.", "refused")
        if "\x00" in query.sql or not query.sql.strip():
            raise SqlError("Write a query first.", "refused")
    if not _turns.acquire(timeout=PATIENCE):
        raise TablesUnavailable("Many queries are being run now. Try again in a moment.")
    scratch = tempfile.mkdtemp(prefix="atrium-sql-")
    try:
        paths = {}
        for number, (name, file) in enumerate(tables.items()):
            paths[name] = f"{scratch}/{number}.parquet"
            with open(paths[name], "wb") as copy:
                shutil.copyfileobj(file, copy, _BLOCK)
        job = {"tables": paths, "queries": [asdict(query) for query in queries], "limits": asdict(limits)}
        return _results(_reply(job, scratch, limits))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        _turns.release()


def _reply(job: dict[str, Any], scratch: str, limits: Limits) -> dict[str, Any]:
    deadline = time.monotonic() + limits.seconds
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile() as errors:
        command = [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, _ROOT, str(theirs.fileno()), scratch]
        try:
            process = subprocess.Popen(
                command,
                env={"TMPDIR": scratch, "HOME": scratch, "MALLOC_ARENA_MAX": "2"},
                cwd=scratch,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise TablesUnavailable(f"The process that runs queries does not start: {error}") from error
        finally:
            theirs.close()
        try:
            wire.send(ours, job)
            return wire.receive(ours, deadline)
        except TimeoutError as error:
            raise SqlError(TOO_SLOW.format(limits.seconds), "too_slow") from error
        except wire.Ended as error:
            raise _died(process, errors, limits) from error
        finally:
            process.kill()
            process.wait()


def _died(process: subprocess.Popen[bytes], errors: IO[bytes], limits: Limits) -> Exception:
    code = process.wait()
    errors.seek(0)
    tail = errors.read()[-4000:].decode("utf-8", "replace").strip()
    if code < 0 or "MemoryError" in tail or "bad_alloc" in tail:
        # A signal: its own limit on time, or memory that could not be had in the middle of something.
        log.info("query.died", code=code, stderr=tail[-500:])
        slow = code in (-24, -14)
        return SqlError(TOO_SLOW.format(limits.seconds) if slow else TOO_HUNGRY, "too_slow" if slow else "too_hungry")
    log.error("query.broke", code=code, stderr=tail)
    return TablesUnavailable("The process that runs queries broke down. Try again; the portal's log says more.")


def _results(reply: dict[str, Any]) -> list[Result]:
    _note_once(tuple(reply["notes"]))
    if "error" in reply:
        raise SqlError(reply["error"], reply["code"])
    return [
        Result(
            tuple(ResultColumn(*column) for column in result["columns"]),
            tuple(tuple(row) for row in result["rows"]),
            result["truncated"],
            result["seconds"],
        )
        for result in reply["results"]
    ]


_noted: set[tuple[str, ...]] = set()


def _note_once(notes: tuple[str, ...]) -> None:
    """Say once what this system could not give the sandbox."""
    if notes not in _noted:
        _noted.add(notes)
        if notes:
            log.warning("query.sandbox_incomplete", missing=list(notes))
