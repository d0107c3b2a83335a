"""Whose turn it is when a worker is free: workspaces take turns, and none has more workers than its share.

A task on the queue names a run, but only says that there is work: which run is taken is decided here, from the database.
"""

from __future__ import annotations

import time
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Max
from django.utils import timezone

from datasources.models import SyncRun
from datasources.syncing.leases import claimable

LOOK_SECONDS = 15.0


def next_run() -> SyncRun | None:
    """The run to take now, or None where nothing waits, or only what has its share already.

    First comes the workspace that fewest workers work for; among equals, the one that was served longest ago; in it the oldest
    run. Three queries, however many wait.
    """
    waiting = SyncRun.objects.filter(claimable()).order_by("created").values_list("pk", "source__workspace")
    firsts: dict[UUID, UUID] = {}
    for run, workspace in waiting:
        firsts.setdefault(workspace, run)
    working = _working()
    free = [workspace for workspace in firsts if working.get(workspace, 0) < settings.SYNCS_PER_WORKSPACE]
    if not free:
        return None
    served = dict(
        SyncRun.objects.filter(source__workspace__in=free)
        .exclude(started=None)
        .values_list("source__workspace")
        .annotate(Max("started"))
        .order_by()
    )
    order = list(firsts)
    chosen = min(
        free,
        key=lambda workspace: (
            working.get(workspace, 0),
            served[workspace].timestamp() if workspace in served else 0.0,
            order.index(workspace),
        ),
    )
    return SyncRun.objects.select_related("source").get(pk=firsts[chosen])


def _working() -> dict[UUID, int]:
    held = SyncRun.objects.filter(state__in=SyncRun.RUNNABLE, lease_until__gt=timezone.now())
    return dict(held.values_list("source__workspace").annotate(Count("pk")).order_by())


class Turn:
    """How long one worker has worked on one run: after a while it lets a workspace go first that has no worker at all."""

    def __init__(self, workspace: UUID) -> None:
        self._workspace = workspace
        self._ends = time.monotonic() + settings.SYNC_TURN_SECONDS
        self._look = self._ends

    @property
    def is_over(self) -> bool:
        now = time.monotonic()
        if now < self._look:
            return False
        self._look = now + LOOK_SECONDS
        served = {*_working(), self._workspace}
        return SyncRun.objects.filter(claimable()).exclude(source__workspace__in=served).exists()
