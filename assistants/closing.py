"""Answers that a dead process left open become ``interrupted``: what was stored stays, and one can ask again."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from redis.exceptions import RedisError

from assistants import uses
from assistants.models import Citation, EventBatch, Message
from assistants.runs import remote, runner
from assistants.runs.follow import stored_events
from assistants.runs.log import Event
from assistants.runs.saving import refs_of

log = structlog.get_logger(__name__)

GAP = 100_000
"""Added to the last stored number: clients may have seen events that were not stored any more, and must see this one."""
DETAIL = "The server went down in the middle of this answer. What was written is kept; ask again for the rest."
GRACE = timedelta(seconds=5)


def close_interrupted(*, everything: bool = False) -> int:
    """Close what nobody runs any more; gives how many. ``everything``: this process is the only one, and runs nothing yet."""
    stale = Q(lease_until__lt=timezone.now() - GRACE) | Q(lease_until=None)
    found = Message.objects.filter(status__in=Message.OPEN).filter(Q() if everything else stale)
    closed = 0
    for answer in found.values_list("pk", flat=True):
        if runner.find(answer) is None:
            closed += _close(answer, everything)
    return closed


def _close(answer: UUID, everything: bool) -> bool:
    with transaction.atomic():
        row = Message.objects.select_for_update(skip_locked=True).filter(pk=answer, status__in=Message.OPEN).first()
        if row is None or (not everything and row.lease_until and row.lease_until > timezone.now() - GRACE):
            return False
        events = stored_events(row.pk)
        rescued = _rescued(row, events[-1].seq if events else 0)
        events = [*events, *rescued]
        row.content = "".join(event.data["text"] for event in events if event.type == "token")
        stopped = row.stop_requested
        row.status = Message.Status.STOPPED if stopped else Message.Status.INTERRUPTED
        row.error_code, row.error_detail = ("", "") if stopped else ("interrupted", DETAIL)
        last = Event(
            (events[-1].seq if events else 0) + GAP,
            "stopped" if stopped else "error",
            {"status": "stopped"}
            if stopped
            else {
                "status": "interrupted",
                "code": "interrupted",
                "detail": DETAIL,
                "retryable": True,
                "kept": len(row.content),
            },
        )
        row.last_seq, row.finished, row.lease_until = last.seq, timezone.now(), None
        row.save()
        if row.author_id and uses.counts(row.via, row.status, row.content):
            workspace = row.conversation.workspace_id
            uses.count([uses.Use(workspace, row.assistant_id, row.author_id, row.found)], row.finished)
        added = [*rescued, last]
        EventBatch.objects.create(
            message=row, first=added[0].seq, last=last.seq, events=[event.as_json() for event in added]
        )
        citations = refs_of(events)
        for citation in citations:
            citation.message = row
        Citation.objects.bulk_create(citations, ignore_conflicts=True)
    log.warning("answer interrupted", answer=str(row.pk), kept=len(row.content))
    return True


def _rescued(row: Message, after: int) -> list[Event]:
    """What the Redis stream still has of the second before the end."""
    if not settings.REDIS_URL:
        return []
    try:
        return [event for event in remote.rest_of(row.pk, after) if not event.is_last]
    except RedisError as error:
        log.warning("stream not readable", answer=str(row.pk), error=str(error))
        return []
