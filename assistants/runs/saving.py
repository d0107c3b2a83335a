"""Writes many runs down in one transaction. Blocking; called by the writer, in a thread."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from assistants import uses
from assistants.answering.spec import Call
from assistants.models import Citation, Conversation, EventBatch, Message
from assistants.runs.log import Event
from assistants.runs.plan import Plan, Rows
from portal import usage
from portal.models import UsageRecord
from portal.prepared import insert, statement

LEASE = timedelta(seconds=settings.LEASE_SECONDS)


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer ended. ``status`` is a Message.Status."""

    status: str
    code: str = ""
    detail: str = ""
    found: bool | None = None
    calls: Sequence[Call] = ()
    citations: Sequence[Citation] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """What has to be written of one run: events that are not stored yet, the text so far, and perhaps its ending."""

    plan: Plan
    rows: Rows
    opening: bool
    events: Sequence[Event]
    content: str
    worker: str
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """``stop``: somebody asked for it. ``gone``: the answer was deleted, or closed by another process. ``error``: why not."""

    stop: bool = False
    gone: bool = False
    error: DatabaseError | None = None


def save(units: Sequence[Unit]) -> dict[UUID, Saved]:
    """All in one transaction. Where that fails, each alone, so that one bad row spoils no other's answer."""
    try:
        return _save(units)
    except DatabaseError as error:
        if len(units) == 1:
            return {units[0].plan.id: Saved(error=error)}
    results: dict[UUID, Saved] = {}
    for unit in units:
        results |= save([unit])
    return results


def _save(units: Sequence[Unit]) -> dict[UUID, Saved]:
    """As many statements for a hundred answers as for one."""
    opening = [u for u in units if u.opening]
    going = [u for u in units if not u.opening and u.ending is None]
    ending = [u for u in units if not u.opening and u.ending is not None]
    with transaction.atomic():
        _open(opening)
        running = _touch(going) | _end(ending)
        alive = [u for u in (*going, *ending) if u.plan.id in running]
        insert(
            EventBatch(
                message_id=u.plan.id,
                first=u.events[0].seq,
                last=u.events[-1].seq,
                events=[e.as_json() for e in u.events],
            )
            for u in alive
            if u.events
        )
        ended = [(u, u.ending) for u in alive if u.ending is not None]
        insert(c for _, e in ended for c in e.citations)
        usage.record_all(row for u in _unrecorded(ending, running) for row in _all_spent(u))
    gone = {u.plan.id for u in (*going, *ending)} - running.keys()
    return {u.plan.id: Saved(stop=running.get(u.plan.id, False), gone=u.plan.id in gone) for u in units}


def _open(units: Iterable[Unit]) -> None:
    """Questions and answers appear, running; their conversations turn to them."""
    rows = [unit.rows for unit in units]
    if not rows:
        return
    for unit in units:
        answer = unit.rows.answer
        answer.status, answer.worker = Message.Status.RUNNING, unit.worker
        answer.lease_until = timezone.now() + LEASE
    new = [row for r in rows for row in r.new]
    insert(row for row in new if isinstance(row, Conversation))
    insert(row for row in new if isinstance(row, Message))
    old = [r for r in rows if not r.new_conversation]
    if old:
        statement(
            """
                UPDATE assistants_conversation c
                SET head_id = w.head, updated = $1, title = CASE WHEN c.title = '' THEN w.title ELSE c.title END
                FROM unnest($2::uuid[], $3::uuid[], $4::text[]) AS w (id, head, title) WHERE c.id = w.id
                """,
            [
                timezone.now(),
                [r.conversation.pk for r in old],
                [r.answer.pk for r in old],
                [r.title for r in old],
            ],
        )


def _touch(units: Sequence[Unit]) -> dict[UUID, bool]:
    """The text so far and a new lease; gives who is still open, and whether it was asked to stop. One statement."""
    if not units:
        return {}
    running = statement(
        """
            UPDATE assistants_message m
            SET content = w.content, last_seq = GREATEST(m.last_seq, w.last), lease_until = $1, worker = w.worker,
                status = 'running'
            FROM unnest($2::uuid[], $3::text[], $4::int[], $5::text[]) AS w (id, content, last, worker)
            WHERE m.id = w.id AND m.status IN ('queued', 'running')
            RETURNING m.id, m.stop_requested
            """,
        [
            timezone.now() + LEASE,
            [u.plan.id for u in units],
            [u.content for u in units],
            [u.events[-1].seq if u.events else 0 for u in units],
            [u.worker for u in units],
        ],
    )
    return dict(running)


