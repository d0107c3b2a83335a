"""The runs of this process: started from anywhere, found by id, stopped from any other process, ended on the way down."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any
from uuid import UUID

import structlog
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DatabaseError

from assistants.errors import Refused
from assistants.runs import remote
from assistants.runs.plan import Plan
from assistants.runs.run import Run
from assistants.runs.writer import Writer

log = structlog.get_logger(__name__)

NAMING = 2
"""Conversations that are given a title at once."""
KEEP_TRIALS = 120.0
"""Seconds for which a finished trial can still be followed; nothing else remembers it."""
GOING_DOWN = 4.0

_runs: dict[UUID, Run] = {}
_runners: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Runner] = weakref.WeakKeyDictionary()
_serving: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()


def find(id: UUID) -> Run | None:
    """The run of this process with that id, from any thread."""
    return _runs.get(id)


def under_way() -> bool:
    """Whether an answer is being written in this process."""
    return any(not run.log.ended for run in list(_runs.values()))


class Runner:
    """One for each event loop; in a server there is just one."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.writer = Writer()
        self.naming = asyncio.Semaphore(NAMING)
        self.worker = ""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._listening: asyncio.Task[None] | None = None
        self._publisher = remote.Publisher() if settings.REDIS_URL else None

    @classmethod
    def here(cls) -> Runner:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        runner = _runners.get(loop)
        if runner is None:
            runner = _runners[loop] = cls()
        return runner

    async def listen(self) -> None:
        """Take the name that other processes reach this one by. Called before the first run; later calls do nothing."""
        if self.worker:
            return
        layer = get_channel_layer()
        assert layer is not None
        self.worker = await layer.new_channel("answers")
        if settings.REDIS_URL:
            self._listening = self.spawn(self._hear())

    async def _hear(self) -> None:
        """Wishes of other processes. What gets lost is found in the database within a second."""
        layer = get_channel_layer()
        assert layer is not None
        while True:
            try:
                message = await layer.receive(self.worker)
            except OSError as error:
                log.warning("channel layer failed", error=str(error))
                await asyncio.sleep(1)
                continue
            run = _runs.get(UUID(message["answer"]))
            if run is not None:
                run.stop()

    def start(self, plan: Plan) -> Run:
        """Run it, in a clean context: what the caller's request carries is none of the run's business."""
        run = Run(plan, self.writer, self.worker, self.hand_on)
        _runs[run.id] = run
        if self._publisher is not None and plan.rows is not None:
            self.spawn(self._publisher.publish(run))
        self.spawn(self._run(run))
        return run

    async def _run(self, run: Run) -> None:
        # The task's context is its own, and all that it starts inherits it.
        structlog.contextvars.bind_contextvars(run=str(run.id))
        try:
            await run.work()
        except Exception:  # an edge: the task has nobody to raise to
            log.exception("run failed")
        finally:
            if run.plan.rows is None:
                self.loop.call_later(KEEP_TRIALS, _runs.pop, run.id, None)
            else:
                _runs.pop(run.id, None)
        from assistants.runs.after import after_run

        await after_run(run)

    async def hand_on(self, run: Run) -> None:
        """The next of those who were asked the same question begins. Where that fails, its asker is offered to ask them."""
        from assistants.conversations import begin_next

        try:
            await begin_next(run.plan)
        except (Refused, DatabaseError) as error:
            log.warning("the next assistant was not asked", error=str(error))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settled(self) -> None:
        """Until nothing is under way any more, but not for long."""
        mine = {task for task in self._tasks if task is not self._listening}
        if mine:
            await asyncio.wait(mine, timeout=GOING_DOWN)

    async def close(self) -> None:
        """End what runs as interrupted, and wait until that is written down."""
        if self._listening is not None:
            self._listening.cancel()
        for run in list(_runs.values()):
            if run.loop is self.loop:
                run.interrupt()
        await self.settled()
        if self._publisher is not None:
            await self._publisher.close()


async def serve_here() -> None:
    """This loop runs what other threads ask for. Called when the server starts."""
    global _serving
    _serving = asyncio.get_running_loop()
    await Runner.here().listen()


async def close() -> None:
    global _serving
    _serving = None
    await Runner.here().close()


def launch(plan: Plan) -> Run:
    """Start a run from a thread without an event loop. Blocks for a moment."""
    started: Future[Run] = Future()
    loop = _home()

    async def start() -> None:
        runner = Runner.here()
        await runner.listen()
        started.set_result(runner.start(plan))

    asyncio.run_coroutine_threadsafe(start(), loop)
    return started.result(timeout=30)


def _home() -> asyncio.AbstractEventLoop:
    """The server's loop; where none serves (a command, a script), one in a thread of its own."""
    global _serving
    with _lock:
        if _serving is None or not _serving.is_running():
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="answers", daemon=True).start()
            _serving = loop
        return _serving
