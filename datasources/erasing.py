"""A deleted source goes piece by piece: passages, documents, files, and its row at last. Broken off, it goes on."""

from __future__ import annotations

import structlog
from django.db import transaction
from django.utils import timezone

from datasources import uploads
from datasources.models import DataSource, Node, SyncRun
from datasources.reading import open_index
from datasources.retrieval.types import IndexUnavailable, Selector
from datasources.syncing.leases import claimable, is_dead
from datasources.syncing.tabling import clear as clear_tables
from portal import audit, events

log = structlog.get_logger(__name__)

BATCH = 1000


def erase_source(source: DataSource) -> bool:
    """Remove all that came from it. False where its worker has not let go yet: the next round tries again."""
    if not _released(source):
        return False
    index = open_index()
    handle = index.for_workspace(source.workspace_id)
    try:
        for space in index.info().spaces:
            handle.delete(space, Selector(source=source.pk))
        handle.flush()
    except IndexUnavailable as error:
        log.warning("a deleted source waits for the index", source=str(source.pk), error=str(error))
        return False
    while nodes := list(Node.objects.filter(source=source).values_list("pk", flat=True)[:BATCH]):
        Node.objects.filter(pk__in=nodes).delete()
    uploads.discard(source.uploads.values_list("stored", flat=True))
    clear_tables(source)
    with transaction.atomic():
        events.send(events.SourceRemoved(source.workspace_id, source.pk))
        audit.record("source.erased", workspace=source.workspace, actor=None, target=source)
        source.delete()
    return True


def _released(source: DataSource) -> bool:
    """Stop what runs on it. A worker that still has its lease obeys within seconds, and is waited for."""
    for run in source.runs.filter(state__in=SyncRun.OPEN):
        alive = run.lease_until and run.lease_until > timezone.now() and not is_dead(run.worker)
        if alive:
            SyncRun.objects.filter(pk=run.pk).update(wish="stop")
            return False
        free = SyncRun.objects.filter(pk=run.pk, worker=run.worker)
        free.update(state=SyncRun.State.STOPPED, worker="", lease_until=None, finished=timezone.now())
    return not SyncRun.objects.filter(claimable(), source=source).exists()
