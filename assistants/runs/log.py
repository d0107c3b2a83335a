"""The append-only log of one run, in the process that runs it. Followers hold a cursor; nobody holds up anybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, Literal

EventType = Literal[
    "started", "step", "passages", "table", "token", "citation", "action", "completed", "stopped", "error"
]
LAST: Final = frozenset({"completed", "stopped", "error"})


@dataclass(frozen=True, slots=True)
class Event:
    """``seq`` counts from 1 and only rises. ``data`` is plain JSON and holds references to passages, never their text; rows only
    of what tables gave."""

    seq: int
    type: EventType
    data: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"seq": self.seq, "type": self.type, "data": self.data}

    @property
    def is_last(self) -> bool:
        return self.type in LAST


def merged(events: list[Event]) -> list[Event]:
    """Neighbouring tokens as one, with the last one's number: what a slow reader gets is larger, not later."""
    out: list[Event] = []
    for event in events:
        if event.type == "token" and out and out[-1].type == "token":
            out[-1] = Event(event.seq, "token", {"text": out[-1].data["text"] + event.data["text"]})
        else:
            out.append(event)
    return out


class EventLog:
    """Written by one task; read by any number on the same event loop.

    Nothing is shown before ``open``: the first event waits until the question is written down.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ended = False
        self._opened = False
        self._waiting: set[asyncio.Future[None]] = set()

    def append(self, type: EventType, data: dict[str, Any]) -> Event:
        event = Event(len(self.events) + 1, type, data)
        self.events.append(event)
        if event.is_last:
            self.ended = True
        self._wake()
        return event

    def open(self) -> None:
        self._opened = True
        self._wake()

    def end(self) -> None:
        """No more will come, not even a last event."""
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        if not self._opened and not self.ended:
            return
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def after(self, seq: int) -> AsyncIterator[list[Event]]:
        """What came after ``seq``, then whatever comes, in slices, until the end."""
        while True:
            if self._opened and len(self.events) > seq:
                slice_ = self.events[seq:]
                seq = slice_[-1].seq
                yield slice_
                continue
            if self.ended:
                return
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)
