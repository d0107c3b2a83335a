"""Channels and threads in whose last days nothing changed, as far as their history tells: most of them in most runs.

Slack does not say in which channels something was said, so each costs one call. Where it brings just what it brought the run
before, nothing is told anew, the channel itself neither. With the first message of a thread the history tells how many replies it has and when the last
one came, so what is new or deleted in a thread shows there, too. An edit of a reply does not: for those, such threads in which
something happened lately are read anew, as many a run as are few calls, each run going on where the one before stopped. So a small workspace is read whole every time, and a large one in turns.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

import msgspec

from datasources.connectors.base import RemoteNode
from datasources.connectors.slack.documents import Channel
from datasources.connectors.slack.messages import Message
from datasources.connectors.slack.names import Workspace

MOST_THREADS = 100
"""Threads that one run reads anew though nothing shows; a channel that is begun is read to its end."""
_PEOPLE = re.compile(rb"\b[UW][A-Z0-9]+\b")


class Quiet:
    """``marks``: by channel, what its last days were; ``threads``: of the threads in which something happened lately, their
    marks with spaces between. Both live in the cursor. ``begin``: the channel after which this run reads quiet threads anew;
    ``stopped``: after which the next run does.
    """

    def __init__(self, people: Workspace, marks: Mapping[str, str], threads: Mapping[str, str], begin: str) -> None:
        self.marks = dict(marks)
        self.threads = dict(threads)
        self.stopped = ""
        self._people = people
        self._begin = begin
        self._before = ""
        self._left = MOST_THREADS
        self._known: set[str] = set()
        self._channel = b""
        # Of a channel that is quiet the same days are asked for and then remembered.
        self._marked: tuple[Sequence[Message], str] | None = None

    def begin(self, told: RemoteNode) -> None:
        """All that follows is of this channel."""
        made = told.created.isoformat() if told.created else ""
        self._channel = _bytes([told.title, told.tags, told.url, made, told.readers])
        self._marked = None

    def mark(self, messages: Sequence[Message]) -> str:
        """Changes with all that becomes of these messages: them, their channel, and the names of the people in them."""
        if self._marked is not None and self._marked[0] == messages:
            return self._marked[1]
        text = _bytes(messages)
        names = self._people.names({person.decode() for person in set(_PEOPLE.findall(text))})
        mark = hashlib.blake2b(self._channel + text + _bytes(sorted(names.items())), digest_size=8).hexdigest()
        self._marked = messages, mark
        return mark

    def remember(self, channel: Channel, messages: Sequence[Message], active: Sequence[Message]) -> None:
        """``active``: first messages of the threads in which something happened lately."""
        self.marks[channel.id] = self.mark(messages)
        self.threads[channel.id] = " ".join(self.mark([first]) for first in active)

    def forget(self, channel: Channel) -> None:
        """While a channel is told, the cursor holds nothing of it; ``knows`` still does."""
        self.marks.pop(channel.id, None)
        self._known = set(self.threads.pop(channel.id, "").split())

    def is_quiet(self, channel: Channel, messages: Sequence[Message]) -> bool:
        return channel.id in self.marks and self.marks[channel.id] == self.mark(messages)

    def knows(self, channel: Channel, first: Message) -> bool:
        """Whether the history told of this thread of the channel that is being told, by its first message, just so before."""
        return bool(self._known) and self.mark([first]) in self._known

    def turn(self, channel: Channel, threads: int) -> bool:
        """Whether so many quiet threads of a channel are read anew in this run. Channels come in order of their ids."""
        if not threads or channel.id <= self._begin or self.stopped:
            return False
        if self._left <= 0 and channel.id != self._before:
            self.stopped = self._before
            return False
        self._left -= threads
        self._before = channel.id
        return True


def _bytes(value: object) -> bytes:
    try:
        return msgspec.json.encode(value, order="deterministic")
    except UnicodeEncodeError:  # half a character, as a cut text may end with
        return json.dumps(value, sort_keys=True).encode()
