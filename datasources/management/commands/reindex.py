"""``manage.py reindex [--workspace …]``: fill the index again from the database, and say how far it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from datasources.models import SyncRun
from datasources.reading import close_index, open_index
from datasources.reindexing import reindex
from datasources.retrieval.edge_process import IndexLocked
from datasources.retrieval.types import IndexUnavailable
from datasources.sync import sync_source
from datasources.syncing import leases
from portal.models import Workspace

LOOK_SECONDS = 0.5
SAY_SECONDS = 3.0


class Command(BaseCommand):
    help = (
        "Fills the index again from the documents that the database has; nothing is fetched from the sources. "
        "Broken off, it goes on where it was when called again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workspace", default="", help="the slug of one workspace; left out, all of them")

    def handle(self, *args: Any, workspace: str, **options: Any) -> None:
        works_here = self._open()
        failed = False
        try:
            for chosen in self._chosen(workspace):
                for run in reindex(chosen):
                    failed = not self._follow(run, chosen.slug, works_here) or failed
        except KeyboardInterrupt:
            leases.leave()
            self.stdout.write(
                "Stopped. Call it again to go on where it was; a portal or worker that runs goes on by itself."
            )
            raise SystemExit(130) from None
        finally:
            if works_here:
                close_index()
        if failed:
            raise SystemExit(1)

    def _open(self) -> bool:
        """Whether this process can do the work; otherwise the portal that has the index does, within a minute."""
        try:
            open_index().info()
        except IndexLocked:
            self.stdout.write("The portal that runs on this data directory has the index, and does the work.")
            return False
        except IndexUnavailable as error:
            raise CommandError(str(error)) from error
        return True

    def _chosen(self, slug: str) -> Iterable[Workspace]:
        found = Workspace.objects.order_by("slug")
        if not slug:
            return found
        if not found.filter(slug=slug).exists():
            known = ", ".join(found.values_list("slug", flat=True)[:10]) or "none yet"
            raise CommandError(f"There is no workspace {slug!r}; there are: {known}.")
        return found.filter(slug=slug)

    def _follow(self, run: SyncRun, slug: str, works_here: bool) -> bool:
        """Until the run has ended; says whether it ended well. Worked on here, unless a worker was quicker."""
        name = f"{slug}: {run.source.name}"
        worker: threading.Thread | None = None
        said, said_at = "", 0.0
        while run.state in SyncRun.RUNNABLE:
            if works_here and (worker is None or not worker.is_alive()) and _is_free(run):
                worker = threading.Thread(target=_work, args=(run,), daemon=True)
                worker.start()
            time.sleep(LOOK_SECONDS)
            run = SyncRun.objects.select_related("source").get(pk=run.pk)
            how_far = _how_far(run)
            if how_far != said and time.monotonic() - said_at > SAY_SECONDS:
                said, said_at = how_far, time.monotonic()
                self.stdout.write(f"{name}: {how_far}")
        if worker is not None:
            worker.join()
        self.stdout.write(f"{name}: {_outcome(run)}")
        return run.state == SyncRun.State.DONE


def _work(run: SyncRun) -> None:
    try:
        sync_source(run)
    finally:
        connection.close()


def _is_free(run: SyncRun) -> bool:
    now = timezone.now()
    return (run.lease_until is None or run.lease_until < now) and (run.not_before is None or run.not_before <= now)


def _how_far(run: SyncRun) -> str:
    if run.state == SyncRun.State.QUEUED:
        return f"waits for a worker. {run.error}".strip()
    if not run.listed:
        return "looking what there is"
    done = run.indexed + run.unchanged + run.skipped + run.failed
    return f"{done} of {run.discovered} documents"


def _outcome(run: SyncRun) -> str:
    if run.state == SyncRun.State.PAUSED:
        return "paused. Resume it on the source's page."
    failed = f", {run.failed} failed (the source's page says why)" if run.failed else ""
    ended = f"{run.get_state_display().lower()}, {run.indexed + run.unchanged} documents{failed}"
    return f"{ended}. {run.error}".strip() if run.error else ended
