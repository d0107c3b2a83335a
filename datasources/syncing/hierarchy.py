"""Where nodes hang: each one's chain of ancestors and path, also when a folder moves with all that is below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from datasources.connectors.base import RemoteNode
from datasources.models import Node, node_id

SEPARATOR = " / "
_MOST_REMEMBERED = 20_000

# One statement: walk down from the moved nodes, whose own rows are right already; what changed below them is rewritten,
# and the documents among it are marked, so that the index follows. Who may read a node comes from the nearest one at or above
# it of which that was told. A cycle ends where it would bite its tail.
_REWRITE = """
WITH RECURSIVE below AS (
    SELECT id, parents, path, depth::int AS depth, readers::text[] AS readers FROM datasources_node
    WHERE id = ANY(%(roots)s)
  UNION ALL
    SELECT child.id, ARRAY[child.id] || below.parents, below.path || %(separator)s || child.title, below.depth + 1,
        COALESCE(child.told_readers::text[], below.readers)
    FROM datasources_node child JOIN below ON child.parent_id = below.id
    WHERE child.source_id = %(source)s AND NOT child.id = ANY(below.parents)
), moved AS (
    UPDATE datasources_node node
    SET parents = below.parents, path = below.path, depth = below.depth, readers = below.readers
    FROM below JOIN datasources_node old ON old.id = below.id
    WHERE node.id = below.id
        AND (old.parents, old.path, old.readers::text[]) IS DISTINCT FROM (below.parents, below.path, below.readers)
    RETURNING node.id,
        (old.parents, old.readers::text[]) IS DISTINCT FROM (below.parents, below.readers) AS elsewhere
)
UPDATE datasources_document document SET behind = true FROM moved
WHERE document.node_id = moved.id AND moved.elsewhere
"""


@dataclass(frozen=True, slots=True)
class Place:
    """``parents``: own id first, then each ancestor. ``path``: titles from the root down. ``depth``: 0 at the root.

    ``readers``: who may read there, from the nearest node at or above it of which that was told; None where none was.
    """

    parents: tuple[UUID, ...]
    path: str
    depth: int
    readers: tuple[str, ...] | None = None


class Places:
    """Finds the place of told nodes; remembers those of their parents between batches."""

    def __init__(self, source: UUID) -> None:
        self._source = source
        self._known: dict[UUID, Place] = {}

    def forget(self) -> None:
        self._known.clear()

    def of(self, batch: Mapping[UUID, RemoteNode]) -> dict[UUID, Place]:
        """The place of each node of the batch, in which parents may come after their children. At most one query."""
        if len(self._known) > _MOST_REMEMBERED:
            self.forget()
        for told in batch:
            self._known.pop(told, None)
        parents = {node_id(self._source, n.parent) for n in batch.values() if n.parent is not None}
        self._load(parents - batch.keys() - self._known.keys())
        found: dict[UUID, Place] = {}
        for told in batch:
            self._find(told, batch, found)
        self._known.update((key, place) for key, place in found.items() if not batch[key].has_text or key in parents)
        return found

    def _load(self, wanted: Iterable[UUID]) -> None:
        rows = (
            Node.objects.filter(pk__in=list(wanted)).values_list("pk", "parents", "path", "depth", "readers")
            if wanted
            else ()
        )
        for key, parents, path, depth, readers in rows:
            self._known[key] = Place(tuple(parents), path, depth, None if readers is None else tuple(readers))

    def _find(self, key: UUID, batch: Mapping[UUID, RemoteNode], found: dict[UUID, Place]) -> None:
        """Climb to the first ancestor whose place is known, then come down again."""
        climb: list[UUID] = []
        at: UUID | None = key
        while at is not None and at not in found and at in batch and at not in climb:
            climb.append(at)
            parent = batch[at].parent
            at = node_id(self._source, parent) if parent is not None else None
        above = None if at is None or at in climb else found.get(at) or self._known.get(at)
        if at is not None and above is None and at not in climb:
            # Its parent was not told yet: until it is, all that is known of the chain is its id.
            above = Place((at,), "", 0)
        for node in reversed(climb):
            title, readers = stored_title(batch[node].title), batch[node].readers
            if above is None:
                above = Place((node,), title, 0, readers)
            else:
                path = f"{above.path}{SEPARATOR}{title}" if above.path else title
                readers = above.readers if readers is None else readers
                above = Place((node, *above.parents), path, above.depth + 1, readers)
            found[node] = above


def stored_title(title: str) -> str:
    return storable(title)[:500]


def storable(text: str) -> str:
    """Without what PostgreSQL can't store: NUL characters, and halves of surrogate pairs (undecodable file names)."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def rewrite_below(source: UUID, roots: Iterable[UUID]) -> None:
    """Give all below ``roots`` the chains and paths that follow from theirs. Call it in the transaction of the move."""
    ids = list(roots)
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(_REWRITE, {"roots": ids, "source": source, "separator": SEPARATOR})
