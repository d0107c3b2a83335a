"""How far a run is, for a person."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from datasources.models import SyncRun

State = SyncRun.State


def progress(run: SyncRun) -> dict[str, Any]:
    """What a progress bar needs; all from the run's row and its source's, so that any process can tell.

    ``rate``: documents a second. ``seconds_left`` and ``percent`` are None while the number of documents is not known.
    ``waits_until``: the source or the index asked for a pause. ``wish``: what was asked for and is not done yet.
    Times are ISO 8601.
    """
    done = run.indexed + run.unchanged + run.skipped + run.failed
    left = max(0, run.discovered - done)
    working = run.state == State.SYNCING
    waits = run.not_before if run.not_before and run.not_before > timezone.now() else None
    known = run.listed or run.state not in (State.QUEUED, State.DISCOVERING)
    return {
        "id": str(run.pk),
        "state": run.state,
        "label": run.get_state_display(),
        "open": run.state in SyncRun.OPEN,
        "wish": run.wish,
        "discovered": run.discovered,
        "indexed": run.indexed,
        "unchanged": run.unchanged,
        "skipped": run.skipped,
        "failed": run.failed,
        "removed": run.removed,
        "passages": run.passages,
        "done": done,
        "left": left,
        "percent": (100 if not run.discovered else round(100 * done / run.discovered, 1)) if known else None,
        "rate": round(run.rate, 2) if working else 0.0,
        "seconds_left": round(left / run.rate) if working and run.rate > 0 else None,
        "current": run.current if run.state in SyncRun.RUNNABLE else "",
        "error": run.error,
        "held": run.held,
        "waits_until": waits.isoformat() if waits else None,
        "started": run.started.isoformat() if run.started else None,
        "finished": run.finished.isoformat() if run.finished else None,
        "next_run": run.source.next_run.isoformat() if run.source.next_run else None,
    }
