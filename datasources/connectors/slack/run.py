"""One run over what is chosen: everything, or what changed since a run before.

Slack has no list of changes, and does not say in which channels something was said. A run from a cursor reads the last days
of every chosen channel anew (``look_back``): so it sees what was written, edited and deleted there. Threads of those days are
read anew where something happened in them lately. Channels in which nothing changed are passed over (quiet.py). Replies in
older threads come by the webhook, and when everything is read anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any

from datasources.connectors.base import Change, Checkpoint, Chosen, Complete, Cursor, Delete, Skipped
from datasources.connectors.slack.client import PAGE, Said
from datasources.connectors.slack.documents import Channel, first_second
from datasources.connectors.slack.history import Day, Span
from datasources.connectors.slack.listing import Listing
from datasources.connectors.slack.look import look_at
from datasources.connectors.slack.messages import Message, midnight, stamp, thread_of
from datasources.connectors.slack.quiet import Quiet

RECENT = 3 * 86_400.0
"""Seconds: threads in which something happened so lately are read anew for edits of replies."""
CLOCK = 300.0
"""Seconds that Slack's clock may be off ours."""
CHANNELS_A_CHECKPOINT = 50
NODES_A_CHECKPOINT = 200


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run is. ``since``: Unix seconds at which the last whole run began, 0 for a run over everything.

    ``after``: the last channel that is done; ``channel``, ``latest``: one that is begun, and up to where it is left to read.
    ``whole``: of that one everything is read. ``marks``, ``threads``, ``turn``: see quiet.py.
    """

    digest: str
    since: float
    began: float
    after: str = ""
    channel: str = ""
    latest: str = ""
    whole: bool = False
    marks: Mapping[str, str] = field(default_factory=dict)
    threads: Mapping[str, str] = field(default_factory=dict)
    turn: str = ""

    @classmethod
    def read(cls, cursor: Cursor, digest: str, now: float) -> Position:
        """A cursor of another choice is worth nothing: everything is read."""
        if cursor.get("digest") != digest:
            return cls(digest, 0.0, now)
        if "began" not in cursor:
            marks, threads = cursor.get("marks") or {}, cursor.get("threads") or {}
            turn = str(cursor.get("turn") or "")
            return cls(digest, float(cursor.get("since") or 0), now, marks=marks, threads=threads, turn=turn)
        return cls(**{key: cursor[key] for key in cls.__slots__ if key in cursor})

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(asdict(self))

    def last(self, quiet: Quiet, channels: set[str]) -> Checkpoint:
        marks, threads = (
            {channel: mark for channel, mark in kept.items() if channel in channels}
            for kept in (quiet.marks, quiet.threads)
        )
        last = {"digest": self.digest, "since": self.began, "marks": marks, "threads": threads, "turn": quiet.stopped}
        return Checkpoint(last)


def digest_of(chosen: Sequence[Chosen], config: Mapping[str, Any]) -> str:
    """Changes with all that decides what comes in."""
    lines = sorted(
        ([line.external_id or "", line.include, line.future, dict(line.options)] for line in chosen),
        key=lambda line: str(line[0]),
    )
    settings = [bool(config.get("bots")), bool(config.get("notices"))]
    return hashlib.sha256(json.dumps([lines, settings], sort_keys=True, default=str).encode()).hexdigest()[:16]


class Run:
    """``gone``: days without messages, told together, because each kind of change is written in one go."""

    def __init__(self, listing: Listing, at: Position) -> None:
        self.listing = listing
        self.quiet = Quiet(listing.people, at.marks, at.threads, at.turn)
        self.at = replace(at, marks=self.quiet.marks, threads=self.quiet.threads)
        self.gone: list[Delete] = []
        self.channels = 0
        self.nodes = 0

    def changes(self) -> Iterator[Change]:
        since = self.at.since
        channels = self.listing.channels()
        for channel in channels:
            if channel.id > self.at.after:
                yield from self._channel(channel)
        yield from self.gone
        yield self.at.last(self.quiet, {channel.id for channel in channels})
        if not since:
            yield Complete(None)

    def _channel(self, channel: Channel) -> Iterator[Change]:
        listing = self.listing
        if listing.takes(channel):
            yield from self._counted(self._whole(channel))
        elif named := self._named(channel):
            yield from self._counted(look_at(listing, channel, named))
        else:
            return
        self.at = replace(self.at, after=channel.id, channel="", latest="", whole=False)
        self.channels += 1
        if self.channels >= CHANNELS_A_CHECKPOINT or self.nodes >= NODES_A_CHECKPOINT:
            yield from self._mark()

    def _counted(self, changes: Iterator[Change]) -> Iterator[Change]:
        for change in changes:
            self.nodes += 1
            yield change

    def _mark(self) -> Iterator[Change]:
        yield from self.gone
        self.gone = []
        self.channels = self.nodes = 0
        yield self.at.checkpoint()

    def _named(self, channel: Channel) -> list[str]:
        kinds = ("day", "thread", "file")
        return [key for kind in kinds for key in self.listing.lines.named(f"{kind}:{channel.id}:", include=True)]

    def _whole(self, channel: Channel) -> Iterator[Change]:
        """A channel that comes in: itself, and its history as far as it has to be read."""
        listing, site = self.listing, self.listing.history.scribe.site
        latest = self.at.latest if self.at.channel == channel.id else ""
        whole = not self.at.since or (self.at.channel == channel.id and self.at.whole)
        if not channel.member:
            if reason := listing.enter(channel):
                yield Skipped(channel.node(site), reason)
                return
            whole = True
            self.at = replace(self.at, channel=channel.id, latest="", whole=True)
            yield from self._mark()
        yield listing.told(channel)
        try:
            yield from self._history(channel, whole, latest)
        except Said as said:
            yield Skipped(channel.node(site), str(said))

    def _history(self, channel: Channel, whole: bool, latest: str) -> Iterator[Change]:
        first, history = self.listing.oldest(channel), self.listing.history
        if whole:
            span = Span(first, latest)
            yield from self._days(channel, span, history.pages(channel.id, span), whole=True)
            return
        oldest = max(first, first_second(self._window(self.at.since)), key=lambda ts: float(ts or 0))
        span = Span(oldest, latest)
        pages = history.pages(channel.id, span)
        head = list(_at_most(pages, PAGE))
        messages = [message for page in head for message in page]
        if len(messages) <= PAGE and not latest and self.quiet.is_quiet(channel, messages):
            yield from self._nothing_new(channel, messages)
            return
        came_in = yield from self._days(channel, span, chain(head, pages), whole=False)
        if came_in and oldest != first:
            span = Span(first, f"{int(float(oldest)) - 1}.999999")
            yield from self._days(channel, span, history.pages(channel.id, span), whole=True)

    def _nothing_new(self, channel: Channel, messages: list[Message]) -> Iterator[Change]:
        """Only what the history does not tell of: edits of replies."""
        self._remember(channel, messages)
        days = self.listing.history.days_of([messages])
        threads = [stamp(m) for day in days for m in day.starters if _active(m) >= self.at.since - RECENT]
        if self.quiet.turn(channel, len(threads)):
            for thread in threads:
                yield from self.listing.one_thread(channel, thread, known=True)

    def _remember(self, channel: Channel, messages: list[Message]) -> None:
        """What the next run will find of these where nothing changes."""
        oldest = midnight(self._window(self.at.began))
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
        oldest = midnight(self._window(self.at.began))
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
        if self.nodes >= NODES_A_CHECKPOINT:
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
        first = listing.oldest(channel)
        for thread in day.shown:
            if float(thread) < midnight(self._window(since)) and float(thread) >= float(first or 0):
                yield from listing.one_thread(channel, thread, known=True)

    def _reads(self, channel: Channel, first: Message) -> bool:
        """A thread that the history tells nothing new of is read for edits of replies alone, in its turn."""
        return not self.quiet.knows(channel, first) or self.quiet.turn(channel, 1)

    def _window(self, since: float) -> str:
        begun = datetime.fromtimestamp(since, UTC) - timedelta(days=self.listing.look_back)
        return begun.date().isoformat()

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