def _end(units: Sequence[Unit]) -> dict[UUID, bool]:
    """What became of these answers, and that people used who answered; gives which were still open. Two statements."""
    if not units:
        return {}
    ended = timezone.now()
    rows = [(u, u.ending) for u in units if u.ending is not None]
    closed = statement(
        """
            UPDATE assistants_message m
            SET content = w.content, last_seq = w.last, status = w.status, error_code = w.code, error_detail = w.detail,
                found = w.found, scope = w.scope, usage = w.usage, finished = $1, lease_until = NULL
            FROM unnest($2::uuid[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::bool[], $9::jsonb[],
                        $10::jsonb[]) AS w (id, content, last, status, code, detail, found, scope, usage)
            WHERE m.id = w.id AND m.status IN ('queued', 'running')
            RETURNING m.id, m.assistant_id, m.author_id, m.via
            """,
        [
            ended,
            [u.plan.id for u, _ in rows],
            [u.content for u, _ in rows],
            [u.events[-1].seq for u, _ in rows],
            [str(e.status) for _, e in rows],
            [e.code for _, e in rows],
            [e.detail[:500] for _, e in rows],
            [e.found for _, e in rows],
            [json.dumps(_scope(u.plan)) for u, _ in rows],
            [json.dumps(_spent(u.plan, e.calls)) for u, e in rows],
        ],
    )
    uses.count(_uses({u.plan.id: (u, e) for u, e in rows}, closed), ended)
    return {key: False for key, *_ in closed}


def _uses(ended: dict[UUID, tuple[Unit, Ending]], closed: Iterable[tuple[Any, ...]]) -> Iterable[uses.Use]:
    """Those that count. Assistant and asker as the rows have them: either may have been deleted while it was written."""
    for key, assistant, author, via in closed:
        unit, ending = ended[key]
        if author and uses.counts(via, ending.status, unit.content):
            yield uses.Use(unit.plan.asker.workspace_id, assistant, author, ending.found)


def _unrecorded(ending: Sequence[Unit], running: Mapping[UUID, bool]) -> list[Unit]:
    """Those whose calls are to be recorded: also of an answer that was deleted meanwhile, as they were paid for all the same."""
    lost = [u.plan.id for u in ending if u.plan.id not in running]
    recent = UsageRecord.objects.filter(
        workspace__in={u.plan.asker.workspace_id for u in ending}, at__gte=timezone.now() - timedelta(hours=1)
    )
    told = set(recent.filter(message__in=lost).values_list("message", flat=True)) if lost else set()
    return [u for u in ending if u.plan.id not in told]


def _all_spent(unit: Unit) -> list[UsageRecord]:
    assert unit.ending is not None
    return [*spent_rows(unit.plan, unit.ending.calls), *unit.plan.account.embedding_rows(unit.plan.id)]


def _scope(plan: Plan) -> dict[str, Any]:
    scope = plan.reader.scope
    return {
        "sources": [str(source) for source in scope.sources],
        "folders": scope.folders,
        "parts": scope.parts,
        "missing": scope.missing,
    }


def _spent(plan: Plan, calls: Sequence[Call]) -> dict[str, Any]:
    chat = plan.spec.chat
    return {"vendor": chat.vendor, "model": chat.model, **spent_on(calls)}


def spent_on(calls: Sequence[Call]) -> dict[str, Any]:
    """Tokens over all calls, as a message and its last event say it."""
    spent = [call.spent() for call in calls]
    return {
        "input_tokens": sum(u.input_tokens for u in spent),
        "output_tokens": sum(u.output_tokens for u in spent),
        "exact": all(u.exact for u in spent),
    }


def spent_rows(plan: Plan, calls: Sequence[Call]) -> list[UsageRecord]:
    """Model calls as the workspace's usage keeps them. Trials cost too, but belong to no message."""
    return [
        usage.row(
            workspace=plan.asker.workspace,
            purpose=call.purpose,
            vendor=call.chat.vendor,
            model=call.chat.model,
            usage=call.spent(),
            user=plan.asker.user,
            credential=plan.credential,
            assistant=plan.account.assistant,
            message=plan.rows.answer.pk if plan.rows else None,
            hold=call.hold,
        )
        for call in calls
    ]


def refs_of(events: Iterable[Event]) -> list[Citation]:
    """The rows of what an answer read and cited, out of its events."""
    rows: dict[int, Citation] = {}
    for event in events:
        if event.type == "passages":
            for p in event.data["passages"]:
                rows[p["n"]] = Citation(
                    n=p["n"],
                    source=UUID(p["source"]),
                    node=UUID(p["node"]),
                    start=p["start"],
                    end=p["end"],
                    content_hash=p["hash"],
                    score=p["score"],
                    asked=p.get("asked", False),
                )
        elif event.type == "citation" and event.data["n"] in rows:
            rows[event.data["n"]].cited = True
    return list(rows.values())


def events_of(batches: Iterable[EventBatch]) -> list[Event]:
    return [Event(e["seq"], e["type"], e["data"]) for batch in batches for e in _loaded(batch.events)]


def _loaded(events: object) -> list[dict]:
    return json.loads(events) if isinstance(events, str) else events  # type: ignore[return-value]
