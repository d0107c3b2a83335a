"""Filling the index again from what the database has: after it was lost, or moved to another server."""

from __future__ import annotations

from django.db import transaction

from datasources.models import DataSource, Document, SyncRun
from datasources.runs import request_sync
from portal.models import Workspace

Trigger = SyncRun.Trigger


def reindex(workspace: Workspace) -> list[SyncRun]:
    """One run for each source, over the stored texts; nothing that came in is fetched again. Begun before, it goes on.

    What the index has already as it should be stays as it is, so that an index that is whole is only looked through.
    """
    living = workspace.data_sources.exclude(state__in=[DataSource.State.DELETING, DataSource.State.DRAFT]).order_by(
        "created"
    )
    return [_reindex(source) for source in living]


@transaction.atomic
def _reindex(source: DataSource) -> SyncRun:
    DataSource.objects.select_for_update().get(pk=source.pk)
    begun = source.runs.filter(state__in=SyncRun.OPEN, trigger=Trigger.EMBEDDER).first()
    if begun is not None:
        return begun
    Document.objects.filter(node__source=source).update(indexed_hash="", passages=0)
    # Where another sync is open already, it meets the documents that lost their mark.
    return request_sync(source, by=None, trigger=Trigger.EMBEDDER, again=True)
