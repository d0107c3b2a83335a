"""What Slack's messages are and say: which make a document, who wrote them, and how they read as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from datasources.connectors.slack.markdown import attachments, block_text, link, markdown, plain
from datasources.connectors.slack.names import SLACKBOT, Names

Message = Mapping[str, Any]

_CONTENT = {
    "",
    "bot_message",
    "me_message",
    "file_share",
    "file_comment",
    "thread_broadcast",
    "tombstone",
    "reply_broadcast",
}
"""Subtypes that people (and bots) write; all others are Slack's own notices (joins, topics, pins …)."""


@dataclass(frozen=True, slots=True)
class Taste:
    """What of a channel comes in besides what people wrote."""

    bots: bool = False
    notices: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Taste:
        return cls(bool(config.get("bots")), bool(config.get("notices")))


def stamp(message: Message) -> str:
    return str(message.get("ts") or "")


def moment(ts: object) -> datetime | None:
    """Slack's ``ts`` (seconds, a point, six digits) as a time; None where it is none."""
    try:
        return datetime.fromtimestamp(float(str(ts)), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def day_of(ts: str) -> str:
    found = moment(ts)
    return found.date().isoformat() if found else ""


def midnight(day: str) -> float:
    """The first second of a day (UTC), in Unix seconds."""
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp()


def thread_of(message: Message) -> str:
    """The thread's first ``ts``: of a reply, and of a message that has replies. Else empty."""
    thread = str(message.get("thread_ts") or "")
    if not thread:
        return stamp(message) if message.get("reply_count") or message.get("replies") else ""
    if thread == stamp(message) and not (message.get("reply_count") or message.get("replies")):
        return ""
    return thread


def is_notice(message: Message) -> bool:
    return str(message.get("subtype") or "") not in _CONTENT


def is_bot(message: Message, names: Names) -> bool:
    if message.get("subtype") == "tombstone":
        return False
    if message.get("subtype") == "bot_message" or message.get("bot_id"):
        return True
    user = str(message.get("user") or "")
    return user == SLACKBOT or (bool(user) and not message.get("user_profile") and names.person(user).bot)


def wanted(messages: Iterable[Message], names: Names, taste: Taste) -> list[Message]:
    """Those that come in by themselves, oldest first."""
    found = [
        message
        for message in messages
        if (taste.notices or not is_notice(message))
        and (taste.bots or is_notice(message) or not is_bot(message, names))
    ]
    return sorted(found, key=stamp)


def wanted_of_thread(messages: Sequence[Message], names: Names, taste: Taste) -> list[Message]:
    """As ``wanted``; what opens a thread stays, whoever wrote it, where others that come in have answered."""
    found = wanted(messages, names, taste)
    first = min(messages, key=stamp, default=None)
    if found and first is not None and first not in found:
        found.insert(0, first)
    return found


def author(message: Message, names: Names) -> str:
    """Bots sign each message as they like; of people their name counts, also where they commented on a file long ago."""
    user = str(message.get("user") or (message.get("comment") or {}).get("user") or "")
    profile = message.get("user_profile") or message.get("bot_profile") or {}
    named = [message.get("username")] if message.get("bot_id") or not user else []
    named += [profile.get(key) for key in ("display_name", "real_name", "name")]
    if found := next((str(name) for name in named if name), ""):
        return found
    return names.person(user).name if user else str(message.get("bot_id") or "Slack")


def files_of(message: Message) -> list[Mapping[str, Any]]:
    """Exports of before 2018 have one file, in ``file``."""
    found = message.get("files") or ([message["file"]] if message.get("file") else [])
    return [file for file in found if isinstance(file, Mapping) and file.get("id")]


def body(message: Message, names: Names) -> str:
    """What a message says, as Markdown; empty where it says nothing."""
    if message.get("subtype") == "tombstone":
        return "(deleted)"
    text = str(message.get("text") or "")
    quoted = bool(message.get("bot_id")) or message.get("subtype") == "bot_message"
    lines = [markdown(text or block_text(message.get("blocks")), names)]
    lines += attachments(message.get("attachments"), names, whole=quoted)
    if not (message.get("file") and text):
        lines += [f"File: {link(file_name(file), str(file.get('permalink') or ''))}" for file in files_of(message)]
    return "\n\n".join(line for line in lines if line)


def file_name(file: Mapping[str, Any]) -> str:
    return str(file.get("title") or file.get("name") or "a file")


def paragraphs(messages: Iterable[Message], names: Names, day: str = "") -> str:
    """A conversation as text, a paragraph a message. ``day``: the one that needs not be said with the time."""
    found = []
    for message in messages:
        said = body(message, names)
        if not said:
            continue
        at = moment(stamp(message))
        when = "" if at is None else f"{at:%H:%M}" if day == at.date().isoformat() else f"{at:%Y-%m-%d %H:%M}"
        gap = "\n\n" if said.startswith((">", "```", "- ")) else " "
        found.append(f"**{plain(author(message, names))}** ({when} UTC):{gap}{said}")
    return "\n\n".join(found)
