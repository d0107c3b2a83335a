"""What follows an answer and holds up nobody: the conversation's title, and what a trial spent."""

from __future__ import annotations

import asyncio

import structlog

from assistants.answering.spec import Call, Meter
from assistants.answering.titles import write_title
from assistants.models import Conversation
from assistants.runs import notices, runner
from assistants.runs.plan import Plan, Rows
from assistants.runs.purse import Purse
from assistants.runs.run import Run
from assistants.runs.saving import spent_rows
from portal import usage
from portal.providers.errors import ProviderError
from portal.threads import in_database

log = structlog.get_logger(__name__)

PAUSE = 2.0
"""Seconds between an answer and the call that names its conversation …"""
PATIENCE = 60.0
"""… and for how long it lets answers that are being written go first."""


async def after_run(run: Run) -> None:
    if run.opened.done() and run.opened.exception() is None:
        rows = run.plan.rows
        if rows is None:
            await in_database(_record, run.plan, run.calls)
            await in_database(run.plan.account.record)
        elif len(run.plan.turns) == 1 and run.plan.spec.writes and run.calls and run.content:
            await _title(run.plan, rows)


async def _title(plan: Plan, rows: Rows) -> None:
    here = runner.Runner.here()
    until = here.loop.time() + PATIENCE
    await asyncio.sleep(PAUSE)
    # Few at a time: many people who ask at once would be followed by as many calls at once, in the way of those who ask next.
    async with here.naming:
        # Whoever else waits for an answer goes first; until then the conversation is called by its question.
        while runner.under_way() and here.loop.time() < until:  # noqa: ASYNC110  nothing else waits for it
            await asyncio.sleep(PAUSE)
        await _name(plan, rows)


async def _name(plan: Plan, rows: Rows) -> None:
    meter = Meter(Purse(plan.account, plan.credential))
    try:
        title = await write_title(plan.spec, rows.question.content, meter)
    except (ProviderError, TimeoutError) as error:
        log.warning("title failed", conversation=str(rows.conversation.pk), error=str(error))
        title = ""
    await in_database(_record, plan, meter.calls)
    if title:
        await in_database(_rename, rows, title)
        await notices.changed(rows.conversation.pk, title=title)


def _record(plan: Plan, calls: list[Call]) -> None:
    usage.record_all(spent_rows(plan, calls))


def _rename(rows: Rows, title: str) -> None:
    """A title by a person stays."""
    Conversation.objects.filter(pk=rows.conversation.pk, title_by_person=False).update(title=title)
