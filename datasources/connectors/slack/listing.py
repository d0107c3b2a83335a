"""What of a channel is told, and how the app comes into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from datasources.connectors.base import Change, Delete, Skipped, Upsert
from datasources.connectors.lines import Lines, moment
from datasources.connectors.slack.canvases import CANVAS
from datasources.connectors.slack.client import NO_FILES, MissingScope, Said
from datasources.connectors.slack.documents import Channel, first_second
from datasources.connectors.slack.history import Day, History
from datasources.connectors.slack.messages import Message, midnight
from datasources.connectors.slack.messages import moment as moment_of
from datasources.connectors.slack.names import Workspace, channels

LOOK_BACK = 14
UNINVITED = "The app is not in this channel: invite it there with /invite"


class Listing:
    """``me``: the app's own user. ``mirror``: tell who may read."""

    def __init__(
        self,
        history: History,
        people: Workspace,
        lines: Lines,
        config: Mapping[str, Any],
        *,
        me: str = "",
        mirror: bool = False,
    ) -> None:
        self.history = history
        self.people = people
        self.lines = lines
        self.me = me
        self.mirror = mirror
        self.join = bool(config.get("join", True))
        try:
            self.look_back = min(max(int(config.get("look_back") or LOOK_BACK), 1), 90)
        except (TypeError, ValueError):
            self.look_back = LOOK_BACK

    def channels(self) -> list[Channel]:
        """All, by id, so that a listing that was broken off finds its place again."""
        found = list(channels(self.history.api))
        self.people.know(found)
        return sorted((Channel.of(item) for item in found), key=lambda channel: channel.id)

    def told(self, channel: Channel) -> Upsert:
        readers = self._readers(channel) if self.mirror else None
        return Upsert(channel.node(self.history.scribe.site, readers))

    def _readers(self, channel: Channel) -> tuple[str, ...]:
        """Nobody where Slack does not say."""
        if not channel.private:
            return ("everyone",)
        try:
            pages = self.history.api.pages("conversations.members", "members", channel=channel.id)
            mails = {self.people.mail(str(user)) for page in pages for user in page}
        except Said:
            return ()
        return tuple(f"mail:{mail}" for mail in sorted(mails - {""}))

    def enter(self, channel: Channel) -> str:
        """Come into a public channel; why not, or empty."""
        if channel.private or channel.archived or not self.join:
            return "It is archived, and the app was never in it" if channel.archived else UNINVITED
        try:
            self.history.api.call("conversations.join", channel=channel.id)
        except MissingScope:
            return f"{UNINVITED}, or give the app the scope channels:join"
        except Said as said:
            return str(said)
        return ""

    def takes(self, channel: Channel) -> bool:
        return self.lines.takes(channel.external_id, created=channel.created)

    def takes_in(self, channel: Channel, external_id: str, created: datetime | None = None) -> bool:
        return self.lines.takes(external_id, channel.external_id, created=created)

    def oldest(self, channel: Channel) -> str:
        """The ``ts`` that the choice begins with; empty for all."""
        since = moment(self.lines.options(channel.external_id).get("since"))
        return first_second(since.date().isoformat()) if since else ""

    def one_day(self, channel: Channel, day: Day) -> Iterator[Change]:
        """The document of a day's messages, and their files."""
        external_id = f"day:{channel.id}:{day.date}"
        begun = datetime.fromtimestamp(midnight(day.date), UTC)
        if day.alone and self.takes_in(channel, external_id, begun):
            yield self.history.day(channel, day).told()
            yield from self.files(channel, day.alone)

    def one_thread(self, channel: Channel, thread: str, *, known: bool) -> Iterator[Change]:
        """``known``: it may have come in before, so that it is told where it is gone."""
        external_id = f"thread:{channel.id}:{thread}"
        if not self.takes_in(channel, external_id, moment_of(thread)):
            return
        messages = self.history.replies(channel.id, thread)
        if len(messages) > 1:
            yield self.history.thread(channel, messages).told()
            yield from self.files(channel, messages)
        elif known:
            yield Delete(external_id)

    def canvas(self, channel: Channel) -> Iterator[Change]:
        """What is written in the channel's own tab: no message tells of it."""
        if not channel.canvas:
            return
        bare = {"id": channel.canvas, "mimetype": CANVAS}
        try:
            file = self.history.api.call("files.info", file=channel.canvas).get("file") or {}
            change = self.history.scribe.file(channel, {**bare, **file})
        except MissingScope:
            change = Skipped(self.history.scribe.node_of(channel, bare), NO_FILES)
        except Said:
            change = Delete(f"file:{channel.id}:{channel.canvas}")
        node = change.node if isinstance(change, Upsert | Skipped) else None
        if node is None or self.takes_in(channel, node.external_id, node.created):
            yield change

    def files(self, channel: Channel, messages: Sequence[Message]) -> Iterator[Change]:
        for change in self.history.scribe.files(channel, messages):
            node = change.node if isinstance(change, Upsert | Skipped) else None
            if node is None or self.takes_in(channel, node.external_id, node.created):
                yield change
