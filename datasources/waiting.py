"""Runs that wait for their budget go on when it is changed, not only when its next period begins."""

from __future__ import annotations

from datasources.models import SyncRun
from datasources.syncing.leases import WAITS_FOR_BUDGET
from datasources.syncing.queueing import enqueue_run
from portal import events


@events.handles(events.BudgetChanged)
def _go_on(event: events.BudgetChanged) -> None:
    waiting = SyncRun.objects.filter(
        source__workspace=event.workspace, state=SyncRun.State.QUEUED, error__startswith=WAITS_FOR_BUDGET
    )
    for run in waiting.values_list("pk", flat=True):
        SyncRun.objects.filter(pk=run).update(not_before=None)
        enqueue_run(run)
