"""A source that keeps failing is left alone for longer and longer, so that it takes no turn from others.

What counts are runs that failed one after another; the first that comes to its end closes the circuit, and so does a person
who starts a run by hand: they may have mended the cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from datasources.models import DataSource, SyncRun
from datasources.syncing.job import jittered

PATIENCE = 2
"""Failures in a row before runs begin to wait."""
FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=12)
LOOKED_AT = 12


@dataclass(frozen=True, slots=True)
class Circuit:
    """``failures``: runs in a row. ``until``: no run by the clock or by a webhook begins before; None: at once.

    Each look at it gives another moment, within a quarter of the wait.
    """

    failures: int = 0
    until: datetime | None = None


CLOSED = Circuit()


def circuit_of(source: DataSource) -> Circuit:
    """One query."""
    ended = SyncRun.objects.filter(source=source).exclude(state__in=SyncRun.OPEN).order_by("-created")
    rows = list(ended.values_list("state", "finished")[:LOOKED_AT])
    failed = list(takewhile(lambda row: row[0] == SyncRun.State.FAILED, rows))
    if len(failed) < PATIENCE or failed[0][1] is None:
        return Circuit(len(failed))
    # Sources that one vendor failed together are not tried again together.
    wait = timedelta(seconds=jittered((FIRST_WAIT * 2 ** (len(failed) - PATIENCE)).total_seconds()))
    return Circuit(len(failed), failed[0][1] + min(LONGEST_WAIT, wait))
