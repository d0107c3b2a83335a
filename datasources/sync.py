"""One sync run, from claim to account: discover → fetch → extract → chunk → embed → index.

A run can be broken off anywhere (kill -9 included) and goes on where it was: the database says what is left, every
write to the index may be repeated, and a worker that lost its lease can write nothing more. See datasources/syncing/.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Count
from django.utils import timezone

from datasources.connectors.base import ConnectorError
from datasources.models import DataSource, RunItem, SyncRun
from datasources.reading import embedder_for, metered, open_index
from datasources.retrieval.types import IndexUnavailable
from datasources.retrieval.values import is_aside
from datasources.runs import request_sync, start_look
from datasources.sources import connector_for
from datasources.syncing import consistency, discovery, pruning
from datasources.syncing.job import Job, jittered
from datasources.syncing.leases import WAITS_FOR_BUDGET, Interrupted, Lease, LeaseLost, OutOfBudget, Postponed, claim
from datasources.syncing.notices import Notices
from datasources.syncing.principals import expire_groups, refresh_groups
from datasources.syncing.processing import give_up_hopeless, process
from datasources.syncing.progress import progress
from portal import events
from portal.providers.errors import ProviderError
from portal.spending.accounts import Account, OverBudget

__all__ = ["progress", "sync_source"]

log = structlog.get_logger(__name__)

State = SyncRun.State
MOST_ATTEMPTS = 6
"""Postponed so often without getting anything done, a run fails."""
LONGEST_PAUSE = 900.0
KEPT_LOOKS = 20
KEPT_ACCOUNTS = 10
"""Runs of a source whose account is kept page by page; older ones keep their counts and what failed."""


def sync_source(run: SyncRun) -> None:
    """Work on this run until it ends, is paused, or is taken by another worker. Does nothing if it is not to be had."""
    claimed = claim(run.pk)
    if claimed is None:
        return
    notices = Notices(claimed.source_id)
    bound = structlog.contextvars.bound_contextvars(run=str(claimed.pk), source=str(claimed.source_id))
    with bound, Lease(claimed) as lease:
        try:
            _work(claimed, lease, notices)
        except Interrupted as interruption:
            _leave(claimed, lease, interruption.wish)
        except LeaseLost:
            log.warning("another worker has taken this run over")
        except Postponed as pause:
            _postpone(claimed, lease, pause)
        except ConnectorError as error:
            if error.permanent:
                _fail(claimed, lease, str(error), broken=True)
            else:
                _postpone(claimed, lease, Postponed(str(error), error.retry_after or 30.0))
        except OverBudget as error:
            _postpone(claimed, lease, OutOfBudget(str(error), error.retry_after))
        except ProviderError as error:
            if error.retryable:
                _postpone(claimed, lease, Postponed(str(error), error.retry_after or 30.0))
            else:
                _fail(claimed, lease, f"The embedding model can't be used: {error}")
        except IndexUnavailable as error:
            _postpone(claimed, lease, Postponed(f"The search index does not answer: {error}", 60.0))
        except DatabaseError:
            # Nothing can be written down now. The lease ends by itself, and a worker goes on when the database is back.
            log.exception("the database failed during a sync run")
            raise
        except Exception as error:
            log.exception("a sync run failed")
            _fail(claimed, lease, f"Something went wrong inside Atrium ({type(error).__name__}); its log says more.")
            raise
        finally:
            notices.changed(must=True)


def _work(run: SyncRun, lease: Lease, notices: Notices) -> None:
    first = _begin(run, lease)
    notices.changed(must=True)
    lease.check()
    source = run.source
    account = Account.opened(source.workspace)
    embedder = metered(embedder_for(source.workspace), account)
    index = open_index()
    job = Job(run, source, connector_for(source), embedder, index.for_workspace(source.workspace_id), lease, account)
    try:
        _through(job, first, notices)
    finally:
        account.record()


def _through(job: Job, first: bool, notices: Notices) -> None:
    run, index = job.run, open_index()
    job.first, job.notice = first, notices.changed
    job.patiently(lambda: job.index.ensure(job.space, job.embedder.size))
    others = job.patiently(lambda: index.info().spaces)
    job.spaces = (job.space, *(space for space in others if space != job.space and not is_aside(space)))
    if not run.listed:
        _list(job)
    consistency.follow_moves(job)
    give_up_hopeless(job)
    process(job)
    _settle(job)
    _finish(job)


def _begin(run: SyncRun, lease: Lease) -> bool:
    """Whether no worker had this run before."""
    first = run.state == State.QUEUED and run.attempts == 1 and not (run.scopes or run.cursor) and run.discovered == 0
    run.state = State.SYNCING if run.listed else State.DISCOVERING
    with transaction.atomic():
        lease.write(state=run.state, error="")
        alive = DataSource.objects.filter(pk=run.source_id).exclude(state=DataSource.State.DELETING)
        alive.update(state=DataSource.State.SYNCING)
    return first


def _list(job: Job) -> None:
    """Everything up to a complete list of what is to be read. Broken off, it is done again from the last checkpoint.

    What people let go is removed before the source is asked for anything: it may be one that does not answer.
    """
    pruning.remove_agreed(job)
    if job.run.trigger not in discovery.UNLISTED:
        if job.run.hints:
            discovery.look(job)
        else:
            discovery.discover(job)
        pruning.decide(job)
        job.notes = [sentence for sentence in (refresh_groups(job),) if sentence]
    pruning.remove_agreed(job)
    if job.first and consistency.reconcile(job):
        consistency.list_again(job)
    discovery.list_work(job)
    job.notice()


def _settle(job: Job) -> None:
    """Look once more whether the index holds what SQL says, and do again what it does not."""
    consistency.follow_moves(job)
    consistency.reconcile(job)
    if consistency.list_again(job):
        process(job)
    job.patiently(job.index.flush)


def _finish(job: Job) -> None:
    """The account: discovered = indexed + unchanged + skipped + failed, or the run is not done."""
    run, now = job.run, timezone.now()
    with transaction.atomic():
        rows = run.items.order_by().values_list("outcome").annotate(Count("pk"))
        counts: Counter[str] = Counter(dict(rows))
        if waiting := counts.pop(RunItem.Outcome.WAITING, 0):
            raise RuntimeError(f"{waiting} documents of a run were left over")
        outcomes = {str(outcome): counts[outcome] for outcome in ("indexed", "unchanged", "skipped", "failed")}
        state = State.PARTIAL if outcomes["failed"] else State.DONE
        discovered = sum(outcomes.values())
        job.lease.write(
            **outcomes,
            discovered=discovered,
            state=state,
            finished=now,
            worker="",
            lease_until=None,
            current="",
            wish="",
            error=" ".join(job.notes)[:500],
            cursor={},  # the source has it now
        )
        _rest(job, now)
    _forget_old_accounts(job.source)
    log.info("sync run ended", state=str(state), discovered=discovered, **outcomes)


def _rest(job: Job, now: datetime) -> None:
    """The source after a run that came to its end."""
    source = DataSource.objects.select_for_update().get(pk=job.source.pk)
    if source.state == DataSource.State.DELETING:
        return
    run = job.run
    source.state, source.state_detail, source.broken_since = DataSource.State.OK, " ".join(job.notes)[:500], None
    if run.trigger not in discovery.UNLISTED:
        source.last_synced = now
    if run.trigger not in discovery.UNLISTED and not run.hints:
        if (source.config, source.credential_id) == (job.source.config, job.source.credential_id):
            # Of another place, or with other rights, this listing says nothing.
            source.cursor = run.cursor or source.cursor
        source.next_run = source.run_after(now)
        if run.full or not source.cursor or source.full_due is None:
            source.full_due = source.full_after(now)
    again, source.again = source.again, False
    source.save(
        update_fields=[
            *("state", "state_detail", "broken_since", "last_synced", "cursor", "next_run", "full_due", "again"),
        ]
    )
    if again:
        request_sync(source, by=None, trigger=_again(source))
    elif source.hints:
        start_look(source)


def _again(source: DataSource) -> SyncRun.Trigger:
    """Why a source is synced once more after a run that something passed."""
    if source.full_due is not None and source.full_due <= timezone.now():
        return SyncRun.Trigger.FULL
    return SyncRun.Trigger.WEBHOOK if source.hook_token else SyncRun.Trigger.UPLOAD


def _forget_old_accounts(source: DataSource) -> None:
    """Runs that looked at a few nodes come by the hundred: those that did it without a failure are forgotten whole."""
    looks = source.runs.exclude(hints=[]).filter(state=State.DONE).order_by("-created")
    SyncRun.objects.filter(pk__in=list(looks.values_list("pk", flat=True)[KEPT_LOOKS:1000])).delete()
    kept = list(source.runs.filter(hints=[]).order_by("-created").values_list("pk", flat=True)[:KEPT_ACCOUNTS])
    kept += list(looks.values_list("pk", flat=True))
    old = RunItem.objects.filter(run__source=source).exclude(run__in=kept)
    old.exclude(outcome=RunItem.Outcome.FAILED).delete()


def _leave(run: SyncRun, lease: Lease, wish: str) -> None:
    """Paused or stopped by a person, or this process ends. What came in until then stays."""
    states = {"pause": State.PAUSED, "stop": State.STOPPED, "leave": State.QUEUED}
    state = states[wish]
    changes = {"wish": ""} if wish != "leave" else {}
    finished = timezone.now() if state == State.STOPPED else None
    try:
        with transaction.atomic():
            lease.write(state=state, worker="", lease_until=None, attempts=0, finished=finished, **changes)
            if wish != "leave":
                _set_source(run, DataSource.State.PAUSED if wish == "pause" else None, "")
    except LeaseLost:
        log.warning("another worker has taken this run over")


def _postpone(run: SyncRun, lease: Lease, pause: Postponed) -> None:
    """Give the run back to the queue for a while; after several times without any progress, it fails."""
    if isinstance(pause, OutOfBudget):
        _wait_for_budget(lease, pause)
        return
    attempts = SyncRun.objects.values_list("attempts", flat=True).get(pk=run.pk)
    if attempts >= MOST_ATTEMPTS:
        _fail(run, lease, f"{str(pause).rstrip('.')}. It was tried {attempts} times; what came in until then stays.")
        return
    seconds = min(LONGEST_PAUSE, max(pause.seconds, pause.seconds * 2 ** (attempts - 1)))
    # Sources of one vendor that were refused together don't come back together.
    seconds = jittered(max(seconds, pause.seconds))
    later = timezone.now() + timedelta(seconds=seconds)
    try:
        lease.write(state=State.QUEUED, worker="", lease_until=None, not_before=later, error=str(pause)[:500])
    except LeaseLost:
        log.warning("another worker has taken this run over")
        return
    log.warning("sync run postponed", seconds=round(seconds), reason=str(pause))


def _wait_for_budget(lease: Lease, pause: OutOfBudget) -> None:
    """Nothing went wrong: what came in stays, and the rest comes when it may."""
    later, reason = timezone.now() + timedelta(seconds=pause.seconds), f"{WAITS_FOR_BUDGET}{pause}"[:500]
    with suppress(LeaseLost):
        lease.write(state=State.QUEUED, worker="", lease_until=None, not_before=later, attempts=0, error=reason)
    log.warning("sync run waits for its budget", seconds=round(pause.seconds))


def _fail(run: SyncRun, lease: Lease, sentence: str, *, broken: bool = False) -> None:
    """End the run. ``broken``: the source itself needs a person; what is indexed stays searchable."""
    now = timezone.now()
    try:
        with transaction.atomic():
            lease.write(
                state=State.FAILED,
                error=sentence[:500],
                worker="",
                lease_until=None,
                finished=now,
                wish="",
                cursor={},
            )
            state = DataSource.State.NEEDS_ATTENTION if broken else None
            _set_source(run, state, sentence[:500])
            DataSource.objects.filter(pk=run.source_id).update(next_run=run.source.run_after(now))
            if broken:
                expire_groups(run.source)
                _break(run, sentence[:500], now)
    except LeaseLost:
        log.warning("another worker has taken this run over")
        return
    log.warning("sync run failed", reason=sentence)


def _break(run: SyncRun, sentence: str, now: datetime) -> None:
    """People are told once a breakage, not once a run."""
    if DataSource.objects.filter(pk=run.source_id, broken_since=None).update(broken_since=now):
        events.send(events.SourceBroken(run.source_id, sentence))


def _set_source(run: SyncRun, state: DataSource.State | None, detail: str) -> None:
    """``state`` None: what it is when nothing is under way."""
    source = DataSource.objects.filter(pk=run.source_id).exclude(state=DataSource.State.DELETING)
    if state is None:
        synced = source.exclude(last_synced=None).exists()
        state = DataSource.State.OK if synced else DataSource.State.NEW
    source.update(state=state, state_detail=detail)
