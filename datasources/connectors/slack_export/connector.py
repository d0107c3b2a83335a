"""A workspace export that a person uploaded. Nodes and texts are those of the Slack connector, under the same ids.

The newest uploaded zip counts, whole: what it no longer has is gone. Days are those of its files, which are in the workspace's
own time. Without a zip there is nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.around import Around, StoredFile
from datasources.connectors.base import (
    Change,
    Checkpoint,
    Chosen,
    Complete,
    ConnectorError,
    Content,
    Cursor,
    Estimate,
    NodeError,
    RemoteNode,
    Skipped,
    TestResult,
    Upsert,
)
from datasources.connectors.lines import Lines, moment
from datasources.connectors.shelf import Shelf
from datasources.connectors.slack.choice import digest_of
from datasources.connectors.slack.documents import Channel, Scribe
from datasources.connectors.slack.history import GONE
from datasources.connectors.slack.messages import Taste
from datasources.connectors.slack_export.about import ABOUT
from datasources.connectors.slack_export.archive import ExportArchive
from datasources.connectors.slack_export.reading import Reading, taken
from datasources.ingestion.kinds import refuse_by_name

_NONE_YET = "No export yet: upload the zip that Slack gave"
_NO_ZIP = "There is no zip among the files: upload the zip as Slack gave it, not unpacked"
_DIRECT = RemoteNode("direct", "collection", "Direct messages", has_text=False)


class SlackExport:
    """Config: ``bots``, ``notices``, ``workspace_url`` (all may be left out). No secret."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        if around.uploads is None:
            raise ConnectorError("Uploaded files have no place to be kept in", permanent=True)
        self.config = config
        self.around = around
        self.uploads = around.uploads
        self.shelf = Shelf()
        self._lock = threading.Lock()
        self._opened: tuple[str, ExportArchive] | None = None

    def test(self) -> TestResult:
        reading = self._reading()
        if reading is None:
            return TestResult(True, _NONE_YET)
        archive = reading.archive
        days = sum(len(archive.days(channel)) for channel in archive.channels.values())
        return TestResult(
            True, f"The export can be read: {len(archive.channels):,} channels, {days:,} days of messages"
        )

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        reading = self._reading()
        if reading is None:
            return
        if parent is None:
            yield from (channel.node(reading.scribe.site) for channel in reading.named())
        elif (channel := reading.archive.channels.get(parent.removeprefix("channel:"))) is not None:
            yield from (change.node for change in reading.channel(channel) if isinstance(change, Upsert))

    def find(self, text: str) -> Iterator[RemoteNode]:
        """Channels whose name contains ``text``, whatever its case."""
        part = text.strip().lstrip("#").casefold()
        yield from (node for node in self.children(None) if part in node.title.casefold())

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        """A day's file is about a document."""
        reading = self._reading()
        if reading is None:
            return Estimate(0)
        lines = Lines(chosen)
        found = [c for c in reading.archive.channels.values() if lines.takes(c.external_id, created=c.created)]
        days = sum(len(reading.archive.days(channel)) for channel in found)
        return Estimate(days, sum(reading.archive.size(channel) for channel in found), exact=False)

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        reading, lines = self._reading(), Lines(chosen)
        if reading is not None:
            at = {"version": reading.version, "digest": digest_of(chosen, self.config)}
            same = all(cursor.get(key) == value for key, value in at.items())
            after = str(cursor.get("after") or "") if same else ""
            for channel in reading.archive.channels.values():
                if channel.id > after:
                    yield from self._channel(reading, channel, lines)
                    yield Checkpoint({**at, "after": channel.id})
            yield from _left_out(reading.archive, lines)
        yield Checkpoint({})
        yield Complete(None)

    def fetch(self, node: RemoteNode) -> Content:
        kind, _, rest = node.external_id.partition(":")
        channel_id, _, name = rest.partition(":")
        if (kept := self.shelf.take(node)) is not None:
            return Content(markdown=kept, filename=f"{node.title}.md")
        reading = self._reading()
        channel = reading.archive.channels.get(channel_id) if reading is not None else None
        if reading is None or channel is None:
            raise NodeError("It is not in the newest export", skip=True)
        if kind == "file":
            if refused := refuse_by_name(str(node.extra.get("name") or node.title), node.size, self.around.limits):
                raise NodeError(refused.reason, skip=True)
            data = reading.archive.file(name)
            return Content(data=data, filename=str(node.extra.get("name") or node.title))
        written = reading.day(channel, name) if kind == "day" else reading.thread(channel, name, node.extra)
        if written is None or not written.text:
            raise NodeError(GONE, skip=True)
        return Content(markdown=written.text, filename=f"{node.title}.md")

    def _channel(self, reading: Reading, channel: Channel, lines: Lines) -> Iterator[Change]:
        below = [
            key for kind in ("day", "thread", "file") for key in lines.named(f"{kind}:{channel.id}:", include=True)
        ]
        if not lines.takes(channel.external_id, created=channel.created) and not below:
            return
        yield Upsert(channel.node(reading.scribe.site))
        since = moment(lines.options(channel.external_id).get("since"))
        for change in reading.channel(channel, self.shelf, since.date().isoformat() if since else ""):
            if taken(change, channel, lines):
                yield change

    def _newest(self) -> StoredFile | None:
        try:
            files = list(self.uploads.list())
        except OSError as error:
            raise ConnectorError(f"The storage of uploaded files does not answer: {error}") from error
        found = [file for file in files if file.path.lower().endswith(".zip")]
        if files and not found:
            raise ConnectorError(_NO_ZIP, permanent=True)
        begun = datetime.min.replace(tzinfo=UTC)
        return max(found, key=lambda file: (file.modified or begun, file.path), default=None)

    def _reading(self) -> Reading | None:
        file = self._newest()
        if file is None:
            return None
        version = f"{file.path}@{file.version}"
        with self._lock:
            if self._opened is None or self._opened[0] != version:
                try:
                    self._opened = (version, ExportArchive(self.uploads.open(file.path), self.around.limits))
                except OSError as error:
                    raise ConnectorError(f"The storage of uploaded files does not answer: {error}") from error
            archive = self._opened[1]
        site = str(self.config.get("workspace_url") or "").rstrip("/")
        return Reading(archive, Scribe(archive, Taste.of(self.config), site), file.version)


def _left_out(archive: ExportArchive, lines: Lines) -> Iterator[Change]:
    """What the export has besides channels."""
    if archive.direct and lines.takes(_DIRECT.external_id):
        yield Skipped(replace(_DIRECT, size=len(archive.direct)), "Talks between few people are never brought in")
    for folder in archive.strays():
        node = RemoteNode(f"folder:{folder}", "channel", folder, has_text=False)
        if lines.takes(node.external_id):
            yield Skipped(node, "The export has messages of it, but does not list it among its channels")


CONNECTOR = SlackExport
