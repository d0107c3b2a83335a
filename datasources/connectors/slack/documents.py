"""Nodes of a workspace: channels; in them threads, days of messages that belong to none, and files.

External ids: ``channel:C1``, ``thread:C1:<ts of its first message>``, ``day:C1:2026-05-01`` (UTC), ``file:C1:F1``. A file that
was shared in two channels is a node in each, because other people may read each.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from datasources.connectors.base import Change, Delete, RemoteNode, Skipped, Upsert
from datasources.connectors.slack.canvases import is_canvas
from datasources.connectors.slack.messages import (
    Message,
    Taste,
    author,
    body,
    file_name,
    files_of,
    midnight,
    moment,
    paragraphs,
    stamp,
    wanted,
    wanted_of_thread,
)
from datasources.connectors.slack.names import Names

_TITLE = 80
_NEWEST_FIRST = 99_999_999
"""Minus a day's eight digits: the older, the more."""
_MARKS = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*_`~>\\]")
LEFT_OUT = "Only messages of bots, which this source leaves out: it has a setting for them"


@dataclass(frozen=True, slots=True)
class Channel:
    """``member``: the app is in it. ``canvas``: the file id of the one in its own tab; empty where nothing is written there."""

    id: str
    name: str
    private: bool = False
    archived: bool = False
    member: bool = True
    created: datetime | None = None
    canvas: str = ""

    @property
    def external_id(self) -> str:
        return f"channel:{self.id}"

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(tag for tag, holds in (("private", self.private), ("archived", self.archived)) if holds)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Channel:
        """https://docs.slack.dev/reference/objects/conversation-object"""
        canvas = (found.get("properties") or {}).get("canvas") or {}
        return cls(
            str(found.get("id") or ""),
            str(found.get("name") or found.get("id") or ""),
            bool(found.get("is_private") or found.get("is_group")),
            bool(found.get("is_archived")),
            bool(found.get("is_member", True)),
            moment(found.get("created")),
            "" if canvas.get("is_empty") else str(canvas.get("file_id") or ""),
        )

    def node(self, site: str, readers: tuple[str, ...] | None = None) -> RemoteNode:
        return RemoteNode(
            self.external_id,
            "channel",
            self.name,
            has_text=False,
            has_children=True,
            url=f"{site}/archives/{self.id}" if site else "",
            created=self.created,
            tags=self.tags,
            readers=readers,
        )


@dataclass(frozen=True, slots=True)
class Written:
    """A document with its text; without any it is told as skipped."""

    node: RemoteNode
    text: str

    def told(self) -> Change:
        return Upsert(self.node) if self.text else Skipped(self.node, LEFT_OUT)


class Scribe:
    """Writes documents. ``site``: the workspace's address without a slash at its end; empty where it is not known."""

    def __init__(self, names: Names, taste: Taste, site: str) -> None:
        self.names = names
        self.taste = taste
        self.site = site

    def day(self, channel: Channel, day: str, messages: Sequence[Message]) -> Written:
        """``messages``: all of that day that belong to no thread."""
        kept = wanted(messages, self.names, self.taste)
        title = f"#{channel.name}, {date.fromisoformat(day):%-d %B %Y}"
        node = self._node(channel, f"day:{channel.id}:{day}", "conversation", title, kept or list(messages))
        node = replace(node, ordinal=f"#{channel.name}, {_NEWEST_FIRST - int(day.replace('-', ''))}")
        return self._written(channel, node, paragraphs(kept, self.names, day), len(messages), len(kept))

    def thread(self, channel: Channel, messages: Sequence[Message]) -> Written:
        """``messages``: the first and all replies, at least one message."""
        kept = wanted_of_thread(messages, self.names, self.taste)
        first = min(messages, key=stamp)
        thread = str(first.get("thread_ts") or stamp(first))
        node = self._node(
            channel, f"thread:{channel.id}:{thread}", "thread", self.thread_title(channel, first), messages
        )
        if not kept:
            return self._written(channel, node, "", len(messages), 0)
        return self._written(channel, node, paragraphs(kept, self.names), len(messages), len(kept))

    def thread_title(self, channel: Channel, first: Message) -> str:
        line = next((line for line in body(first, self.names).splitlines() if line.strip()), "")
        words = " ".join(_MARKS.sub(lambda mark: mark[1] or "", line).split())
        if len(words) > _TITLE:
            words = words[:_TITLE].rsplit(" ", 1)[0] + "…"
        return f"#{channel.name}: {words or 'a thread'}"

    def permalink(self, channel: Channel, message: Message) -> str:
        """As chat.getPermalink gives it, without a call for each."""
        thread = str(message.get("thread_ts") or "")
        if not self.site:
            return ""
        link = f"{self.site}/archives/{channel.id}/p{stamp(message).replace('.', '')}"
        return f"{link}?thread_ts={thread}&cid={channel.id}" if thread and thread != stamp(message) else link

    def file(self, channel: Channel, file: Mapping[str, Any]) -> Change:
        """https://docs.slack.dev/reference/objects/file-object"""
        node = self.node_of(channel, file)
        mode = str(file.get("mode") or "")
        if mode == "tombstone":
            return Delete(node.external_id)
        if mode == "hidden_by_limit":
            return Skipped(node, "The workspace's plan at Slack hides it")
        if is_canvas(file) and file.get("file_access") != "access_denied":
            return Upsert(node)
        if mode == "list":
            return Skipped(node, "Slack does not hand out lists as files: export it there as CSV, and upload that")
        if mode in ("external", "quip") or file.get("is_external"):
            where = str(file.get("external_type") or file.get("pretty_type") or "another place")
            return Skipped(node, f"It only links to {where}: connect the place where it lies")
        if file.get("file_access") == "access_denied" or not node.extra["url"]:
            return Skipped(node, "Slack does not let the app read this file")
        return Upsert(node)

    def files(self, channel: Channel, messages: Sequence[Message]) -> Iterator[Change]:
        told: set[str] = set()
        for message in messages:
            for file in files_of(message):
                if str(file["id"]) not in told:
                    told.add(str(file["id"]))
                    yield self.file(channel, file)

    def node_of(self, channel: Channel, file: Mapping[str, Any]) -> RemoteNode:
        name = str(file.get("name") or file.get("title") or file["id"])
        shared = moment(file.get("created") or file.get("timestamp"))
        edited = file.get("updated") or file.get("edit_timestamp") or file.get("timestamp") or ""
        size = file.get("size")
        user = str(file.get("user") or "")
        canvas = is_canvas(file)
        kind = "canvas" if canvas else str(file.get("filetype") or "")
        title = name if "." in name and not canvas else file_name(file)
        return RemoteNode(
            f"file:{channel.id}:{file['id']}",
            "page" if canvas else "file",
            title if file.get("title") or not canvas else f"Canvas of #{channel.name}",
            channel.external_id,
            f"{edited}-{size}-{name}"[:200],
            url=str(file.get("permalink") or ""),
            author=self.names.person(user).name if user else "",
            created=shared,
            modified=moment(edited) or shared,
            tags=(*channel.tags, *((kind,) if kind else ())),
            size=size if isinstance(size, int) else None,
            extra={
                "url": str(file.get("url_private_download") or file.get("url_private") or ""),
                "name": name,
                "mime": str(file.get("mimetype") or ""),
                **({"canvas": True} if canvas else {}),
            },
        )

    def _node(
        self, channel: Channel, external_id: str, kind: str, title: str, messages: Sequence[Message]
    ) -> RemoteNode:
        first = min(messages, key=stamp)
        times = [stamp(message) for message in messages]
        times += [str((message.get("edited") or {}).get("ts") or "") for message in messages]
        return RemoteNode(
            external_id,
            kind,  # type: ignore[arg-type]  # one of two words of ours
            title,
            channel.external_id,
            url=self.permalink(channel, first),
            author=author(first, self.names) if kind == "thread" else "",
            created=moment(stamp(first)),
            modified=moment(max(times)),
            tags=channel.tags,
        )

    def _written(self, channel: Channel, node: RemoteNode, text: str, seen: int, kept: int) -> Written:
        version = hashlib.sha256(f"{node.title}\n{text}".encode("utf-8", "replace")).hexdigest()[:32]
        extra = {"channel": channel.name, "messages": kept, "left_out": seen - kept}
        return Written(replace(node, version=version, extra=extra), text)


def last_second(day: str) -> str:
    """The last ``ts`` that a day can have."""
    return f"{int(midnight(day)) + 86_399}.999999"


def first_second(day: str) -> str:
    return f"{int(midnight(day))}.000000"
