"""The log of a run as a Redis stream, so that every web process can follow it; and where trials run, so that every one can stop
them. Only where REDIS_URL is set.

An event's number is its id in the stream (``<seq>-0``), so that "what came after seq" is one XREAD.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import structlog
from django.conf import settings
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from assistants.runs.log import Event

if TYPE_CHECKING:
    from assistants.runs.run import Run

log = structlog.get_logger(__name__)

EXPIRES = 3600
"""Seconds that a stream outlives its last event; what comes later reads the database."""
PATIENCE_MS = 2000

_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()


def _key(id: UUID) -> str:
    return f"atrium:answer:{id}"


def _client() -> Any:
    """One client an event loop. Reads block for longer than writes may take, hence the time-out."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = AsyncRedis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE_MS / 1000 + 5)
    return _clients[loop]


class Publisher:
    """Copies what runs of this process log. Should Redis fail, their followers elsewhere read the database instead."""

    async def publish(self, run: Run) -> None:
        key = _key(run.id)
        try:
            async for events in run.log.after(0):
                async with _client().pipeline(transaction=False) as pipe:
                    for event in events:
                        pipe.xadd(key, {"e": msgspec.json.encode(event.as_json())}, id=f"{event.seq}-0")
                    pipe.expire(key, EXPIRES)
                    await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("answer not published", answer=str(run.id), error=str(error))

    async def close(self) -> None:
        client = _clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()


async def read(id: UUID, after: int) -> AsyncIterator[list[Event]]:
    """What comes after ``after``, in slices; an empty one whenever nothing came for two seconds. Raises RedisError."""
    key, last = _key(id), after
    while True:
        found = await _client().xread({key: f"{last}-0"}, count=200, block=PATIENCE_MS)
        events = [_event(fields) for _, rows in found or () for _, fields in rows] if found else []
        if isinstance(found, dict):
            events = [_event(fields) for chunks in found.values() for rows in chunks for _, fields in rows]
        if events:
            last = events[-1].seq
        yield events


def rest_of(id: UUID, after: int) -> list[Event]:
    """What the stream holds after ``after``. Blocking. Raises RedisError."""
    with Redis.from_url(settings.REDIS_URL, socket_timeout=5) as client:
        rows: Any = client.xrange(_key(id), min=f"{after + 1}-0")
    return [_event(fields) for _, fields in rows]


def _trial_key(id: UUID) -> str:
    return f"atrium:trial:{id}"


async def place_trial(id: UUID, user: int, worker: str) -> None:
    """Whose trial it is, and the name of the process that runs it: there is no row to keep them in. Should Redis fail, only that
    process can stop it."""
    if not settings.REDIS_URL:
        return
    try:
        await _client().set(_trial_key(id), f"{user} {worker}", ex=EXPIRES)
    except (RedisError, OSError) as error:
        log.warning("trial not placed", trial=str(id), error=str(error))


def worker_of_trial(id: UUID, user: int) -> str:
    """The process that runs this trial of this person's; empty where there is none such. Blocking."""
    if not settings.REDIS_URL:
        return ""
    try:
        with Redis.from_url(settings.REDIS_URL, socket_timeout=5) as client:
            kept: Any = client.get(_trial_key(id))
    except (RedisError, OSError) as error:
        log.warning("trial not found", trial=str(id), error=str(error))
        return ""
    whose, _, worker = (kept or b"").decode().partition(" ")
    return worker if whose == str(user) else ""


def _event(fields: dict[bytes, bytes]) -> Event:
    raw = msgspec.json.decode(fields[b"e"])
    return Event(raw["seq"], raw["type"], raw["data"])
