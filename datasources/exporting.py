"""A source taken along: its documents as Markdown, its tables as CSV, in one zip that is written while it is sent.

Only what the person may read; that is asked again for each few documents, so that what is revoked meanwhile is left out.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from uuid import UUID

from django.utils.text import slugify

from datasources.models import DataSource, Document, Node, Table
from datasources.tables import Limits, SqlError, TablesUnavailable, run_sql
from portal import audit
from portal.models import Membership, User
from portal.spreadsheets import as_cell
from portal.threads import in_database

BATCH = 50
ROWS = 5_000
"""Rows of a table that are asked for at once."""
LIMITS = Limits(seconds=60, rows=ROWS, cell_chars=32_000, result_bytes=64 * 1024 * 1024)
LONGEST_PART = 120


def note(source: DataSource, *, by: User) -> None:
    audit.record("source.export", workspace=source.workspace, actor=by, target=source)


def file_name(source: DataSource) -> str:
    return f"{slugify(source.name) or 'source'}.zip"


async def as_zip(membership: Membership, source: DataSource) -> AsyncIterator[bytes]:
    """The zip's bytes, as they come."""
    work = blocks(membership, source)
    while block := await in_database(next, work, b""):
        yield block


def blocks(membership: Membership, source: DataSource) -> Iterator[bytes]:
    """The same, blocking. Each block is written with a few queries and holds no cursor open."""
    sink, names = _Sink(), _Names()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]  # it writes, no more
        for document in _documents(membership, source):
            archive.writestr(names.of(document.node.path or document.shown_title, "md"), _markdown(document))
            if block := sink.taken():
                yield block
        for table in _tables(membership, source):
            with archive.open(names.of(_place(table), "csv"), "w", force_zip64=True) as file:
                for text in _csv(table):
                    file.write(text.encode())
                    if block := sink.taken():
                        yield block
    yield sink.taken()


def _documents(membership: Membership, source: DataSource) -> Iterator[Document]:
    readable = Node.objects.readable_by(membership).filter(source=source, status=Node.Status.INDEXED)
    for some in _batches(list(readable.order_by("path", "id").values_list("pk", flat=True))):
        rows = Document.objects.filter(node__in=Node.objects.readable_by(membership).filter(pk__in=some).values("pk"))
        yield from rows.select_related("node").order_by("node__path", "node")


def _tables(membership: Membership, source: DataSource) -> Iterator[Table]:
    readable = Table.objects.readable_by(membership).filter(node__source=source)
    for some in _batches(list(readable.order_by("node__path", "position").values_list("pk", flat=True))):
        yield from (
            Table.objects.readable_by(membership)
            .filter(pk__in=some)
            .select_related("node")
            .order_by("node__path", "position")
        )


def _batches(keys: list[UUID]) -> Iterator[list[UUID]]:
    rest = iter(keys)
    while some := list(islice(rest, BATCH)):
        yield some


def _markdown(document: Document) -> str:
    """With what is known of it in front, as YAML; a JSON string is a YAML string."""
    node = document.node
    told = {
        "title": document.shown_title,
        "path": node.path,
        "url": node.url,
        "author": node.author,
        "created": node.remote_created.isoformat() if node.remote_created else "",
        "modified": node.modified.isoformat() if node.modified else "",
        "tags": list(node.tags),
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in told.items() if value]
    return "---\n" + "\n".join(lines) + "\n---\n\n" + document.text


def _place(table: Table) -> str:
    return f"{table.node.path} / {table.label}" if table.label else table.node.path


def _csv(table: Table) -> Iterator[str]:
    """Row by row; what a spreadsheet would take for a formula is made text."""
    first = 0
    while True:
        try:
            found = run_sql({"t": table}, f"SELECT * FROM t LIMIT {ROWS} OFFSET {first}", LIMITS)  # noqa: S608  numbers
        except (SqlError, TablesUnavailable) as error:
            yield f"{as_cell(f'The rest could not be read: {error}')}\r\n"
            return
        text = io.StringIO()
        writer = csv.writer(text)
        if not first:
            writer.writerow([as_cell(column.name) for column in found.columns])
        writer.writerows([["" if cell is None else as_cell(cell) for cell in row] for row in found.rows])
        yield text.getvalue()
        first += ROWS
        if len(found.rows) < ROWS:
            return


class _Sink:
    """What the archive writes, until it is taken. It can't be gone back in, so that nothing has to be kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        return None

    def taken(self) -> bytes:
        block, self._parts = b"".join(self._parts), []
        return block


class _Names:
    """Places in the zip: safe on every system, and each once."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def of(self, path: str, ending: str) -> str:
        parts = [_safe(part) for part in path.split(" / ")]
        whole = "/".join(part for part in parts if part) or "untitled"
        if whole.lower().endswith(f".{ending}"):
            whole = whole[: -len(ending) - 1]
        name, number = f"{whole}.{ending}", 2
        while name.casefold() in self._used:
            name, number = f"{whole} ({number}).{ending}", number + 1
        self._used.add(name.casefold())
        return name


_UNSAFE = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')


def _safe(part: str) -> str:
    return _UNSAFE.sub("-", part).strip(" .")[:LONGEST_PART].strip(" .")
