"""Who works on a run: claimed by a conditional update, kept by a heartbeat, taken over when that stops.

The worker's name is a fence: every write of a run names it, so one that was taken over can write nothing more.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from datasources.models import SyncRun

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=settings.LEASE_SECONDS)
BEAT_SECONDS = settings.LEASE_SECONDS / 6
LOOK_SECONDS = 0.5
"""How often the wish of a person (pause, stop) is looked for."""
STALL_SECONDS = 900.0
"""A worker that got nothing done for so long does not renew its lease: another takes over."""


_held: set[str] = set()
_leaving = threading.Event()


class LeaseLost(Exception):
    """Another worker has the run now; this one writes nothing more."""


class Interrupted(Exception):
    """``wish`` is pause or stop, asked by a person, or leave: this process ends."""

    def __init__(self, wish: str) -> None:
        super().__init__(wish)
        self.wish = wish


class Postponed(Exception):
    """Not now: the run goes back on the queue and goes on in ``seconds``. The message is for a person."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class OutOfBudget(Postponed):
    """What may be spent is spent: the run waits for the next period, or until the budget is changed, and fails never for it."""

    LONGEST = 86_400.0
    """Seconds between two looks where nobody knows when there is more."""

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message, self.LONGEST if seconds is None else seconds + 1)


WAITS_FOR_BUDGET = "Waits for its budget. "
"""How the reason of such a run begins, by which it is found when the budget changes."""


def _place() -> str:
    """This machine and this process-id namespace: where a process id means the same as here."""
    namespace = ""
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    return f"{socket.gethostname()[:40]}/{namespace}"


def worker_name() -> str:
    return f"{_place()}/{os.getpid()}/{uuid4().hex[:8]}"


def is_dead(worker: str) -> bool:
    """Whether the process of that name certainly ended: it was here, and there is none of its id."""
    place, _, rest = worker.rpartition("/")[0].rpartition("/")
    if place != _place() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def claimable() -> Q:
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    return Q(state__in=SyncRun.RUNNABLE) & free & (Q(not_before=None) | Q(not_before__lte=now))


def free_dead_leases() -> int:
    """Leases of processes of this machine that ended without a word (kill -9) are over at once."""
    freed = 0
    for run in SyncRun.objects.filter(state__in=SyncRun.RUNNABLE, lease_until__gt=timezone.now()).exclude(worker=""):
        if is_dead(run.worker):
            freed += SyncRun.objects.filter(pk=run.pk, worker=run.worker).update(lease_until=None)
    return freed


def leave(seconds: float = 10.0) -> None:
    """This process ends: its runs go back on the queue as they are. Waits so long at most for them to do so."""
    _leaving.set()
    deadline = time.monotonic() + seconds
    while _held and time.monotonic() < deadline:
        time.sleep(0.05)


def claim(run: UUID) -> SyncRun | None:
    """The run, now this worker's, or None where another has it or nothing is to be done."""
    if _leaving.is_set():
        return None
    if not _take(run):
        holder = SyncRun.objects.filter(pk=run).values_list("worker", flat=True).first()
        if not holder or not is_dead(holder):
            return None
        SyncRun.objects.filter(pk=run, worker=holder).update(lease_until=None)
        if not _take(run):
            return None
    return SyncRun.objects.defer(None).select_related("source__workspace", "source__credential").get(pk=run)


def _take(run: UUID) -> bool:
    now = timezone.now()
    taken = SyncRun.objects.filter(claimable(), pk=run).update(
        worker=worker_name(),
        lease_until=now + LEASE,
        not_before=None,
        attempts=F("attempts") + 1,
        started=Coalesce("started", now),
    )
    return bool(taken)


class Lease:
    """Keeps a claimed run; a context manager. ``check`` between two steps, ``write`` inside their transactions."""

    def __init__(self, run: SyncRun) -> None:
        self.run = run.pk
        self.worker = run.worker
        self._wish = run.wish
        self._lost = False
        self._progress = time.monotonic()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Lease:
        _held.add(self.worker)
        # Inside somebody's transaction no other connection sees the run, so nobody could take it, or ask anything of it.
        if not connection.in_atomic_block:
            self._thread = threading.Thread(target=self._beat, name="sync-lease", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        _held.discard(self.worker)

    def check(self) -> None:
        """Raises LeaseLost or Interrupted."""
        if self._lost:
            raise LeaseLost
        if _leaving.is_set():
            raise Interrupted("leave")
        if self._wish:
            raise Interrupted(self._wish)

    def write(self, **changes: Any) -> None:
        """Update the run, if it is still ours; inside a transaction, raising LeaseLost undoes the rest of it."""
        if not SyncRun.objects.filter(pk=self.run, worker=self.worker).update(**changes):
            self._lost = True
            raise LeaseLost
        self._progress = time.monotonic()

    def alive(self) -> None:
        """Something got done that writes nothing yet, such as a part of a long document."""
        self._progress = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep; raises LeaseLost or Interrupted as soon as there is reason."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, LOOK_SECONDS / 2))
            self.alive()
        self.check()

    def _beat(self) -> None:
        renewed = time.monotonic()
        try:
            while not self._closing.wait(LOOK_SECONDS) and not self._lost:
                try:
                    if time.monotonic() - renewed >= BEAT_SECONDS:
                        self._renew()
                        renewed = time.monotonic()
                    self._look()
                except DatabaseError as error:
                    # The lease runs on for a while; if the database stays away, it ends and so does this worker's right.
                    log.warning("the heartbeat of a sync run could not be written", run=str(self.run), error=str(error))
                    connection.close()
        finally:
            connection.close()

    def _renew(self) -> None:
        if time.monotonic() - self._progress > STALL_SECONDS:
            log.error("a sync run got nothing done; its lease is not renewed", run=str(self.run))
            return
        mine = SyncRun.objects.filter(pk=self.run, worker=self.worker)
        self._lost = not mine.update(lease_until=timezone.now() + LEASE)

    def _look(self) -> None:
        row = SyncRun.objects.filter(pk=self.run).values_list("worker", "wish").first()
        if row is None or row[0] != self.worker:
            self._lost = True
        else:
            self._wish = row[1]
