"""One channel of an export: days, threads put together over the days that they span, and what is said of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from datasources.connectors.base import Change, Delete, NodeError, RemoteNode, Skipped, Upsert
from datasources.connectors.lines import Lines
from datasources.connectors.shelf import Shelf
from datasources.connectors.slack.documents import Channel, Scribe, Written
from datasources.connectors.slack.messages import Message, files_of, is_notice, stamp
from datasources.connectors.slack_export.archive import ExportArchive

NOT_INSIDE = "The export holds only a link to this file: connect Slack itself, or upload the file"
_KEPT = 8


@dataclass(slots=True)
class Reading:
    """``version``: of the uploaded zip. Threads are held from their first day to their last, and no longer."""

    archive: ExportArchive
    scribe: Scribe
    version: str
    _spans: dict[str, Mapping[str, tuple[str, str]]] = field(default_factory=dict)

    def named(self) -> list[Channel]:
        return sorted(self.archive.channels.values(), key=lambda channel: channel.name)

    def channel(self, channel: Channel, shelf: Shelf | None = None, since: str = "") -> Iterator[Change]:
        """Its days, threads and files, in the order of time. ``shelf``: where their texts are kept for the fetch.

        ``since``: an ISO date; what was said before stays out.
        """
        spans = self._threads(channel)
        held: dict[str, list[Message]] = {}
        told: set[str] = set()
        for day in self.archive.days(channel):
            if day < since:
                continue
            try:
                messages = self.archive.messages(channel, day)
            except NodeError as error:
                yield self._unreadable(channel, day, error)
                continue
            if alone := self._alone(messages, spans):
                yield _kept(self.scribe.day(channel, day, alone), shelf)
            for message in messages:
                if (thread := _thread(message)) in spans and spans[thread][0] >= since:
                    held.setdefault(thread, []).append(message)
            for thread in [thread for thread in held if spans[thread][1] <= day]:
                yield _kept(self._thread_of(channel, held.pop(thread), spans[thread]), shelf)
            yield from self._files(channel, messages, told)

    def day(self, channel: Channel, day: str) -> Written | None:
        spans = self._threads(channel)
        alone = self._alone(self.archive.messages(channel, day), spans)
        return self.scribe.day(channel, day, alone) if alone else None

    def thread(self, channel: Channel, thread: str, extra: Mapping[str, Any]) -> Written | None:
        """``extra``: of its node, where the days that it spans stand."""
        span = (str(extra.get("first") or ""), str(extra.get("last") or "9"))
        days = [day for day in self.archive.days(channel) if span[0] <= day <= span[1]]
        found = [m for day in days for m in self.archive.messages(channel, day) if _thread(m) == thread]
        return self._thread_of(channel, found, span) if found else None

    def _alone(self, messages: Sequence[Message], spans: Mapping[str, object]) -> list[Message]:
        notices = self.scribe.taste.notices
        return [m for m in messages if _thread(m) not in spans and (notices or not is_notice(m))]

    def _threads(self, channel: Channel) -> Mapping[str, tuple[str, str]]:
        """Threads with replies, and the first and last day of each. What can't be read is told when it is its turn."""
        if channel.id in self._spans:
            return self._spans[channel.id]
        begun: dict[str, str] = {}
        spans: dict[str, tuple[str, str]] = {}
        for day in self.archive.days(channel):
            try:
                messages = self.archive.messages(channel, day)
            except NodeError:
                continue
            for message in messages:
                thread = str(message.get("thread_ts") or "")
                if thread == stamp(message):
                    begun[thread] = day
                    spans |= {thread: (min(day, spans[thread][0]), spans[thread][1])} if thread in spans else {}
                elif thread:
                    first = spans[thread][0] if thread in spans else begun.get(thread, day)
                    spans[thread] = (min(first, day), day)
        while len(self._spans) >= _KEPT:
            self._spans.pop(next(iter(self._spans)))
        self._spans[channel.id] = spans
        return spans

    def _thread_of(self, channel: Channel, messages: Sequence[Message], span: tuple[str, str]) -> Written:
        written = self.scribe.thread(channel, messages)
        extra = {**written.node.extra, "first": span[0], "last": span[1]}
        return replace(written, node=replace(written.node, extra=extra))

    def _files(self, channel: Channel, messages: Sequence[Message], told: set[str]) -> Iterator[Change]:
        fresh = [message for message in messages if any(str(file["id"]) not in told for file in files_of(message))]
        for change in self.scribe.files(channel, fresh):
            if isinstance(change, Delete):
                continue
            node = change.node if isinstance(change, Upsert | Skipped) else None
            if node is None or (file := node.external_id.rpartition(":")[2]) in told:
                continue
            told.add(file)
            yield Upsert(node) if self.archive.has_file(file) else Skipped(node, NOT_INSIDE)

    def _unreadable(self, channel: Channel, day: str, error: NodeError) -> Skipped:
        node = RemoteNode(f"day:{channel.id}:{day}", "conversation", f"#{channel.name}, {day}", channel.external_id)
        return Skipped(node, str(error))


def taken(change: Change, channel: Channel, lines: Lines) -> bool:
    """Whether it comes in as it was chosen."""
    if not isinstance(change, Upsert | Skipped):
        return True
    return lines.takes(change.node.external_id, channel.external_id, created=change.node.created)


def _thread(message: Message) -> str:
    return str(message.get("thread_ts") or "")


def _kept(written: Written, shelf: Shelf | None) -> Change:
    if shelf is not None:
        shelf.put(written.node, written.text)
    return written.told()
