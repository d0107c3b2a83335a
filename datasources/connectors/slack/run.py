"""One run over what is chosen: everything, or what changed since a run before.

Slack has no list of changes, and does not say in which channels something was said. A run from a cursor reads the last days
of every chosen channel anew (``look_back``): so it sees what was written, edited and deleted there. Threads of those days are
read anew where something happened in them lately. Channels in which nothing changed are passed over (quiet.py). Replies in
older threads come by the webhook, and when everything is read anew.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import chain

from datasources.connectors.base import Change, Complete, ConnectorError, Delete, Skipped, Upsert
from datasources.connectors.slack.ahead import Ahead
from datasources.connectors.slack.choice import Choice
from datasources.connectors.slack.client import PAGE, Said
from datasources.connectors.slack.documents import Channel
from datasources.connectors.slack.history import Day, Span
from datasources.connectors.slack.listing import Listing
from datasources.connectors.slack.look import look_at
from datasources.connectors.slack.messages import Message, midnight, stamp, thread_of
from datasources.connectors.slack.position import Position
from datasources.connectors.slack.quiet import Quiet

RECENT = 3 * 86_400.0
"""Seconds: threads in which something happened so lately are read anew for edits of replies."""
CLOCK = 300.0
"""Seconds that Slack's clock may be off ours."""
CHANNELS_A_CHECKPOINT = 50
NODES_A_CHECKPOINT = 200
SECONDS_A_CHECKPOINT = 1.0
"""Not sooner after the one before: a cursor of thousands of channels is not written for what is read anew in no time."""


