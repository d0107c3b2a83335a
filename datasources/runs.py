"""What people do with runs: start, pause, resume, stop, retry, and decide about deletions that were held."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from datasources.models import DataSource, Node, SyncRun
from datasources.syncing.circuit import circuit_of
from datasources.syncing.leases import is_dead
from datasources.syncing.notices import tell
from datasources.syncing.queueing import enqueue_run
from portal import audit
from portal.models import User

State = DataSource.State
LISTING = tuple(t for t in SyncRun.Trigger.values if t not in ("retry", "agreed", "embedder"))
"""Runs that ask the source what is there."""
RunState = SyncRun.State
Trigger = SyncRun.Trigger


def request_sync(
    source: DataSource,
    *,
    by: User | None,
    trigger: str = Trigger.PERSON,
    only: Iterable[UUID] = (),
    again: bool = False,
    full: bool = False,
) -> SyncRun:
    """Start a run, or return the one that is open. ``again``: then sync once more after it, as it may miss what is new.

    ``full``: list everything anew, whatever the cursor says; so does any listing once that is due. A paused run goes on.
    Raises ValidationError where the source is being deleted.
    """
    with transaction.atomic():
        source = DataSource.objects.select_for_update().get(pk=source.pk)
        must_live(source)
        run = source.runs.filter(state__in=SyncRun.OPEN).first()
        if full:
            # Kept until a run has done it, should this one be broken off.
            DataSource.objects.filter(pk=source.pk).update(full_due=timezone.now())
        due = source.full_due is not None and source.full_due <= timezone.now()
        if run is None:
            run = SyncRun.objects.create(
                source=source,
                trigger=trigger,
                requested_by=by,
                only=list(only),
                full=trigger in LISTING and (full or due),
                not_before=circuit_of(source).until if by is None else None,
            )
            if by is not None:
                audit.record("source.sync", workspace=source.workspace, actor=by, target=source)
            enqueue_run(run.pk)
        elif by is not None and run.state == RunState.QUEUED and run.not_before and not run.attempts:
            # It waited because the source kept failing. A person who asks may have mended it.
            SyncRun.objects.filter(pk=run.pk).update(not_before=None)
            enqueue_run(run.pk)
        elif again:
            DataSource.objects.filter(pk=source.pk).update(again=True)
        elif run.state == RunState.PAUSED and trigger == Trigger.PERSON:
            resume_run(run, by=by)
        tell_after(source.pk)
    return run


MOST_HINTS = 1000
"""More than so many at once, and asking what changed since the last run is less work than looking at each."""


def request_look(source: DataSource, external_ids: Iterable[str], *, everything: bool = False) -> SyncRun | None:
    """What the vendor told of is looked at: now, or, while a run is open, after it.

    ``everything``: something changed, but not what. None where nothing came in yet: the first sync will see it all. Where
    programs write, what they write begins that first one.
    """
    with transaction.atomic():
        source = DataSource.objects.select_for_update().get(pk=source.pk)
        run = source.runs.filter(state__in=SyncRun.OPEN).first()
        first = run is None and source.last_synced is None
        if source.state in (State.DELETING, State.DRAFT) or (first and source.kind != "api"):
            return None
        if first:
            return start_look(source)
        hints = list(dict.fromkeys([*source.hints, *external_ids]))
        if everything or len(hints) > MOST_HINTS:
            source.hints, source.again = [], run is not None
        else:
            source.hints = hints
        source.save(update_fields=["hints", "again"] if run is not None else ["hints"])
        return run or start_look(source)


def start_look(source: DataSource) -> SyncRun:
    """A run over the hints that have gathered; without any, over what changed. The source is locked, and no run is open."""
    trigger = Trigger.API if source.kind == "api" else Trigger.WEBHOOK
    until = circuit_of(source).until
    run = SyncRun.objects.create(source=source, trigger=trigger, hints=source.hints, not_before=until)
    if source.hints:
        source.hints = []
        source.save(update_fields=["hints"])
    enqueue_run(run.pk)
    tell_after(source.pk)
    return run


def pause_run(run: SyncRun, *, by: User | None) -> SyncRun:
    """The worker obeys between two documents. Raises ValidationError where there is nothing to pause."""
    return _wish(run, "pause", RunState.PAUSED, by)


def stop_run(run: SyncRun, *, by: User | None) -> SyncRun:
    """End the run; what came in stays. Raises ValidationError where it has ended."""
    return _wish(run, "stop", RunState.STOPPED, by)


def _wish(run: SyncRun, wish: str, state: str, by: User | None) -> SyncRun:
    with transaction.atomic():
        run = SyncRun.objects.select_for_update().select_related("source__workspace").get(pk=run.pk)
        if run.state not in SyncRun.OPEN or (wish == "pause" and run.state == RunState.PAUSED):
            raise ValidationError(f"This sync is {run.get_state_display().lower()} already.")
        audit.record(f"run.{wish}", workspace=run.source.workspace, actor=by, target=run.source)
        if run.lease_until and run.lease_until > timezone.now() and not is_dead(run.worker):
            run.wish = wish
            run.save(update_fields=["wish"])
        else:
            _set_aside(run, state)
        tell_after(run.source_id)
    return run


def _set_aside(run: SyncRun, state: str) -> None:
    """Nobody works on it: it is paused or stopped at once."""
    run.state, run.wish, run.worker, run.lease_until = state, "", "", None
    run.finished = timezone.now() if state == RunState.STOPPED else None
    run.save(update_fields=["state", "wish", "worker", "lease_until", "finished"])
    resting = State.OK if run.source.last_synced else State.NEW
    source = DataSource.objects.filter(pk=run.source_id).exclude(state=State.DELETING)
    source.update(state=State.PAUSED if state == RunState.PAUSED else resting)


def resume_run(run: SyncRun, *, by: User | None) -> SyncRun:
    """A paused run goes on where it was; one that is about to pause does not."""
    with transaction.atomic():
        run = SyncRun.objects.select_for_update().select_related("source__workspace").get(pk=run.pk)
        if run.state not in SyncRun.OPEN:
            raise ValidationError(f"This sync is {run.get_state_display().lower()} already; start a new one.")
        if run.state == RunState.PAUSED:
            run.state, run.attempts, run.not_before, run.error = RunState.QUEUED, 0, None, ""
        run.wish = ""
        run.save(update_fields=["state", "attempts", "not_before", "error", "wish"])
        DataSource.objects.filter(pk=run.source_id, state=State.PAUSED).update(state=State.SYNCING)
        audit.record("run.resume", workspace=run.source.workspace, actor=by, target=run.source)
        enqueue_run(run.pk)
        tell_after(run.source_id)
    return run


def retry_failed(run: SyncRun, *, by: User | None) -> SyncRun:
    """A run over just what failed in this one. Raises ValidationError where nothing did."""
    failed = run.items.filter(outcome="failed").values("node")
    if not failed.exists():
        raise ValidationError("Nothing failed in this sync.")
    return retry_nodes(run.source, Node.objects.filter(pk__in=failed), by=by)


MOST_RETRIED = 10_000


def retry_nodes(source: DataSource, nodes: QuerySet[Node], *, by: User | None) -> SyncRun:
    """A run over just these documents of the source, at most MOST_RETRIED; where one is open, that one, and they are read after
    it. Raises ValidationError where there are none.

    What was left out as it was listed was never read, and may not be: its text can be for few. With some of these, all is
    listed anew, and the connector says what may come in.
    """
    skipped = Node.Status.SKIPPED
    with transaction.atomic():
        DataSource.objects.select_for_update().get(pk=source.pk)
        rows = list(nodes.filter(source=source).values_list("pk", "status", "fetched_version")[:MOST_RETRIED])
        if not rows:
            raise ValidationError("There is nothing left to retry.")
        unread = any(status == skipped and not fetched for _, status, fetched in rows)
        if not unread and not source.runs.filter(state__in=SyncRun.OPEN).exists():
            return request_sync(source, by=by, trigger=Trigger.RETRY, only=[pk for pk, _, _ in rows])
        # A listing reads all that failed, but what was skipped as it was read only where it seems to be new.
        again = [pk for pk, status, fetched in rows if status == skipped and fetched]
        source.nodes.filter(pk__in=again).update(status=Node.Status.PENDING, reason="", fetched_version="")
        return request_sync(source, by=by, again=True, full=unread)


def approve_deletions(run: SyncRun, *, by: User | None) -> SyncRun:
    """Yes, remove what this run found missing and held back. Returns the run that does it."""
    with transaction.atomic():
        source = _decide_held(run)
        held = run.source.nodes.filter(gone=Node.Gone.HELD)
        number = held.exclude(status=Node.Status.CONTAINER).count()
        held.update(gone=Node.Gone.AGREED)
        audit.record(
            "source.approve_deletions",
            workspace=source.workspace,
            actor=by,
            target=source,
            after={"documents": number},
        )
        return request_sync(source, by=by, trigger=Trigger.AGREED)


def reject_deletions(run: SyncRun, *, by: User | None) -> None:
    """No, keep it. It stays searchable; the next sync looks again."""
    with transaction.atomic():
        source = _decide_held(run)
        source.nodes.filter(gone=Node.Gone.HELD).update(gone=Node.Gone.NO)
        audit.record("source.reject_deletions", workspace=source.workspace, actor=by, target=source)


def _decide_held(run: SyncRun) -> DataSource:
    source = DataSource.objects.select_for_update().get(pk=run.source_id)
    must_live(source)
    if source.runs.filter(state__in=SyncRun.OPEN).exists():
        raise ValidationError("A sync is under way, which looks at this anew. Wait until it has ended, or stop it.")
    if not SyncRun.objects.filter(pk=run.pk).exclude(held=None).update(held=None):
        raise ValidationError("Nothing of this sync waits for a decision any more.")
    tell_after(source.pk)
    return source


def begin_anew(source: DataSource) -> None:
    """Another place, or other rights: what listings of the old one said of changes, open ones too, does not hold for it.

    In the transaction that saves the source, with its cursor.
    """
    source.cursor = {}
    source.runs.filter(state__in=SyncRun.OPEN).update(cursor={}, scopes=[])


def must_live(source: DataSource) -> None:
    """Raises ValidationError for a source that is on its way out, or not quite in yet."""
    if source.state == State.DELETING:
        raise ValidationError("This source is being deleted.")
    if source.state == State.DRAFT:
        raise ValidationError("This source is not finished: choose what comes in, and start it.")


def tell_after(source: UUID) -> None:
    """Wake those who watch the source, after this transaction."""
    transaction.on_commit(lambda: tell(source))
