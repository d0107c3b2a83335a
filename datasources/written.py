"""What integrations write into a source of kind ``api``: kept here, read by its connector, found a moment later.

An item is a document, a folder or a table under an external id of the integration's own. Writing is idempotent: what is there
exactly so already is neither stored nor read again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet

from datasources.access import readable_branches
from datasources.connectors.around import TableRows, WrittenNode
from datasources.models import DataSource, Node, Written, WrittenRow, node_id
from datasources.runs import must_live, request_look
from portal import audit
from portal.models import Membership, User

KIND = "api"
MOST_ITEMS = 500
MOST_ROWS = 5000
"""In one call; a table has as many as were written."""
PAGE = 500
OTHER_KIND = "Items are written into a source of kind api; this one reads its content elsewhere."
FIELDS = ("parent", "title", "text", "columns", "url", "author", "modified", "tags", "readers")

_BELOW = """
WITH RECURSIVE below AS (
    SELECT external_id FROM datasources_written WHERE source_id = %(source)s AND external_id = ANY(%(roots)s)
  UNION
    SELECT child.external_id FROM datasources_written child JOIN below ON child.parent = below.external_id
    WHERE child.source_id = %(source)s
)
SELECT external_id FROM below
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``status``: created, updated or unchanged."""

    item: Written
    status: str


# ---- For the connector -------------------------------------------------------------------------------------------


class Kept:
    """The WrittenStore of one source (see connectors/around.py)."""

    def __init__(self, source: DataSource) -> None:
        self._items = Written.objects.filter(source=source)

    def children(self, parent: str | None) -> Iterator[WrittenNode]:
        return map(_node, self._items.filter(parent=parent).order_by("title", "pk"))

    def all(self) -> Iterator[WrittenNode]:
        """Parents before children; what hangs below nothing that is there comes last."""
        order = _parents_first(dict(self._items.order_by("pk").values_list("external_id", "parent")))
        for first in range(0, len(order), PAGE):
            page = order[first : first + PAGE]
            rows = {row.external_id: row for row in self._items.filter(external_id__in=page)}
            yield from (_node(rows[key]) for key in page if key in rows)

    def one(self, external_id: str) -> WrittenNode | None:
        row = self._items.filter(external_id=external_id).first()
        return _node(row) if row is not None else None

    def rows(self, external_id: str) -> TableRows | None:
        row = self._items.filter(external_id=external_id).exclude(columns=None).first()
        if row is None:
            return None
        cells = row.rows.order_by("pk").values_list("cells", flat=True)
        return TableRows(tuple(row.columns or ()), list(cells))


def _node(row: Written) -> WrittenNode:
    return WrittenNode(
        external_id=row.external_id,
        title=row.title,
        parent=row.parent,
        version=row.version,
        text=row.text,
        has_table=row.columns is not None,
        url=row.url,
        author=row.author,
        modified=row.modified,
        tags=tuple(row.tags),
        readers=None if row.readers is None else tuple(row.readers),
    )


def _parents_first(parents: Mapping[str, str | None]) -> list[str]:
    below: dict[str | None, list[str]] = {}
    for key, parent in parents.items():
        below.setdefault(parent, []).append(key)
    order: list[str] = []
    waiting = list(reversed(below.get(None, [])))
    while waiting:
        key = waiting.pop()
        order.append(key)
        waiting += reversed(below.get(key, []))
    told = set(order)
    return order + [key for key in parents if key not in told]


# ---- For integrations --------------------------------------------------------------------------------------------


@transaction.atomic
def write_items(source: DataSource, items: Sequence[Mapping[str, Any]], *, by: User | None) -> list[Outcome]:
    """Make or change these, all or none. Each names its ``external_id``; fields that it leaves out stay as they are.

    Parents may come in any order, in this call or a later one. Raises ValidationError with a sentence.
    """
    source = _writable(source)
    if len(items) > MOST_ITEMS:
        raise ValidationError(f"Write at most {MOST_ITEMS} items at once; these are {len(items)}.")
    ids = [str(item["external_id"]) for item in items]
    if twice := next((key for key in ids if ids.count(key) > 1), None):
        raise ValidationError(f"The item {twice} is in it twice.")
    known = {row.external_id: row for row in Written.objects.filter(source=source, external_id__in=ids)}
    outcomes = [_written(source, item, known.get(str(item["external_id"]))) for item in items]
    changed = [outcome for outcome in outcomes if outcome.status != "unchanged"]
    Written.objects.bulk_create([o.item for o in changed if o.status == "created"])
    Written.objects.bulk_update(
        [o.item for o in changed if o.status == "updated"], [*FIELDS, "version"], batch_size=100
    )
    if changed:
        _record(source, "written.write", by, len(changed))
        request_look(source, [outcome.item.external_id for outcome in changed])
    return outcomes


def _written(source: DataSource, item: Mapping[str, Any], old: Written | None) -> Outcome:
    row = old or Written(source=source, external_id=str(item["external_id"]), title=str(item["external_id"])[:500])
    before = _fields(row) if old is not None else None
    for name in FIELDS:
        if name in item:
            setattr(row, name, item[name])
    if row.parent == row.external_id:
        raise ValidationError(f"The item {row.external_id} can't be its own parent.")
    if before is not None and len(row.columns or ()) != len(before["columns"] or ()) and row.rows.exists():
        raise ValidationError(f"The table {row.external_id} has rows. Delete it first, to write it with other columns.")
    if before == _fields(row):
        return Outcome(row, "unchanged")
    row.version = _digest(row.version, _fields(row))
    return Outcome(row, "updated" if old is not None else "created")


def _fields(row: Written) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS}


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@transaction.atomic
def delete_items(source: DataSource, external_ids: Iterable[str], *, by: User | None) -> int:
    """Remove these and all that was written below them; how many went. Those that are not there do no harm."""
    source = _writable(source)
    roots = list(external_ids)
    with connection.cursor() as cursor:
        cursor.execute(_BELOW, {"source": source.pk, "roots": roots})
        gone = [key for (key,) in cursor.fetchall()]
    if not gone:
        return 0
    Written.objects.filter(source=source, external_id__in=gone).delete()
    # The integration said so: nobody has to be asked, however many these are.
    pks = [node_id(source.pk, key) for key in gone]
    source.nodes.filter(parents__overlap=pks).update(gone=Node.Gone.AGREED)
    _record(source, "written.delete", by, len(gone))
    request_look(source, [key for key in roots if key in set(gone)])
    return len(gone)


@transaction.atomic
def write_rows(
    source: DataSource, external_id: str, rows: Sequence[tuple[str, Sequence[Any]]], *, by: User | None, replace: bool
) -> Written:
    """Put these (key, cells) into a table, or with ``replace`` make them all that it has. Raises ValidationError."""
    source = _writable(source)
    table = table_of(source, external_id)
    if len(rows) > MOST_ROWS:
        raise ValidationError(f"Write at most {MOST_ROWS:,} rows at once; these are {len(rows):,}.")
    width = len(table.columns or ())
    for key, cells in rows:
        if len(cells) != width:
            raise ValidationError(f"The row {key} has {len(cells)} cells; the table has {width} columns.")
    wanted = dict(rows)
    if len(wanted) < len(rows):
        raise ValidationError("Two rows have the same key.")
    known = WrittenRow.objects.filter(table=table)
    have = dict((known if replace else known.filter(key__in=wanted)).values_list("key", "cells"))
    changed = {key: list(cells) for key, cells in wanted.items() if have.get(key) != list(cells)}
    gone = [key for key in have if key not in wanted] if replace else []
    if changed or gone:
        WrittenRow.objects.bulk_create(
            [WrittenRow(table=table, key=key, cells=cells) for key, cells in changed.items()],
            batch_size=1000,
            update_conflicts=True,
            unique_fields=["table", "key"],
            update_fields=["cells"],
        )
        known.filter(key__in=gone).delete()
        _table_changed(source, table, [changed, gone], by)
    return table


@transaction.atomic
def delete_rows(source: DataSource, external_id: str, keys: Sequence[str], *, by: User | None) -> int:
    """Take these rows out of a table; how many went."""
    source = _writable(source)
    table = table_of(source, external_id)
    gone, _ = WrittenRow.objects.filter(table=table, key__in=keys).delete()
    if gone:
        _table_changed(source, table, list(keys), by)
    return gone


def items_of(source: DataSource) -> QuerySet[Written]:
    """What was written into it. Raises ValidationError for a source of another kind."""
    if source.kind != KIND:
        raise ValidationError(OTHER_KIND)
    return Written.objects.filter(source=source)


def may_read(membership: Membership, row: Written) -> bool:
    """Whether this person may read the text, or the rows: by its node as everything else, and until that is there by the source."""
    node = Node.objects.filter(pk=node_id(row.source_id, row.external_id))
    if node.exists():
        return node.readable_by(membership).exists()
    whole = (branch for branch in readable_branches(membership) if branch.source == row.source_id)
    return any(branch.parents_in is None and branch.readers is None for branch in whole)


def table_of(source: DataSource, external_id: str) -> Written:
    """Raises ValidationError where there is no such table."""
    row = Written.objects.filter(source=source, external_id=external_id).first()
    if row is None or row.columns is None:
        raise ValidationError(f"There is no table {external_id}. Write it first, as an item with columns.")
    return row


def _table_changed(source: DataSource, table: Written, what: Any, by: User | None) -> None:
    table.version = _digest(table.version, what)
    table.save(update_fields=["version", "updated"])
    _record(source, "written.rows", by, 1)
    request_look(source, [table.external_id])


def _writable(source: DataSource) -> DataSource:
    """The source, locked: two that write at once take turns. Raises ValidationError for one of another kind."""
    source = DataSource.objects.select_for_update().select_related("workspace").get(pk=source.pk)
    must_live(source)
    if source.kind != KIND:
        raise ValidationError(OTHER_KIND)
    return source


def _record(source: DataSource, action: str, by: User | None, number: int) -> None:
    audit.record(action, workspace=source.workspace, actor=by, target=source, after={"items": number})
