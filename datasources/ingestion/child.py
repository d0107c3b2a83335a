"""The process that reads files for the portal: no network, no other programs, no files but its own scratch folder.

Started by extract.py with an empty environment; ends when the portal's end of the channel closes.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Iterable
from typing import IO, Any

from datasources.ingestion import archives, sandbox, tabulating, wire
from datasources.ingestion.describing import told
from datasources.ingestion.results import (
    CORRUPT,
    CRASHED,
    NO_TABLES,
    TOO_HUNGRY,
    Extracted,
    Failed,
    Limits,
    Refusal,
    Refused,
)

_MOST_KEPT_BYTES = 200 * 1024 * 1024
_TABULAR = ("csv", "xlsx", "ods")


def serve(descriptor: int, scratch: str) -> None:
    channel = socket.socket(fileno=descriptor)
    notes = [note for note in [sandbox.leave_network()] if note]
    limits = Limits(**wire.receive(channel))
    from datasources.ingestion import html, library, message, readers, slides, workbook  # noqa: F401  (imported before the doors close)

    tabulating.database()

    statm = os.open("/proc/self/statm", os.O_RDONLY) if sys.platform == "linux" else None
    sandbox.lower_limits(memory_bytes=limits.memory_bytes, file_bytes=limits.archive_bytes)
    notes += sandbox.lock_down({sys.prefix, sys.base_prefix, "/usr/lib", "/usr/share", "/etc/ssl"}, scratch)
    wire.send(channel, {"ready": True, "notes": notes})
    try:
        while True:
            request, files = wire.receive_with_files(channel)
            sandbox.allow_more_cpu(limits.cpu_seconds)
            signal.setitimer(signal.ITIMER_REAL, limits.seconds + 5)
            wire.send(channel, _answer(request, files, limits) | _grown(statm))
            signal.setitimer(signal.ITIMER_REAL, 0)
    except wire.Ended:
        shutil.rmtree(scratch, ignore_errors=True)


def _grown(statm: int | None) -> dict[str, Any]:
    """A large file leaves its memory with the allocator; a fresh child is cheaper than keeping that.

    Not ``ru_maxrss``: that is handed down from the process that started this one.
    """
    if statm is None:
        return {}
    resident = int(os.pread(statm, 200, 0).split()[1]) * resource.getpagesize()
    return {"worn": True} if resident > _MOST_KEPT_BYTES else {}


def _answer(request: dict[str, Any], files: list[int], limits: Limits) -> dict[str, Any]:
    """A reply for every request; what breaks in a library becomes a Failed, and asks for a fresh child."""
    opened = [os.fdopen(file, mode) for file, mode in zip(files, ("rb", "wb"), strict=False)]
    try:
        return _DOES[request["do"]](request, opened, limits)
    except Refusal as refusal:
        return _packed(refusal.refused)
    except MemoryError:
        return _packed(Failed(TOO_HUNGRY)) | {"worn": True}
    except RecursionError:
        return _packed(Failed(CORRUPT)) | {"worn": True}
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        traceback.print_exc()
        return _packed(Failed(CRASHED)) | {"worn": True, "error": f"{type(error).__name__}: {error}"[:500]}
    finally:
        for file in opened:
            file.close()


def _extract(request: dict[str, Any], opened: list[Any], limits: Limits) -> dict[str, Any]:
    from datasources.ingestion import readers

    data = opened[0].read(limits.file_bytes + 1)
    result = readers.read(data, request["filename"], request["mime"], limits)
    if len(opened) > 1 and isinstance(result, Extracted) and result.kind in _TABULAR:
        result = _with_tables(result, data, limits, opened[1])
    return _packed(result)


def _with_tables(result: Extracted, data: bytes, limits: Limits, target: IO[bytes]) -> Extracted:
    """The text stays, whatever becomes of the tables."""
    from datasources.ingestion import workbook
    from datasources.ingestion.decode import decode

    try:
        grids: Iterable[tabulating.Grid]
        if result.kind == "csv":
            grids = [tabulating.separated(decode(data)[0])]
        else:
            grids = tabulating.labelled(workbook.sheets(data, result.kind, limits))
        tables = tabulating.write_tables(grids, limits, target)
    except (Refusal, tabulating.Unwritable) as refusal:
        return dataclasses.replace(result, warnings=(*result.warnings, f"{NO_TABLES}: {refusal}"))
    return dataclasses.replace(result, tables=tuple(tables), warnings=(*result.warnings, *told(tables)))


def _tabulate(request: dict[str, Any], opened: list[Any], limits: Limits) -> dict[str, Any]:
    """Rows that a connector gave: a line of names, then lines of texts, for each table."""
    try:
        tables = tabulating.write_tables(tabulating.handed_over(opened[0]), limits, opened[1])
    except tabulating.Unwritable as error:
        return _packed(Failed(f"{NO_TABLES}: {error}"))
    return {"tables": [dataclasses.asdict(table) for table in tables]}


def _members(request: dict[str, Any], opened: list[Any], limits: Limits) -> dict[str, Any]:
    return {"members": [dataclasses.astuple(m) for m in archives.list_members(opened[0], limits)]}


def _member(request: dict[str, Any], opened: list[Any], limits: Limits) -> dict[str, Any]:
    return {"copied": archives.copy_member(opened[0], request["path"], opened[1], limits)}


_DOES = {"extract": _extract, "members": _members, "member": _member, "tabulate": _tabulate}


def _packed(result: Extracted | Refused) -> dict[str, Any]:
    return {type(result).__name__.lower(): dataclasses.asdict(result)}
