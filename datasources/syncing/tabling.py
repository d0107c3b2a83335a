"""Tables of a document into the storage, and their rows beside the document's.

A reader thread puts the Parquet away, under a name that says what is in it; the run's own thread writes the rows with the
document's, in one transaction, and what they replace leaves the storage once that is through.
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any
from uuid import UUID, uuid5

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from datasources.ingestion.results import FoundTable
from datasources.models import DataSource, Node, Table

FOLDER = "tables"
LONGEST_LABEL = 300
_BLOCK = 1024 * 1024
_IN_MEMORY = 4 * _BLOCK


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table whose bytes are in the storage already."""

    label: str
    columns: list[dict[str, Any]]
    rows: int
    left_out: int
    stored: str
    size: int
    digest: str


def put_away(source: DataSource, node: Node, found: Iterable[FoundTable], file: IO[bytes]) -> tuple[StoredTable, ...]:
    """Each table's slice of ``file`` into the storage; what is there already is not written again."""
    stored = []
    for position, table in enumerate(found):
        name = posixpath.join(
            str(source.workspace_id), str(source.pk), FOLDER, f"{node.pk}-{position}-{table.digest[:24]}.parquet"
        )
        if not default_storage.exists(name):
            name = default_storage.save(name, _slice(file, table, name))
        label = table.label.replace("\x00", "")[:LONGEST_LABEL]
        stored.append(StoredTable(label, table.columns, table.rows, table.left_out, name, table.size, table.digest))
    return tuple(stored)


def _digests(rows: Iterable[Table]) -> list[str]:
    return [row.content_hash for row in rows]


def write_tables(given: Mapping[UUID, Sequence[StoredTable]]) -> None:
    """By node, all the tables that it has now. Call it in the transaction that writes their documents."""
    old: dict[UUID, list[Table]] = {node: [] for node in given}
    for row in Table.objects.filter(node__in=given).order_by("node", "position"):
        old[row.node_id].append(row)
    changed = {node: tables for node, tables in given.items() if _digests(old[node]) != [t.digest for t in tables]}
    Table.objects.filter(node__in=changed).delete()
    Table.objects.bulk_create(
        _row(node, pk, position, table)
        for node, tables in changed.items()
        for position, (pk, table) in enumerate(zip(table_ids(node, tables), tables, strict=True))
    )


def table_ids(node: UUID, tables: Sequence[StoredTable]) -> list[UUID]:
    """By the table's own name, so that one that moves within its file stays the same to whoever links to it."""
    ids: list[UUID] = []
    for table in tables:
        number, pk = 1, uuid5(node, f"table:{table.label}")
        while pk in ids:
            number += 1
            pk = uuid5(node, f"table:{table.label}:{number}")
        ids.append(pk)
    return ids


@receiver(post_delete, sender=Table)
def _bytes_follow(instance: Table, **_: Any) -> None:
    """Rows go by cascade from many places (a node, a source, a workspace); their bytes go once that is through."""
    name = instance.stored
    transaction.on_commit(lambda: _discard(name), robust=True)


def _discard(name: str) -> None:
    # The same rows again have the same name.
    if not Table.objects.filter(stored=name).exists():
        default_storage.delete(name)


def clear(source: DataSource) -> None:
    """What a broken-off sync may have left of a source that is deleted."""
    folder = posixpath.join(str(source.workspace_id), str(source.pk), FOLDER)
    try:
        _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        default_storage.delete(posixpath.join(folder, name))


def _row(node: UUID, pk: UUID, position: int, table: StoredTable) -> Table:
    return Table(
        pk=pk,
        node_id=node,
        label=table.label,
        position=position,
        columns=table.columns,
        rows=table.rows,
        left_out=table.left_out,
        stored=table.stored,
        size=table.size,
        content_hash=table.digest,
    )


def _slice(file: IO[bytes], table: FoundTable, name: str) -> File:
    part = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  (closed by the storage's File)
    file.seek(table.start)
    left = table.size
    while left and (block := file.read(min(left, _BLOCK))):
        part.write(block)
        left -= len(block)
    part.seek(0)
    return File(part, name=name)
