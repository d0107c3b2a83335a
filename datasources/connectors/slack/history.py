"""A channel's history as Slack gives it, newest first, a day at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from datasources.connectors.base import NodeError, RemoteNode
from datasources.connectors.shelf import Shelf
from datasources.connectors.slack.client import Api, Page, Said
from datasources.connectors.slack.documents import Channel, Scribe, Written, first_second, last_second
from datasources.connectors.slack.messages import Message, day_of, is_notice, stamp, thread_of

GONE = "It is no longer at Slack"


@dataclass(frozen=True, slots=True)
class Span:
    """Both ends belong to it; an empty one is open. Slack's ``ts``."""

    oldest: str = ""
    latest: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """What began on one day (UTC), newest first: messages, first messages of threads, and replies shown in the channel.

    ``notices``: what Slack itself wrote counts too.
    """

    date: str
    messages: Sequence[Message]
    notices: bool = False

    @property
    def alone(self) -> list[Message]:
        """What belongs to no thread."""
        return [m for m in self.messages if not thread_of(m) and (self.notices or not is_notice(m))]

    @property
    def starters(self) -> list[Message]:
        return [message for message in self.messages if thread_of(message) == stamp(message)]

    @property
    def shown(self) -> list[str]:
        """Threads that a reply was shown of."""
        return sorted({thread_of(m) for m in self.messages if thread_of(m) not in ("", stamp(m))})


class History:
    """Reads and writes what one channel holds; texts that were made on the way go to the shelf."""

    def __init__(self, api: Api, scribe: Scribe, shelf: Shelf) -> None:
        self.api = api
        self.scribe = scribe
        self.shelf = shelf

    def first(self, channel: str, span: Span) -> Page:
        return self.api.page("conversations.history", "messages", **_asked(channel, span))

    def pages(self, channel: str, span: Span, first: Page | None = None) -> Iterator[list[Message]]:
        return self.api.pages("conversations.history", "messages", first, **_asked(channel, span))

    def days(self, channel: str, span: Span) -> Iterator[Day]:
        return self.days_of(self.pages(channel, span))

    def days_of(self, pages: Iterable[list[Message]]) -> Iterator[Day]:
        """Holds one page and one day at a time."""
        date, held = "", list[Message]()
        for page in pages:
            for message in page:
                day = day_of(stamp(message))
                if not day:
                    continue
                if day != date and held:
                    yield self._day_of(date, held)
                    held = []
                date = day
                held.append(message)
        if held:
            yield self._day_of(date, held)

    def replies(self, channel: str, thread: str) -> list[Message]:
        """The first message and all replies, oldest first; empty where the thread is gone."""
        found: dict[str, Message] = {}
        try:
            for page in self.api.pages("conversations.replies", "messages", channel=channel, ts=thread):
                found |= {stamp(message): message for message in page}
        except Said as said:
            if said.code != "thread_not_found":
                raise
        return [found[ts] for ts in sorted(found)]

    def day(self, channel: Channel, day: Day) -> Written:
        written = self.scribe.day(channel, day.date, day.alone)
        self.shelf.put(written.node, written.text)
        return written

    def thread(self, channel: Channel, messages: Sequence[Message]) -> Written:
        written = self.scribe.thread(channel, messages)
        self.shelf.put(written.node, written.text)
        return written

    def text(self, node: RemoteNode) -> str:
        """What the shelf has of a day or thread, else what Slack has now. Raises NodeError where it is gone."""
        if (kept := self.shelf.take(node)) is not None:
            return kept
        kind, channel_id, name = node.external_id.split(":", 2)
        channel = Channel(channel_id, str(node.extra.get("channel") or ""))
        if kind == "thread":
            messages = self.replies(channel_id, name)
            written = self.scribe.thread(channel, messages) if len(messages) > 1 else None
        else:
            written = self._read_day(channel, name)
        if written is None or not written.text:
            raise NodeError(GONE, skip=True)
        return written.text

    def _read_day(self, channel: Channel, date: str) -> Written | None:
        """One page holds many days, and a run reads a channel's days one after the other: the others go to the shelf."""
        held: list[Message] = []
        ended = True
        for page in self.pages(channel.id, Span("", last_second(date))):
            held += page
            if held and day_of(stamp(held[-1])) != date:
                ended = False
                break
        days: dict[str, list[Message]] = {}
        for message in held:
            days.setdefault(day_of(stamp(message)), []).append(message)
        if not ended:
            days.popitem()
        wanted = days.pop(date, [])
        for other, messages in days.items():
            if alone := self._day_of(other, messages).alone:
                written = self.scribe.day(channel, other, alone)
                self.shelf.put(written.node, written.text)
        alone = self._day_of(date, wanted).alone
        return self.scribe.day(channel, date, alone) if alone else None

    def one_day(self, channel: str, date: str) -> Day:
        span = Span(first_second(date), last_second(date))
        return self._day_of(date, [message for page in self.pages(channel, span) for message in page])

    def _day_of(self, date: str, messages: Sequence[Message]) -> Day:
        return Day(date, messages, self.scribe.taste.notices)


def _asked(channel: str, span: Span) -> dict[str, Any]:
    ends = {"oldest": span.oldest, "latest": span.latest}
    return {"channel": channel, "inclusive": True} | {key: value for key, value in ends.items() if value}
