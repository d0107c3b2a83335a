"""How long a change at a source takes until it can be found: measured for each update, told over the last days."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone

from datasources.health import duration

DAYS = 7


@dataclass(frozen=True, slots=True)
class Freshness:
    """Seconds from the change at the source to being searchable. ``p50``: half of the updates were faster; ``p95``: 19 of 20.

    ``updates``: over how many documents, changed in the last DAYS.
    """

    p50: float
    p95: float
    updates: int

    @property
    def words(self) -> str:
        half, most = duration(self.p50), duration(self.p95)
        return (
            f"Changes are found after {half}"
            if half == most
            else f"Changes are found after {half}, 19 of 20 within {most}"
        )


def freshness_of(sources: Collection[UUID]) -> dict[UUID, Freshness]:
    """Of those of these sources that had an update. One query."""
    if not sources:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT node.source_id, percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY document.lag), count(*)
            FROM datasources_document document JOIN datasources_node node ON node.id = document.node_id
            WHERE node.source_id = ANY(%s) AND document.lag IS NOT NULL AND document.updated > %s
            GROUP BY node.source_id
            """,
            [list(sources), timezone.now() - timedelta(days=DAYS)],
        )
        return {source: Freshness(p50, p95, number) for source, (p50, p95), number in cursor.fetchall()}
