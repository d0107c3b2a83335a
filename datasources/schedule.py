"""What is due goes on the queue: runs that nobody works on, sources whose hour has come, deletions not finished."""

from __future__ import annotations

import structlog
from django.utils import timezone

from datasources.models import DataSource, SyncRun
from datasources.runs import request_sync
from datasources.sync import sync_source
from datasources.syncing.leases import claimable, free_dead_leases, should_yield
from datasources.syncing.queueing import enqueue_deletion, enqueue_run

log = structlog.get_logger(__name__)

State = DataSource.State


def take_turn(run: SyncRun) -> None:
    """Sync, unless another workspace waits for a worker while this one has one: then the next round offers it again."""
    if not should_yield(run):
        sync_source(run)


def enqueue_due() -> int:
    """How many ids went on the queue. Twice on it does no harm: a run is claimed once."""
    free_dead_leases()
    _start_scheduled()
    runs = list(SyncRun.objects.filter(claimable()).order_by("created").values_list("pk", flat=True))
    for run in runs:
        enqueue_run(run)
    deletions = list(DataSource.objects.filter(state=State.DELETING).values_list("pk", flat=True))
    for source in deletions:
        enqueue_deletion(source)
    return len(runs) + len(deletions)


def _start_scheduled() -> None:
    now = timezone.now()
    for source in DataSource.objects.filter(next_run__lte=now).exclude(state__in=[State.DELETING, State.PAUSED]):
        every = DataSource.EVERY.get(source.schedule)
        # Two clocks at once: only one of them moves the hand on.
        mine = DataSource.objects.filter(pk=source.pk, next_run=source.next_run)
        if mine.update(next_run=now + every if every else None) and every:
            request_sync(source, by=None, trigger=SyncRun.Trigger.SCHEDULE)
