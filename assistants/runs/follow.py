"""The events of an answer, from wherever they are: this process's log, the Redis stream, or the stored record.

All three hold the same events with the same numbers, so that a client can change over in mid-answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from assistants.models import EventBatch, Message
from assistants.runs import remote, runner
from assistants.runs.log import Event
from assistants.runs.saving import events_of
from portal.threads import in_database

log = structlog.get_logger(__name__)

POLL = 0.5
"""Seconds between looks at the stored record, where an answer runs in another process and there is no Redis."""


async def raw_events(id: UUID, after: int = 0) -> AsyncIterator[list[Event]]:
    """Everything after ``after``, in slices, to the last event. Nothing is checked here: ``following`` does that."""
    run = runner.find(id)
    if run is not None and run.loop is asyncio.get_running_loop():
        async for events in run.log.after(after):
            yield events
        return
    if settings.REDIS_URL:
        try:
            async for events in _streamed(id, after):
                if events:
                    after = events[-1].seq
                    yield events
                    if events[-1].is_last:
                        return
        except (RedisError, OSError) as error:
            log.warning("stream not readable", answer=str(id), error=str(error))
    async for events in _stored(id, after):
        yield events


async def _streamed(id: UUID, after: int) -> AsyncIterator[list[Event]]:
    """Ends, without a last event perhaps, when the record says that the answer is closed."""
    if not await in_database(_is_open, id):
        return
    async for events in remote.read(id, after):
        if events:
            yield events
        elif not await in_database(_is_open, id):
            return


async def _stored(id: UUID, after: int) -> AsyncIterator[list[Event]]:
    while True:
        # Asked first: what is stored once it is closed is all there will be.
        going = await in_database(_is_open, id)
        events = await in_database(stored_events, id, after)
        if events:
            after = events[-1].seq
            yield events
            if events[-1].is_last:
                return
        if not going:
            return
        await asyncio.sleep(POLL)


def _is_open(id: UUID) -> bool:
    return Message.objects.filter(pk=id, status__in=Message.OPEN).exists()


def stored_events(id: UUID, after: int = 0) -> list[Event]:
    batches = EventBatch.objects.filter(message=id, last__gt=after).order_by("first")
    return [event for event in events_of(batches) if event.seq > after]
