"""What is due goes on the queue: runs that nobody works on, sources whose hour has come, deletions not finished."""

from __future__ import annotations

import structlog
from django.utils import timezone

from datasources.connecting import forget_old_drafts
from datasources.hooks import forget_deliveries
from datasources.models import DataSource, SyncRun
from datasources.runs import request_look, request_sync
from datasources.sync import sync_source
from datasources.syncing.leases import claimable, free_dead_leases
from datasources.syncing.queueing import enqueue_deletion, enqueue_run
from datasources.syncing.turns import next_run

log = structlog.get_logger(__name__)

State = DataSource.State


def take_turn() -> None:
    """A worker is free: sync what is next by workspace (see syncing/turns.py), and put what follows on the queue."""
    run = next_run()
    if run is None:
        return
    sync_source(run)
    if (following := next_run()) is not None:
        enqueue_run(following.pk)


def enqueue_due() -> int:
    """How many ids went on the queue. Twice on it does no harm: a run is claimed once."""
    free_dead_leases()
    forget_deliveries()
    forget_old_drafts()
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
    resting = DataSource.objects.exclude(state__in=[State.DELETING, State.PAUSED, State.DRAFT])
    for source in resting.filter(next_run__lte=now):
        # Two clocks at once: only one of them moves the hand on.
        mine = DataSource.objects.filter(pk=source.pk, next_run=source.next_run)
        following = source.run_after(now)
        if mine.update(next_run=following) and following:
            request_sync(source, by=None, trigger=SyncRun.Trigger.SCHEDULE)
    idle = resting.exclude(pk__in=SyncRun.objects.filter(state__in=SyncRun.OPEN).values("source"))
    for source in idle.filter(full_due__lte=now):
        if source.is_watched:
            request_sync(source, by=None, trigger=SyncRun.Trigger.FULL)
    # Heard while something held the source back.
    for source in idle.exclude(hints=[]).exclude(last_synced=None):
        request_look(source, ())
