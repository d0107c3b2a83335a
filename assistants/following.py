"""An answer's events for one reader: numbered, resolved against what they may read, resumable at any number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec

from assistants.branches import above
from assistants.claims import Asked, claim_of, sentence_for
from assistants.errors import Refused
from assistants.models import Conversation, Message
from assistants.presenting import Source, live_source, readable_nodes, sources_of, withhold
from assistants.runs import runner
from assistants.runs.follow import raw_events
from assistants.runs.log import Event, merged
from assistants.runs.results import shown_result
from assistants.runs.run import Run
from assistants.runs.saving import refs_of
from assistants.thread import wanted_of
from portal.models import Membership
from portal.threads import in_database

HEARTBEAT = 15.0
"""Seconds of silence after which an SSE stream says that it is still there; proxies cut silent ones."""


async def follow(membership: Membership, answer: UUID, after: int = 0) -> AsyncIterator[Event]:
    """What comes after event ``after`` of this answer, as ``membership`` may see it, to its last event.

    Neighbouring tokens may come as one, with the last one's number. A reader who may not read all that the answer rests on
    gets its text at the end, in one piece, with what is withheld left out. Raises Refused for an answer that is none of
    theirs.
    """
    await allowed(membership, answer)
    view = _View(membership, answer)
    async for events in raw_events(answer):
        for event in merged(await view.shown(events, after)):
            if event.seq > after:
                yield event


async def allowed(membership: Membership, answer: UUID) -> None:
    """Whether this person may follow this answer; raises Refused."""
    run = runner.find(answer)
    if run is not None and run.plan.asker.user_id == membership.user_id:
        if run.plan.asker.workspace_id == membership.workspace_id:
            return
    elif await in_database(_is_visible, membership, answer):
        return
    raise Refused("not_found", "There is no such answer, or it is not for you.")


def _is_visible(membership: Membership, answer: UUID) -> bool:
    return Message.objects.filter(
        pk=answer,
        role=Message.Role.ASSISTANT,
        conversation__in=Conversation.objects.visible_to(membership).values("pk"),
    ).exists()


class _View:
    """How one reader sees one answer's events, in their order from the first."""

    def __init__(self, membership: Membership, answer: UUID) -> None:
        self.membership = membership
        self.answer = answer
        self.sources: dict[int, Source] = {}
        self._restricted = False
        self._held: list[Event] = []
        self._text: list[str] = []

    async def shown(self, events: list[Event], after: int) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if event.type == "token":
                self._text.append(event.data["text"])
                (self._held if self._restricted else out).append(event)
            elif event.type == "passages":
                out.append(await self._passages(event))
            elif event.type == "table":
                out.append(Event(event.seq, "table", shown_result(event.data, readable_nodes(self.sources.values()))))
            elif event.type == "citation":
                data = await self._citation(event.data["n"], wanted=event.seq > after)
                out.append(Event(event.seq, "citation", data))
            else:
                if event.is_last:
                    out.extend(self._released())
                out.append(event)
        return [event for event in out if event.seq > after]

    async def _citation(self, n: int, *, wanted: bool) -> dict[str, Any]:
        """``sentence``: what of the passage fits best what was just said. Not where some of what was said is withheld.

        Counting a passage's words takes up to ten milliseconds, for which nobody else's answer waits.
        """
        source = self.sources.get(n)
        if source is None or source.withheld:
            return {"n": n, "withheld": True}
        shown: dict[str, Any] = {"n": n, "withheld": False}
        if wanted and not self._restricted:
            shown["sentence"] = await asyncio.to_thread(sentence_for, source.text, claim_of("".join(self._text), n))
        return shown

    async def _passages(self, event: Event) -> Event:
        found = await self._resolved(event)
        self.sources = {source.n: source for source in found}
        self._restricted = any(source.withheld for source in found)
        shown: dict[str, Any] = {"relevant": event.data["relevant"], "passages": [s.as_json() for s in found]}
        if hidden := sum(source.withheld for source in found):
            shown["note"] = f"{hidden} of {len(found)} passages are withheld: you may not read where they come from."
        return Event(event.seq, "passages", shown)

    async def _resolved(self, event: Event) -> list[Source]:
        run = runner.find(self.answer)
        if run is not None and run.is_fresh_for(self.membership.user_id):
            slug, wanted = self.membership.workspace.slug, _wanted(run)
            asked = {p["n"] for p in event.data["passages"] if p.get("asked")}
            return [live_source(n, found, slug, wanted, asked=n in asked) for n, found in enumerate(run.found, 1)]
        return await in_database(self._looked_up, event, run)

    def _looked_up(self, event: Event, run: Run | None) -> list[Source]:
        author: int | None = None
        if run is not None:
            author, wanted = run.plan.asker.user_id, _wanted(run)
        elif stored := Message.objects.filter(pk=self.answer).select_related("version").defer("content").first():
            author, wanted = stored.author_id, wanted_of([stored], above([stored])).get(stored.pk, Asked())
        else:
            wanted = Asked()
        mine = author == self.membership.user_id
        return sources_of(self.membership, refs_of([event]), asked=mine, wanted={None: wanted})

    def _released(self) -> list[Event]:
        """The whole text in one piece; its number is its last token's, so that it too comes exactly once."""
        if not self._held:
            return []
        whole = "".join(event.data["text"] for event in self._held)
        last = self._held[-1]
        self._held = []
        return [replace(last, data={"text": withhold(whole, self.sources.values())})]


def _wanted(run: Run) -> Asked:
    """The question, and the one before it."""
    questions = [turn.text for turn in run.plan.turns if turn.role == "user"]
    return Asked(*questions[:-3:-1], newest=run.plan.spec.retrieval == "newest")


async def sse(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    """The events as ``text/event-stream``: ``id``, ``event``, ``data``; a comment whenever nothing came for a while."""
    iterator = aiter(events)
    # anext's task is kept over a heartbeat: cancelling it would end the iterator.
    pending: asyncio.Future[Event] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(iterator))
            done, _ = await asyncio.wait([pending], timeout=HEARTBEAT)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                event = pending.result()
            except StopAsyncIteration:
                return
            pending = None
            yield encoded(event)
    finally:
        if pending is not None:
            pending.cancel()


def encoded(event: Event) -> bytes:
    """One server-sent event."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), msgspec.json.encode(event.data))
