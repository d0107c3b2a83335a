"""What comes out of reading one file: its text, or why not. Plain values, cheap to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost. Sizes are bytes, times seconds of the clock unless they say CPU."""

    file_bytes: int = 100 * MB
    text_chars: int = 5_000_000
    seconds: float = 60.0
    cpu_seconds: int = 60
    memory_bytes: int = 1024 * MB
    table_rows: int = 5_000
    table_columns: int = 200
    # Of what can be asked by SQL: tables a file, rows a table, and cells a table, whichever comes first.
    tables: int = 50
    stored_rows: int = 200_000
    stored_cells: int = 5_000_000
    archive_members: int = 10_000
    archive_bytes: int = 1024 * MB
    archive_depth: int = 3
    archive_ratio: int = 200
    files_per_child: int = 300
    in_process_bytes: int = 1 * MB


@dataclass(frozen=True, slots=True)
class FoundTable:
    """One table of a file or of a connector, written as Parquet.

    ``columns``: as ``models.Table`` keeps them. ``start``, ``size``: where its bytes stand in the file that was given to be
    written. ``left_out``: rows past the limit. ``cut_rows``: rows of which cells beyond the last column were dropped.
    ``digest``: equal means the same rows and columns.
    """

    label: str
    columns: list[dict[str, Any]]
    rows: int
    left_out: int
    start: int
    size: int
    digest: str
    cut_rows: int = 0


@dataclass(frozen=True, slots=True)
class Extracted:
    """The text of a file as Markdown. ``title``: what it calls itself; empty where it does not.

    ``warnings``: what was left out, in plain words. ``metadata``: JSON values; ``pages`` there, for a PDF, is the
    code point at which each page begins. ``tables``: what can be asked by SQL, where that was wanted.
    """

    markdown: str
    title: str = ""
    kind: str = ""
    warnings: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[FoundTable, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """Nothing is broken; the file just can't come in. ``reason`` is for a person."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The file should have come in and did not. ``reason`` is for a person."""

    reason: str


Refused = Skipped | Failed


class Refusal(Exception):
    """Raised while reading; the edges turn it into the Skipped or Failed that it carries."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.refused = refused


def skip(reason: str) -> Refusal:
    return Refusal(Skipped(reason))


def fail(reason: str) -> Refusal:
    return Refusal(Failed(reason))


def megabytes(size: int) -> str:
    """``size`` in bytes as a person writes it: ``130 MB``, ``0.5 MB``."""
    value = size / MB
    return f"{value:,.0f} MB" if value >= 10 else f"{value:.1f} MB"


def too_large(size: int, limit: int) -> Skipped:
    return Skipped(f"Too large: {megabytes(size)}, the limit is {megabytes(limit)}")


ENCRYPTED = "Encrypted: open it with its password and upload it again without one"
SCANNED = "Scanned: no text layer. Run text recognition (OCR) over it and upload it again"
EMPTY = "Empty"
UNREADABLE_KIND = "Not a kind of file that can be read"
CORRUPT = "Damaged: it could not be opened. Open it in the program that made it, save it again and retry"
NO_TABLES = "Its rows can be searched, but not asked by SQL"
TOO_SLOW = "Took too long to read"
TOO_HUNGRY = "Needed more memory to read than is allowed"
CRASHED = "The reader broke down on this file"
