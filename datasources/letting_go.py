"""What a changed choice takes out at once, and what it gives back before a worker has come for it. One statement each."""

from __future__ import annotations

from django.db import connection

from datasources.models import DataSource, Node


def let_go(source: DataSource) -> int:
    """Agree that what the selection does not name any more is removed. How many nodes.

    Nobody reads it from then on; a worker takes it out before it asks the source for anything.
    """
    return _mark_unchosen(source, Node.Gone.AGREED, "node.gone <> %(agreed)s")


def take_back(source: DataSource) -> int:
    """What the selection as it is stored let go, and no worker has removed yet, is judged anew by the next one. How many nodes.

    What its integration deleted, or a person took out of the uploaded files, stays gone whatever is chosen: no listing would
    miss it there.
    """
    return _mark_unchosen(source, Node.Gone.NO, f"node.gone = %(agreed)s AND {_STILL_THERE.get(source.kind, 'true')}")


# Of the kinds that are handed over rather than asked for: what is there is what these rows say.
_STILL_THERE = {
    "api": """EXISTS (
    SELECT FROM datasources_written given
    WHERE given.source_id = node.source_id AND given.external_id = node.external_id
)""",
    # A file, the archive that it lies in, or a folder that a file lies in.
    "upload": """(EXISTS (
    SELECT FROM datasources_uploadedfile given
    WHERE given.source_id = node.source_id AND given.path IN (node.external_id, split_part(node.external_id, '!/', 1))
) OR node.status = 'container' AND EXISTS (
    SELECT FROM datasources_uploadedfile given
    WHERE given.source_id = node.source_id AND starts_with(given.path, node.external_id || '/')
))""",
}

# The nearest line at or above a node decides; what is above a ticked node stays as the way to it.
_UNCHOSEN = """
WITH lines AS (
    SELECT node AS at, include FROM datasources_selection WHERE source_id = %(source)s AND node IS NOT NULL
), above AS (
    SELECT DISTINCT unnest(held.parents) AS id FROM datasources_node held
    WHERE held.id IN (SELECT at FROM lines WHERE include)
)
UPDATE datasources_node node SET gone = %(now)s
WHERE node.source_id = %(source)s
  AND node.id NOT IN (SELECT id FROM above)
  AND NOT COALESCE((
    SELECT include FROM lines WHERE at = ANY (node.parents) ORDER BY array_position(node.parents, at) LIMIT 1
  ), %(root)s)
"""


def _mark_unchosen(source: DataSource, now: Node.Gone, where: str) -> int:
    """``where``: more conditions, of this module's own words."""
    lines = list(source.selections.all())
    if not lines:
        return 0
    root = next((line.include for line in lines if line.node is None), not any(line.include for line in lines))
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_UNCHOSEN} AND {where}", {"source": source.pk, "agreed": Node.Gone.AGREED, "now": now, "root": root}
        )
        return cursor.rowcount
