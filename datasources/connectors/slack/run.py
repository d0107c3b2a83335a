"""One run over what is chosen: everything, or what changed since a run before.

Slack has no list of changes, and does not say in which channels something was said. A run from a cursor reads the last days
of every chosen channel anew (``look_back``): so it sees what was written, edited and deleted there. Threads of those days are
read anew where the history tells of a change (threads.py), and, as it does not tell of edits of replies, where something
happened in them lately. Replies in older threads come by the webhook, and when everything is read anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from datasources.connectors.base import Change, Checkpoint, Chosen, Complete, Cursor, Delete, Skipped
from datasources.connectors.slack.client import Said
from datasources.connectors.slack.documents import Channel, first_second
from datasources.connectors.slack.history import Day, Span
from datasources.connectors.slack.listing import Listing
from datasources.connectors.slack.look import look_at
from datasources.connectors.slack.messages import midnight, stamp
from datasources.connectors.slack.threads import Threads

CLOCK = 300.0
"""Seconds that Slack's clock may be off ours."""
CHANNELS_A_CHECKPOINT = 50
NODES_A_CHECKPOINT = 200


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run is. ``since``: Unix seconds at which the last whole run began, 0 for a run over everything.

    ``after``: the last channel that is done; ``channel``, ``latest``: one that is begun, and up to where it is left to read.
    ``whole``: of that one everything is read. ``threads``, ``quiet``: see threads.py.
    """

    digest: str
    since: float
    began: float
    after: str = ""
    channel: str = ""
    latest: str = ""
    whole: bool = False
    threads: Mapping[str, str] = field(default_factory=dict)
    quiet: str = ""

    @classmethod
    def read(cls, cursor: Cursor, digest: str, now: float) -> Position:
        """A cursor of another choice is worth nothing: everything is read."""
        if cursor.get("digest") != digest:
            return cls(digest, 0.0, now)
        if "began" not in cursor:
            threads, quiet = cursor.get("threads") or {}, str(cursor.get("quiet") or "")
            return cls(digest, float(cursor.get("since") or 0), now, threads=threads, quiet=quiet)
        return cls(**{key: cursor[key] for key in cls.__slots__ if key in cursor})

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(asdict(self))

    def last(self, threads: Threads) -> Checkpoint:
        more = {"threads": dict(threads.marks), "quiet": threads.stopped}
        return Checkpoint({"digest": self.digest, "since": self.began, **more})


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
        self.threads = Threads(at.threads, at.quiet, at.began)
        self.at = replace(at, threads=self.threads.marks)
        self.gone: list[Delete] = []
        self.channels = 0
        self.nodes = 0

    def changes(self) -> Iterator[Change]:
        since = self.at.since
        for channel in self.listing.channels():
            if channel.id > self.at.after:
                yield from self._channel(channel)
        yield from self.gone
        yield self.at.last(self.threads)
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
        self.threads.open(channel.id)
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
        first = self.listing.oldest(channel)
        if whole:
            yield from self._days(channel, Span(first, latest), whole=True)
            return
        oldest = max(first, first_second(self._window()), key=lambda ts: float(ts or 0))
        came_in = yield from self._days(channel, Span(oldest, latest), whole=False)
        if came_in and oldest != first:
            yield from self._days(channel, Span(first, f"{int(float(oldest)) - 1}.999999"), whole=True)

    def _days(self, channel: Channel, span: Span, *, whole: bool) -> Generator[Change, None, bool]:
        """Gives whether the app itself was let in meanwhile: then nothing older is known yet."""
        expected = _date(span.latest or self.at.began)
        came_in = whole
        for day in self.listing.history.days(channel.id, span):
            came_in = came_in or self._came_in(day)
            yield from self._day(channel, day, whole=whole)
            if not whole:
                self._emptied(channel, expected, date.fromisoformat(day.date) + timedelta(days=bool(day.alone)))
                expected = min(expected, date.fromisoformat(day.date) - timedelta(days=1))
            yield from self._within(channel, day.date, came_in)
        if not whole:
            self._emptied(channel, expected, _date(span.oldest))
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
            if self.threads.due(channel.id, message, since - CLOCK) or whole:
                yield from listing.one_thread(channel, stamp(message), known=bool(since))
        if not since:
            return
        for message in day.alone:
            if message.get("thread_ts") == stamp(message):
                yield Delete(f"thread:{channel.id}:{stamp(message)}")
        first = listing.oldest(channel)
        for thread in day.shown:
            if float(thread) < midnight(self._window()) and float(thread) >= float(first or 0):
                yield from listing.one_thread(channel, thread, known=True)

    def _window(self) -> str:
        begun = datetime.fromtimestamp(self.at.since, UTC) - timedelta(days=self.listing.look_back)
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


def _date(ts: str | float) -> date:
    return datetime.fromtimestamp(float(ts), UTC).date()
