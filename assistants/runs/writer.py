"""The one writer of a process: saves what its runs have to say, many in one transaction.

An opening or an ending is saved at once, together with those that came while the save before was under way; what
streams in between, about once a second.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from django.db import DatabaseError

from assistants.runs.saving import Saved, Unit, save
from portal.threads import in_database

if TYPE_CHECKING:
    from assistants.runs.run import Run

log = structlog.get_logger(__name__)

EVERY = 1.0
RETRIES = (0.2, 1.0, 3.0, 6.0)
"""Seconds between attempts to save an opening or an ending while the database does not answer."""

Save = Callable[[Sequence[Unit]], dict[UUID, Saved]]


class Writer:
    def __init__(self, save: Save = save) -> None:
        self._save = save
        self._runs: dict[UUID, Run] = {}
        self._urgent: dict[UUID, asyncio.Future[Saved]] = {}
        self._called = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, run: Run) -> None:
        self._runs[run.id] = run
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work(), context=contextvars.Context())

    def remove(self, run: Run) -> None:
        self._runs.pop(run.id, None)
        self._called.set()

    def now(self, run: Run) -> Awaitable[Saved]:
        """Save this run without waiting for the clock. Gives what came of it, once."""
        future = self._urgent.get(run.id)
        if future is None:
            future = self._urgent[run.id] = asyncio.get_running_loop().create_future()
        self._called.set()
        return future

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + EVERY
        while self._runs:
            self._called.clear()
            if not self._urgent and loop.time() < due:
                try:
                    async with asyncio.timeout(due - loop.time()):
                        await self._called.wait()
                except TimeoutError:
                    pass
            if loop.time() >= due:
                due = loop.time() + EVERY
                await self._round(list(self._runs.values()))
            elif self._urgent:
                await self._round([self._runs[key] for key in self._urgent if key in self._runs])
        for future in self._urgent.values():
            if not future.done():
                future.set_result(Saved(gone=True))
        self._urgent.clear()

    async def _round(self, runs: list[Run]) -> None:
        asked, self._urgent = self._urgent, {}
        units = [unit for run in runs if (unit := run.unsaved(run.id in asked)) is not None]
        saved = await self._saved(units)
        for run in runs:
            result = saved.get(run.id)
            if result is not None:
                run.was_saved(result)
            future = asked.pop(run.id, None)
            if future is not None and not future.done():
                future.set_result(result or Saved())
        for future in asked.values():
            if not future.done():
                future.set_result(Saved(gone=True))

    async def _saved(self, units: list[Unit]) -> dict[UUID, Saved]:
        if not units:
            return {}
        try:
            return await in_database(self._save, units)
        except DatabaseError as error:
            log.error("answers not saved", answers=len(units), error=str(error))
            return {unit.plan.id: Saved(error=error) for unit in units}
