"""How a source is, in words and a colour; and how long something takes, for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from datasources.connectors.registry import CONNECTORS
from datasources.models import DataSource, SyncRun

THIN = "\u202f"


@dataclass(frozen=True, slots=True)
class Health:
    """``tone``: ok, busy, warn, bad or quiet. ``since``: a moment to show after the words, if any."""

    words: str
    tone: str
    since: datetime | None = None


def number(count: int) -> str:
    return f"{count:,}".replace(",", THIN)


def duration(seconds: float | None) -> str:
    """``40 s``, ``6 min``, ``2 h 10 min``; empty where it is not known."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"


def seconds_left(run: SyncRun) -> float | None:
    left = run.discovered - _done(run)
    return left / run.rate if run.state == SyncRun.State.SYNCING and run.rate > 0 else None


def _done(run: SyncRun) -> int:
    return run.indexed + run.unchanged + run.skipped + run.failed


def health(source: DataSource, run: SyncRun | None, failed: int = 0, documents: int = 0) -> Health:
    """``run``: the open one, if there is one. ``failed``: how many documents could not be read; ``documents``: how many are in."""
    if source.state == DataSource.State.DELETING:
        return Health("Being deleted", "busy")
    if source.state == DataSource.State.DRAFT:
        return Health("Not finished", "warn")
    if run is not None:
        return _running(run)
    if source.state == DataSource.State.NEEDS_ATTENTION:
        return Health(f"Needs attention: {source.state_detail or 'the last sync failed'}", "bad")
    if source.last_synced is None and documents:
        return Health("Not read to its end yet", "warn")
    if source.last_synced is None:
        return Health(_not_begun(source), "quiet")
    if source.state_detail:
        # The moment is of the last one that came to its end, which may be another.
        told = f"Last sync: {source.state_detail.rstrip('.')}. Last read through"
        return Health(told, "warn", source.last_synced)
    if failed:
        return Health(f"Up to date, except {number(failed)} that could not be read", "warn", source.last_synced)
    return Health("Up to date", "ok", source.last_synced)


def _not_begun(source: DataSource) -> str:
    told = CONNECTORS.get(source.kind)
    if told is None or told.schedules:
        return "Not synced yet"
    return "No files yet" if told.files else "Nothing written yet"


def _running(run: SyncRun) -> Health:
    done, all_of = number(_done(run)), number(run.discovered)
    if run.state == SyncRun.State.PAUSED:
        return Health(f"Paused at {done} of {all_of}", "warn")
    if run.state == SyncRun.State.QUEUED:
        return _queued(run)
    if run.state == SyncRun.State.DISCOVERING:
        return Health(f"Looking what is there: {all_of} found so far", "busy")
    left, rate = duration(seconds_left(run)), speed(run)
    words = [f"Syncing {done} of {all_of}", rate, f"{left} left" if left else ""]
    return Health(", ".join(word for word in words if word), "busy")


def _queued(run: SyncRun) -> Health:
    """Why it waits, and how long: its turn, the source's own wait, or because the source failed again and again."""
    seconds = (run.not_before - timezone.now()).total_seconds() if run.not_before else 0
    if seconds <= 0:
        return Health("Waiting for its turn", "busy")
    if run.attempts:
        reason = run.error.rstrip(".") or "The source asked us to wait"
        return Health(f"{reason}; it goes on in {duration(seconds)}", "warn")
    return Health(f"It failed several times in a row; the next try is in {duration(seconds)}", "warn")


def speed(run: SyncRun) -> str:
    """``3.2 a second``, ``40 a minute``; empty where nothing is measured yet."""
    if run.state != SyncRun.State.SYNCING or run.rate <= 0:
        return ""
    return f"{run.rate:.1f} a second" if run.rate >= 1 else f"{max(1, round(60 * run.rate))} a minute"