class Run:
    """``gone``: days without messages, told together, because each kind of change is written in one go."""

    def __init__(self, listing: Listing, at: Position) -> None:
        self.listing = listing
        self.quiet = Quiet(listing.people, at.marks, at.threads, at.turn)
        self.at = replace(at, marks=self.quiet.marks, threads=self.quiet.threads)
        self.choice = Choice(at.now[-1])
        self.before = [Choice(lines) for lines in at.lines if lines != at.now[-1]]
        self.gone: list[Delete] = []
        self.channels = 0
        self.nodes = 0
        self.marked = time.monotonic()

    def changes(self) -> Iterator[Change]:
        channels = self.listing.channels()
        left = [channel for channel in channels if channel.id > self.at.after]
        if len(left) == len(channels) and all(map(self._anew, filter(self.listing.takes, channels))):
            # Nothing to go on from: what is read is all that there is.
            self.at = replace(self.at, since=0.0)
        try:
            with Ahead(self.listing.history, self._asked_ahead(left)) as self.ahead:
                for channel in left:
                    yield from self._channel(channel)
        except ConnectorError:
            yield from self._mark()  # as far as it came: Slack asks to slow down many times in a long listing
            raise
        yield from self.gone
        yield self.at.last(self.quiet, {channel.id for channel in channels})
        if not self.at.since:
            yield Complete(None)

    def _anew(self, channel: Channel) -> bool:
        """Whether there is no run before that read this channel as it is chosen now."""
        if not self.at.since or channel.id in self.at.unread:
            return True
        chosen = self.choice.of(channel.id) if self.before else None
        return any(choice.of(channel.id) != chosen for choice in self.before)

    def _asked_ahead(self, channels: Iterable[Channel]) -> Iterator[tuple[str, Span]]:
        """Those of which only the last days are read."""
        for channel in channels:
            begun = not channel.member or channel.id == self.at.channel
            if not begun and self.listing.takes(channel) and not self._anew(channel):
                yield channel.id, self._last_days(channel)

    def _last_days(self, channel: Channel) -> Span:
        begins = (self.listing.oldest(channel), f"{self._window(self.at.since):.6f}")
        return Span(max(begins, key=lambda ts: float(ts or 0)))

    def _channel(self, channel: Channel) -> Iterator[Change]:
        anew = self._anew(channel)
        if self.listing.takes(channel):
            yield from self._counted(self._whole(channel, anew))
        elif named := self._named(channel):
            yield from self._counted(self._parts(channel, named, anew))
        elif anew and self.at.since:
            # A run that was under way when it was let go may have told of it since.
            self.gone.append(Delete(channel.external_id))
        else:
            return
        self.at = replace(self.at, after=channel.id, channel="", latest="", whole=False)
        self.channels += 1
        if self._due(self.channels >= CHANNELS_A_CHECKPOINT or self.nodes >= NODES_A_CHECKPOINT):
            yield from self._mark()

    def _counted(self, changes: Iterator[Change]) -> Iterator[Change]:
        for change in changes:
            self.nodes += 1
            yield change

    def _due(self, enough: bool) -> bool:
        return enough and time.monotonic() - self.marked >= SECONDS_A_CHECKPOINT

    def _mark(self) -> Iterator[Change]:
        yield from self.gone
        self.gone = []
        self.channels = self.nodes = 0
        self.marked = time.monotonic()
        yield self.at.checkpoint()

    def _named(self, channel: Channel) -> list[str]:
        kinds = ("day", "thread", "file")
        return [key for kind in kinds for key in self.listing.lines.named(f"{kind}:{channel.id}:", include=True)]

    def _parts(self, channel: Channel, named: list[str], anew: bool) -> Iterator[Change]:
        """A channel of which only single documents come in."""
        try:
            yield from look_at(self.listing, channel, named)
        except Said as said:
            yield Skipped(channel.node(self.listing.history.scribe.site), str(said))
            return
        if anew and self.at.since:
            yield Complete(channel.external_id)

    def _whole(self, channel: Channel, anew: bool) -> Iterator[Change]:
        """A channel that comes in: itself, and its history as far as it has to be read."""
        listing, site = self.listing, self.listing.history.scribe.site
        begun = self.at.channel == channel.id
        whole = anew or (begun and self.at.whole)
        latest = self.at.latest if begun and self.at.whole == whole else ""
        if not channel.member:
            if reason := listing.enter(channel):
                yield Skipped(channel.node(site), reason)
                return
            whole = True
            self.at = replace(self.at, channel=channel.id, latest="", whole=True)
            yield from self._mark()
        told = listing.told(channel)
        self.quiet.begin(told.node)
        try:
            yield from self._history(channel, told, whole, latest)
        except Said as said:
            yield Skipped(channel.node(site), str(said))
            if whole:
                self.at = replace(self.at, failed=[*self.at.failed, channel.id])
            return
        if anew and self.at.since:
            yield Complete(channel.external_id)

    def _history(self, channel: Channel, told: Upsert, whole: bool, latest: str) -> Iterator[Change]:
        first, history = self.listing.oldest(channel), self.listing.history
        if whole:
            yield told
            yield from self.listing.canvas(channel)
            span = Span(first, latest)
            yield from self._days(channel, span, history.pages(channel.id, span), whole=True)
            return
        oldest = self._last_days(channel).oldest
        span = Span(oldest, latest)
        pages = history.pages(channel.id, span, None if latest else self.ahead.first(channel.id, span))
        head = list(_at_most(pages, PAGE))
        messages = [message for page in head for message in page]
        if len(messages) <= PAGE and not latest and self.quiet.is_quiet(channel, messages):
            yield from self._nothing_new(channel, told, messages)
            return
        yield told
        came_in = yield from self._days(channel, span, chain(head, pages), whole=False)
        if came_in and oldest != first:
            span = Span(first, f"{int(float(oldest)) - 1}.999999")
            yield from self._days(channel, span, history.pages(channel.id, span), whole=True)

    def _nothing_new(self, channel: Channel, told: Upsert, messages: list[Message]) -> Iterator[Change]:
        """Only what the history does not tell of: edits of replies."""
        self._remember(channel, messages)
        starters = (message for message in messages if thread_of(message) == stamp(message))
        threads = [stamp(first) for first in starters if _active(first) >= self.at.since - RECENT]
        if self.quiet.turn(channel, len(threads)):
            yield told
            for thread in threads:
                yield from self.listing.one_thread(channel, thread, known=True)

    def _remember(self, channel: Channel, messages: list[Message]) -> None:
        """What the next run will find of these where nothing changes."""
        oldest = self._window(self.at.began)
        lately = [message for message in messages if float(stamp(message) or 0) >= oldest]
        active = [m for m in lately if thread_of(m) == stamp(m) and _active(m) >= self.at.began - RECENT]
        self.quiet.remember(channel, lately, active)

    def _days(
        self, channel: Channel, span: Span, pages: Iterable[list[Message]], *, whole: bool
    ) -> Generator[Change, None, bool]:
        """Gives whether the app itself was let in meanwhile: then nothing older is known yet."""
        expected = _date(span.latest or self.at.began)
        # Broken off, it is told again, whatever is said and taken back until then.
        self.quiet.forget(channel)
        came_in, lately = whole, list[Message]()
        oldest = self._window(self.at.began)
        for day in self.listing.history.days_of(pages):
            if len(lately) <= PAGE and midnight(day.date) >= oldest:
                lately += day.messages
            came_in = came_in or self._came_in(day)
            yield from self._day(channel, day, whole=whole)
            if not whole:
                self._emptied(channel, expected, date.fromisoformat(day.date) + timedelta(days=bool(day.alone)))
                expected = min(expected, date.fromisoformat(day.date) - timedelta(days=1))
            yield from self._within(channel, day.date, came_in)
        if not whole:
            self._emptied(channel, expected, _date(span.oldest))
        if not span.latest:
            self._remember(channel, lately)
        return came_in

    def _within(self, channel: Channel, date: str, whole: bool) -> Iterator[Change]:
        """A checkpoint in the middle of a long channel: what is older than ``date`` is left."""
        if self._due(self.nodes >= NODES_A_CHECKPOINT):
            left = f"{int(midnight(date)) - 1}.999999"
            self.at = replace(self.at, channel=channel.id, latest=left, whole=whole)
            yield from self._mark()

    def _day(self, channel: Channel, day: Day, *, whole: bool) -> Iterator[Change]:
        listing, since = self.listing, self.at.since
        yield from listing.one_day(channel, day)
        for message in day.starters:
            if whole or (_active(message) >= since - RECENT and self._reads(channel, message)):
                yield from listing.one_thread(channel, stamp(message), known=bool(since))
        if not since:
            return
        for message in day.alone:
            if message.get("thread_ts") == stamp(message):
                yield Delete(f"thread:{channel.id}:{stamp(message)}")
        if whole:
            return  # all that is shown begins in what is read
        first = listing.oldest(channel)
        for thread in day.shown:
            if float(thread) < self._window(since) and float(thread) >= float(first or 0):
                yield from listing.one_thread(channel, thread, known=True)

    def _reads(self, channel: Channel, first: Message) -> bool:
        """A thread that the history tells nothing new of is read for edits of replies alone, in its turn."""
        return not self.quiet.knows(channel, first) or self.quiet.turn(channel, 1)

    def _window(self, since: float) -> float:
        return _days_before(since, self.listing.look_back)

    def _emptied(self, channel: Channel, last: date, first: date) -> None:
        """Days whose messages are all gone leave no trace in Slack's history."""
        for number in range((last - first).days + 1):
            day = last - timedelta(days=number)
            self.gone.append(Delete(f"day:{channel.id}:{day.isoformat()}"))

    def _came_in(self, day: Day) -> bool:
        """An invitation says who invited; where the app comes in by itself, that run reads everything."""
        return any(
            message.get("subtype") in ("channel_join", "group_join")
            and message.get("user") == self.listing.me
            and message.get("inviter")
            and float(stamp(message)) >= self.at.since - CLOCK
            for message in day.messages
        )


@lru_cache(maxsize=8)
def _days_before(moment: float, days: int) -> float:
    """The first second (UTC) of the day that was so many days before; asked for with each channel."""
    return midnight((datetime.fromtimestamp(moment, UTC) - timedelta(days=days)).date().isoformat())


def _at_most(pages: Iterable[list[Message]], number: int) -> Iterator[list[Message]]:
    """Pages until there are more than so many messages."""
    met = 0
    for page in pages:
        met += len(page)
        yield page
        if met > number:
            return


def _active(message: Message) -> float:
    """When something last happened in a thread that Slack tells of with its first message."""
    edited = (message.get("edited") or {}).get("ts")
    return max(float(ts or 0) for ts in (stamp(message), message.get("latest_reply"), edited))


def _date(ts: str | float) -> date:
    return datetime.fromtimestamp(float(ts), UTC).date()
