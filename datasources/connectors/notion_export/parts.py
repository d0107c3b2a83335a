"""The bytes of an export's files. A part (a zip inside the zip) is unpacked once and kept, not once for each page in it."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import IO

from datasources.connectors.around import ArchiveReader, UploadStore
from datasources.connectors.base import ConnectorError, NodeError
from datasources.ingestion.archives import INSIDE, Member
from datasources.ingestion.results import Refused, Skipped

_KEPT = 4
GONE = "The export that it was in has been removed"


class Parts:
    """May be shared by threads. What it keeps on disk goes with it."""

    def __init__(self, archives: ArchiveReader, store: UploadStore) -> None:
        self._archives = archives
        self._store = store
        self._lock = threading.Lock()
        self._place: tempfile.TemporaryDirectory[str] | None = None
        self._kept: dict[tuple[str, str], Path] = {}

    def members(self, file: str) -> list[Member] | Refused:
        with self._open(file) as opened:
            return self._archives.members(opened, file)

    def read(self, file: str, member: str) -> bytes:
        """Raises NodeError."""
        part, inside, rest = member.partition(INSIDE)
        if not inside:
            with self._open(file) as opened:
                return self._member(opened, member) if member else opened.read()
        with self._part(file, part).open("rb") as opened:
            return self._member(opened, rest)

    def _part(self, file: str, part: str) -> Path:
        with self._lock:
            key = (file, part)
            if key not in self._kept:
                if self._place is None:
                    self._place = tempfile.TemporaryDirectory(prefix="atrium-export-")
                while len(self._kept) >= _KEPT:
                    self._kept.pop(next(iter(self._kept))).unlink(missing_ok=True)
                with self._open(file) as opened:
                    data = self._member(opened, part)
                handle, name = tempfile.mkstemp(suffix=".zip", dir=self._place.name)
                with open(handle, "wb") as kept:
                    kept.write(data)
                self._kept[key] = Path(name)
            return self._kept[key]

    def _member(self, opened: IO[bytes], path: str) -> bytes:
        found = self._archives.member(opened, path)
        if not isinstance(found, bytes):
            raise NodeError(found.reason, skip=isinstance(found, Skipped))
        return found

    def _open(self, file: str) -> IO[bytes]:
        try:
            return self._store.open(file)
        except FileNotFoundError as error:
            raise NodeError(GONE, skip=True) from error
        except OSError as error:
            raise ConnectorError(f"The storage of uploaded files does not answer: {error}") from error
