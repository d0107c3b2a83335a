"""A Slack workspace. What it holds as nodes: see documents.py; how a run reads it: run.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Chosen,
    Content,
    Cursor,
    Delivery,
    Estimate,
    Heard,
    NodeError,
    RemoteNode,
    TestResult,
    Upsert,
)
from datasources.connectors.lines import Lines
from datasources.connectors.shelf import Shelf
from datasources.connectors.slack.about import ABOUT, NEEDED
from datasources.connectors.slack.canvases import text_of
from datasources.connectors.slack.choice import digest_of, kept
from datasources.connectors.slack.client import Api, Said
from datasources.connectors.slack.documents import Channel, Scribe
from datasources.connectors.slack.estimate import estimate
from datasources.connectors.slack.events import heard
from datasources.connectors.slack.history import GONE, Day, History, Span
from datasources.connectors.slack.listing import UNINVITED, Listing
from datasources.connectors.slack.look import look
from datasources.connectors.slack.messages import Taste, wanted
from datasources.connectors.slack.names import Workspace, channels
from datasources.connectors.slack.position import Position
from datasources.connectors.slack.run import Run
from datasources.ingestion.kinds import refuse_by_name


class Slack:
    """Config: ``base_url``, ``bots``, ``notices``, ``join``, ``look_back`` (all may be left out). Secret: ``token``, or OAuth."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.config = config
        self.around = around
        self.api = Api(config, secret, around, ABOUT.base_url)
        self.people = Workspace(self.api)
        self.shelf = Shelf()
        self._lock = threading.Lock()
        self._me: Mapping[str, Any] | None = None

    def test(self) -> TestResult:
        me = self._who()
        if str(me.get("user_id") or "") and not me.get("bot_id"):
            return TestResult(False, "This is a person's token: take the bot token, which begins with xoxb-")
        given = self.api.scopes()
        if given and (missing := [scope for scope in NEEDED if scope not in given]):
            return TestResult(
                False, f"The app lacks {', '.join(missing)}: add it under OAuth & Permissions and reinstall the app"
            )
        found = [Channel.of(item) for item in channels(self.api)]
        inside = sum(1 for channel in found if channel.member)
        more = [scope for scope in ABOUT.auths[0].scopes if given and scope not in given]
        lacking = f". Without {', '.join(more)} some things stay out" if more else ""
        return TestResult(
            True, f"{me.get('team')} can be read: {len(found):,} channels are seen, the app is in {inside:,}{lacking}"
        )

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        if parent is None:
            site = self._site()
            yield from (Channel.of(item).node(site) for item in channels(self.api))
            return
        kind, _, channel_id = parent.partition(":")
        if kind == "channel":
            yield from self._below(channel_id)

    def find(self, text: str) -> Iterator[RemoteNode]:
        """Channels whose name contains ``text``, whatever its case."""
        part = text.strip().lstrip("#").casefold()
        for node in self.children(None):
            if part in node.title.casefold():
                yield node

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        return estimate(self._listing(chosen))

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        listing = self._listing(chosen)
        lines = kept(listing.lines, self.config)
        position = Position.read(cursor, lines, digest_of(chosen, self.config), time.time())
        yield from Run(listing, position).changes()

    def look(self, external_ids: Sequence[str], chosen: Sequence[Chosen]) -> Iterator[Change]:
        yield from look(self._listing(chosen), external_ids)

    def fetch(self, node: RemoteNode) -> Content:
        if node.external_id.startswith("file:"):
            return self._file(node)
        return Content(markdown=self._history().text(node), filename=f"{node.title}.md")

    def webhook(self, delivery: Delivery) -> Heard:
        return heard(delivery, mirror=self.around.mirror)

    def _file(self, node: RemoteNode) -> Content:
        if node.extra.get("canvas"):
            canvas = node.external_id.rpartition(":")[2]
            text = text_of(self.api, self.people, canvas, self.around.limits.file_bytes)
            return Content(markdown=text, filename=f"{node.title}.md")
        name, url = str(node.extra.get("name") or node.title), str(node.extra.get("url") or "")
        if refused := refuse_by_name(name, node.size, self.around.limits):
            raise NodeError(refused.reason, skip=True)
        if not url:
            raise NodeError(GONE, skip=True)
        data = self.api.download(url, self.around.limits.file_bytes)
        return Content(data=data, filename=name, mime=str(node.extra.get("mime") or ""))

    def _below(self, channel_id: str) -> Iterator[RemoteNode]:
        """Days, threads and files as the history tells them; what hangs on replies is seen by a run alone."""
        history = self._history()
        try:
            channel = Channel.of(self.api.call("conversations.info", channel=channel_id).get("channel") or {})
            if not channel.member:
                raise NodeError(UNINVITED, skip=True)
            yield from (change.node for change in self._listing(()).canvas(channel) if isinstance(change, Upsert))
            for day in history.days(channel.id, Span()):
                yield from self._nodes_of(history.scribe, channel, day)
        except Said as said:
            raise NodeError(str(said), skip=True) from said

    def _nodes_of(self, scribe: Scribe, channel: Channel, day: Day) -> Iterator[RemoteNode]:
        taste = scribe.taste
        written = scribe.day(channel, day.date, day.alone) if day.alone else None
        if written and written.text:
            yield written.node
        for first in day.starters:
            repliers = [str(user) for user in first.get("reply_users") or []]
            if wanted([first], self.people, taste) or not all(self.people.person(user).bot for user in repliers):
                yield replace(scribe.thread(channel, [first]).node, version="")
        for change in scribe.files(channel, [*day.alone, *day.starters]):
            if isinstance(change, Upsert):
                yield change.node

    def _who(self) -> Mapping[str, Any]:
        """auth.test, once: https://docs.slack.dev/reference/methods/auth.test"""
        with self._lock:
            if self._me is None:
                self._me = self.api.call("auth.test")
            return self._me

    def _site(self) -> str:
        return str(self._who().get("url") or "").rstrip("/")

    def _history(self) -> History:
        return History(self.api, Scribe(self.people, Taste.of(self.config), self._site()), self.shelf)

    def _listing(self, chosen: Sequence[Chosen]) -> Listing:
        me = str(self._who().get("user_id") or "")
        return Listing(self._history(), self.people, Lines(chosen), self.config, me=me, mirror=self.around.mirror)


CONNECTOR = Slack
