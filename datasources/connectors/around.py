"""What the portal hands to every connector besides its config and secret: plain values and narrow protocols."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from datasources.ingestion.archives import Member
from datasources.ingestion.results import Limits, Refused
from portal.providers.transport import OPEN, Network


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
class WrittenNode:
    """What an integration wrote into an ``api`` source. ``version`` changes with its content; ``text`` None is a folder.

    ``readers`` as in RemoteNode.
    """

    external_id: str
    title: str
    parent: str | None = None
    version: str = ""
    text: str | None = None
    has_table: bool = False
    url: str = ""
    author: str = ""
    modified: datetime | None = None
    tags: tuple[str, ...] = ()
    readers: tuple[str, ...] | None = None


class WrittenStore(Protocol):
    """What integrations wrote into one ``api`` source."""

    def children(self, parent: str | None) -> Iterable[WrittenNode]: ...

    def all(self) -> Iterable[WrittenNode]:
        """Parents before children, without texts: ``""`` stands for one, as in ``children``."""
        ...

    def one(self, external_id: str) -> WrittenNode | None: ...

    def rows(self, external_id: str) -> TableRows | None: ...


@dataclass(frozen=True, slots=True)
class TableRows:
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


class Tokens(Protocol):
    """Access tokens of an OAuth credential, renewed with its refresh token and kept."""

    def access(self, *, renew: bool = False) -> str:
        """A token that is good for a few minutes. ``renew``: the vendor refused the last one.

        Raises ConnectorError, permanent where the person has to connect anew.
        """
        ...


@dataclass(frozen=True, slots=True)
class Around:
    """``folder_roots``: directories that folder sources may read; none means that they may read nothing.

    ``data_dir``: where Atrium keeps its own data, which no connector may read. ``uploads``, ``written``: of this source alone.
    ``network``: where calls may go; sessions of ``datasources.connectors.http`` obey it. ``tokens``: with OAuth only.
    ``mirror``: who may read what is to be told, too.
    """

    archives: ArchiveReader
    folder_roots: Sequence[Path] = ()
    data_dir: Path | None = None
    uploads: UploadStore | None = None
    limits: Limits = field(default_factory=Limits)
    written: WrittenStore | None = None
    network: Network = OPEN
    tokens: Tokens | None = None
    mirror: bool = False
