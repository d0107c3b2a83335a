"""One answer being made. It belongs to the server: whoever watches may come and go."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from django.db import IntegrityError

from assistants.answering import Asked, Call, Cited, Finished, Meter, Passages, Step, Token, answer
from assistants.errors import Refused
from assistants.models import Message
from assistants.runs.log import Event, EventLog
from assistants.runs.plan import Plan
from assistants.runs.purse import Purse
from assistants.runs.results import asked_as_json
from assistants.runs.saving import Ending, Saved, Unit, refs_of, spent_on
from assistants.runs.writer import RETRIES, Writer
from datasources.reading import ReadablePassage
from datasources.retrieval.types import IndexUnavailable
from portal.providers.errors import ProviderError

log = structlog.get_logger(__name__)

GATHER = 0.033
"""Seconds that tokens are gathered for, after the first."""
LONGEST_RUN = 15 * 60
_HANDED_ON: Final = (Message.Status.COMPLETED, Message.Status.ERROR)
"""After these, the next of several assistants answers; a person who stops one stops them all."""
FRESH = 10.0
"""Seconds for which what the reader was checked for just now need not be asked again."""

_TOO_LONG: Final = "The answer took more than 15 minutes and was ended. What was written is kept."
_RESTARTED: Final = (
    "The server went down in the middle of this answer. What was written is kept; ask again for the rest."
)
_OUR_FAULT: Final = (
    "Something went wrong in Atrium itself. What was written is kept; try again, and tell the operator this code: "
)
_FILTERED: Final = (
    "The vendor's content filter ended this answer. What was written is kept; put the question differently."
)
_NOT_SAVED: Final = "The answer could not be saved: the database does not answer. Copy what you need, and try again."
BUSY: Final = "An answer is still being written in this conversation. Wait for it, or stop it first."


class Run:
    """Made on the event loop that will run it. ``opened`` is done once the question is written down."""

    def __init__(
        self,
        plan: Plan,
        writer: Writer,
        worker: str = "",
        hand_on: Callable[[Run], Awaitable[None]] | None = None,
    ) -> None:
        self.plan = plan
        self.id = plan.id
        self.loop = asyncio.get_running_loop()
        self.log = EventLog()
        self.opened: asyncio.Future[None] = self.loop.create_future()
        self.found: tuple[ReadablePassage, ...] = ()
        self.found_at = 0.0
        self._writer = writer
        self._worker = worker
        self._hand_on = hand_on
        self._meter = Meter(Purse(plan.account, plan.credential))
        self._text: list[str] = []
        self._pending: list[str] = []
        self._flushed_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._stored = 0
        self._sent = 0
        self._is_open = False
        self._wish = ""
        self._inner: asyncio.Task[Finished] | None = None
        self._ending: tuple[Event, Ending] | None = None

    @property
    def content(self) -> str:
        return "".join(self._text)

    @property
    def calls(self) -> list[Call]:
        return self._meter.calls

    def is_fresh_for(self, user: int) -> bool:
        """Whether this person's access to what was found was checked only just now."""
        return user == self.plan.asker.user_id and time.monotonic() - self.found_at < FRESH

    # From any task on the loop.

    def stop(self) -> None:
        """End it and keep what was written. Harmless when it has ended."""
        self._cancel("stopped")

    def interrupt(self) -> None:
        """The server goes down."""
        self._cancel("interrupted")

    def _cancel(self, wish: str) -> None:
        if self._ending is None and not self._wish:
            self._wish = wish
            if self._inner is not None:
                self._inner.cancel()

    # The run's own task.

    async def work(self) -> None:
        """Never raises, unless its own task is cancelled: then the lease runs out, and another process closes it."""
        try:
            await self._work()
        finally:
            self._writer.remove(self)
            self.log.end()

    async def _work(self) -> None:
        opening: asyncio.Future[None] = asyncio.ensure_future(self._open())
        self.log.append("started", self._started())
        self._inner = asyncio.ensure_future(self._answer())
        if self._wish:
            self._inner.cancel()
        opening.add_done_callback(self._after_opening)
        ending, data = await self._outcome()
        await asyncio.wait([opening])
        if opening.exception() is not None:
            return
        self._flush()
        await self._finish(ending, data)

    def _after_opening(self, opening: asyncio.Future[None]) -> None:
        error = None if opening.cancelled() else opening.exception()
        if opening.cancelled() or error is not None:
            self.opened.set_exception(error or Refused("shutting_down", _RESTARTED))
            self.opened.exception()  # whoever asked may have left
            self._cancel("stopped")
            return
        self._is_open = True
        self.opened.set_result(None)
        self.log.open()

    async def _open(self) -> None:
        if self.plan.rows is None:
            return
        if not self.plan.rows.new:
            # Stored by who asked; from here on the writer only adds.
            self._is_open = True
        self._writer.add(self)
        result = await self._persist()
        if isinstance(result.error, IntegrityError):
            if "one_open_answer" in str(result.error):
                raise Refused("answer_running", BUSY)
            raise Refused("not_found", "This conversation is gone.")
        if result.error is not None:
            raise Refused("not_saved", "The question could not be saved: the database does not answer. Try again.")
        if result.gone:
            raise Refused("not_found", "This conversation is gone.")

    async def _persist(self) -> Saved:
        """Save now, and again for a while if the database does not answer."""
        result = await self._writer.now(self)
        for wait in RETRIES:
            if result.error is None or isinstance(result.error, IntegrityError):
                break
            await asyncio.sleep(wait)
            result = await self._writer.now(self)
        return result

    async def _answer(self) -> Finished:
        finished = Finished()
        async with asyncio.timeout(LONGEST_RUN):
            async for event in answer(self.plan.spec, self.plan.turns, self.plan.reader, self._meter):
                if isinstance(event, Token):
                    self._token(event.text)
                elif isinstance(event, Finished):
                    finished = event
                else:
                    self._flush()
                    self._append(event)
        return finished

    def _append(self, event: Step | Passages | Asked | Cited) -> None:
        if isinstance(event, Step):
            self.log.append("step", {"kind": event.kind, "text": event.text})
        elif isinstance(event, Passages):
            self.found, self.found_at = event.passages, time.monotonic()
            refs = [_reference(n, passage, n in event.asked) for n, passage in enumerate(event.passages, 1)]
            self.log.append("passages", {"relevant": event.relevant, "passages": refs})
        elif isinstance(event, Asked):
            self.log.append("table", asked_as_json(event))
        else:
            self.log.append("citation", {"n": event.n})

    def _token(self, text: str) -> None:
        """The first at once, then what came in at most ``GATHER`` seconds together."""
        self._pending.append(text)
        if self._timer is not None:
            return
        wait = self._flushed_at + GATHER - self.loop.time()
        if wait <= 0:
            self._flush()
        else:
            self._timer = self.loop.call_later(wait, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            text = "".join(self._pending)
            self._pending.clear()
            self._text.append(text)
            self._flushed_at = self.loop.time()
            self.log.append("token", {"text": text})

    async def _outcome(self) -> tuple[Ending, dict[str, Any]]:
        """How it ended, as a row keeps it and as the last event says it."""
        assert self._inner is not None
        try:
            finished = await self._inner
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return self._cancelled()
        except TimeoutError:
            return self._failed("timeout", _TOO_LONG, retryable=True)
        except ProviderError as error:
            log.warning("model failed", answer=str(self.id), code=error.code, detail=error.detail)
            return self._failed(error.code, str(error), retryable=error.retryable, retry_after=error.retry_after)
        except IndexUnavailable as error:
            log.error("index failed", answer=str(self.id), error=str(error))
            return self._failed("index_unavailable", str(error), retryable=True)
        except Exception:  # an edge: whatever broke, its reader must hear of it
            code = uuid.uuid4().hex[:8]
            log.exception("answer failed", answer=str(self.id), code=code)
            return self._failed("internal", _OUR_FAULT + code, retryable=True)
        if finished.filtered:
            return self._failed("content_filter", _FILTERED, retryable=False)
        return self._completed(finished)

    def _completed(self, finished: Finished) -> tuple[Ending, dict[str, Any]]:
        ending = Ending(Message.Status.COMPLETED, found=finished.found, calls=self._meter.calls)
        data: dict[str, Any] = {"status": "completed", "found": finished.found}
        if finished.length:
            data["note"] = "The model's own limit cut this answer short."
        return ending, data

    def _cancelled(self) -> tuple[Ending, dict[str, Any]]:
        if self._wish == "stopped":
            return Ending(Message.Status.STOPPED, calls=self._meter.calls), {"status": "stopped"}
        return self._failed("interrupted", _RESTARTED, retryable=True)

    def _failed(
        self, code: str, detail: str, *, retryable: bool, retry_after: float | None = None
    ) -> tuple[Ending, dict[str, Any]]:
        self._flush()
        status = Message.Status.INTERRUPTED if code == "interrupted" else Message.Status.ERROR
        data: dict[str, Any] = {
            "status": status.value,
            "code": code,
            "detail": detail,
            "retryable": retryable,
            "kept": len(self.content),
        }
        if retry_after is not None:
            data["retry_after"] = retry_after
        return Ending(status, code, detail, calls=self._meter.calls), data

    async def _finish(self, ending: Ending, data: dict[str, Any]) -> None:
        """Write the ending down, then tell it."""
        kind: Any = {"completed": "completed", "stopped": "stopped"}.get(ending.status, "error")
        if self.plan.rows is None:
            self.log.append(kind, data)
            return
        citations = refs_of(self.log.events)
        for row in citations:
            row.message_id = self.id
        ending = Ending(ending.status, ending.code, ending.detail, ending.found, ending.calls, citations)
        data["usage"] = spent_on(self._meter.calls)
        self._ending = (Event(len(self.log.events) + 1, kind, data), ending)
        result = await self._persist()
        if result.error is None and not result.gone:
            if self.plan.goes_on and self._hand_on is not None and ending.status in _HANDED_ON:
                # Before the end is told, so that nobody's next question comes in between.
                await self._hand_on(self)
            self.log.append(kind, data)
            return
        detail = "This answer was deleted, or ended elsewhere." if result.gone else _NOT_SAVED
        log.error("answer not saved", answer=str(self.id), error=str(result.error or "gone"))
        code = "gone" if result.gone else "not_saved"
        self.log.append("error", {"status": "error", "code": code, "detail": detail, "retryable": True, "kept": 0})

    # What the writer asks.

    def unsaved(self, asked: bool) -> Unit | None:
        """What is to be written, or None: between opening and ending nothing is, before the opening is through."""
        rows = self.plan.rows
        if rows is None or (not self._is_open and not asked):
            return None
        ending = None if self._ending is None else self._ending[1]
        if ending is not None and not asked:
            return None
        if not self._is_open:
            # The rows alone: what there is of events goes with the next save.
            self._sent = 0
            return Unit(self.plan, rows, True, (), "", self._worker)
        events = self.log.events[self._stored :]
        if self._ending is not None:
            events = [*events, self._ending[0]]
        self._sent = len(self.log.events)
        return Unit(self.plan, rows, False, events, self.content, self._worker, ending)

    def was_saved(self, result: Saved) -> None:
        if result.error is None:
            self._stored = self._sent
        if result.stop:
            self.stop()
        elif result.gone:
            self._cancel("stopped")

    def _started(self) -> dict[str, Any]:
        plan = self.plan
        data: dict[str, Any] = {"model": plan.spec.chat.model, "vendor": plan.spec.chat.vendor, "note": plan.note}
        if plan.rows is not None:
            data |= {
                "conversation": str(plan.rows.conversation.pk),
                "question": str(plan.rows.question.pk),
                "answer": str(self.id),
                "assistant": str(plan.spec.assistant) if plan.spec.assistant else None,
                "version": str(plan.spec.version) if plan.spec.version else None,
            }
        return data


def _reference(n: int, passage: ReadablePassage, asked: bool) -> dict[str, Any]:
    return {
        "n": n,
        "asked": asked,
        "source": str(passage.source),
        "node": str(passage.node),
        "start": passage.start,
        "end": passage.end,
        "hash": passage.content_hash,
        "score": round(passage.score, 4),
    }
