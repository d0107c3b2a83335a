"""Channels in whose last days nothing changed, as far as their history tells: most of them in most runs.

Slack does not say in which channels something was said, so each costs one call. Where it brings just what it brought the run
before, nothing is told anew. With the first message of a thread the history tells how many replies it has and when the last
one came, so what is new or deleted in a thread shows there, too. An edit of a reply does not: for those, threads of quiet
channels in which something happened lately are read anew, as many a run as are few calls, each run going on where the one
before stopped. So a small workspace is read whole every time, and a large one in turns.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from datasources.connectors.slack.documents import Channel
from datasources.connectors.slack.messages import Message, day_of, stamp
from datasources.connectors.slack.names import Workspace

MOST_THREADS = 100
"""Threads of quiet channels that one run reads anew; a channel that is begun is read to its end."""
_PEOPLE = re.compile(r"\b[UW][A-Z0-9]+\b")


class Quiet:
    """``marks``: by channel, what its last days were; it lives in the cursor. ``begin``: the channel after which this run
    reads threads of quiet ones anew. ``stopped``: after which the next run does.
    """

    def __init__(self, people: Workspace, marks: Mapping[str, str], begin: str) -> None:
        self.marks = dict(marks)
        self.stopped = ""
        self._people = people
        self._begin = begin
        self._before = ""
        self._left = MOST_THREADS

    def mark(self, channel: Channel, messages: Sequence[Message]) -> str:
        """Changes with all that becomes of these messages: them, their channel, and the names of the people in them."""
        told = [message for message in messages if day_of(stamp(message))]
        text = json.dumps([channel.name, channel.tags, told], sort_keys=True)
        names = self._people.names(set(_PEOPLE.findall(text)))
        return hashlib.sha256(f"{text}\n{sorted(names.items())}".encode("utf-8", "replace")).hexdigest()[:16]

    def is_quiet(self, channel: Channel, messages: Sequence[Message]) -> bool:
        return channel.id in self.marks and self.marks[channel.id] == self.mark(channel, messages)

    def turn(self, channel: Channel, threads: int) -> bool:
        """Whether so many threads of a quiet channel are read anew in this run. Channels come in order of their ids."""
        if not threads or channel.id <= self._begin or self.stopped:
            return False
        if self._left <= 0:
            self.stopped = self._before
            return False
        self._left -= threads
        self._before = channel.id
        return True
