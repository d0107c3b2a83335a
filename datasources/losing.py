"""What goes with a source that is deleted, by name and number: portal, admin and API say it before it is done."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Sum

from datasources.models import DataSource, Document, Table
from datasources.uses import Uses, used_by
from portal.models import Membership, Space


@dataclass(frozen=True, slots=True)
class Losses:
    """``rows``: of the tables. ``uploads``: files that people handed over, of which Atrium may hold the only copy. ``spaces``:
    those that see some of it, as far as the asker may know them. ``syncs``: whose record goes too."""

    documents: int
    passages: int
    tables: int
    rows: int
    uploads: int
    syncs: int
    spaces: tuple[Space, ...]
    used_by: Uses


def losses_of(source: DataSource, membership: Membership | None) -> Losses:
    """For who may delete it; without a membership, as the workspace's admins see it. A constant number of queries."""
    documents = Document.objects.filter(node__source=source).aggregate(number=Count("pk"), passages=Sum("passages"))
    tables = Table.objects.filter(node__source=source).aggregate(number=Count("pk"), rows=Sum("rows"))
    spaces = Space.objects.filter(pk__in=source.grants.values("space")).order_by("name")
    if membership is not None:
        spaces = spaces.filter(pk__in=Space.objects.governed_by(membership).values("pk"))
    return Losses(
        documents=documents["number"],
        passages=documents["passages"] or 0,
        tables=tables["number"],
        rows=tables["rows"] or 0,
        uploads=source.uploads.count(),
        syncs=source.runs.count(),
        spaces=tuple(spaces),
        used_by=used_by(membership, [source])[source.pk],
    )
