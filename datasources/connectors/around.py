"""What the portal hands to every connector besides its config and secret: plain values and narrow protocols."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from datasources.ingestion.archives import Member
from datasources.ingestion.results import Limits, Refused


class ArchiveReader(Protocol):
    """What is inside zips and tars; ``datasources.ingestion.extract.Extractor`` is one."""

    def members(self, source: Path | bytes | IO[bytes], filename: str = "") -> list[Member] | Refused: ...

    def member(self, source: Path | bytes | IO[bytes], path: str, filename: str = "") -> bytes | Refused: ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that a person handed over. ``path``: POSIX, relative, with the folders it was dropped with.

    ``version`` changes whenever the file is handed over anew with other content.
    """

    path: str
    size: int
    version: str
    modified: datetime | None = None
    author: str = ""


class UploadStore(Protocol):
    """The files handed over for one data source, wherever they are kept."""

    def list(self) -> Iterable[StoredFile]: ...

    def open(self, path: str) -> IO[bytes]:
        """Raises FileNotFoundError where there is no such file."""
        ...


@dataclass(frozen=True, slots=True)
class Around:
    """``folder_roots``: directories that folder sources may read; none means that they may read nothing.

    ``data_dir``: where Atrium keeps its own data, which no connector may read. ``uploads``: of this source alone.
    """

    archives: ArchiveReader
    folder_roots: Sequence[Path] = ()
    data_dir: Path | None = None
    uploads: UploadStore | None = None
    limits: Limits = field(default_factory=Limits)
