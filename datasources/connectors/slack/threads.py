"""Which threads a run from a cursor reads anew, one call each.

With the first message of a thread the history tells how many replies it has and when the last one came, so what is new or
deleted shows there. An edit of a reply does not: for those, threads in which something happened lately are read anew though
nothing shows, in so many channels a run as are few calls, each run going on where the one before stopped. So a small
workspace is read whole every time, and a large one in turns.
"""

from __future__ import annotations

from collections.abc import Mapping

from datasources.connectors.slack.messages import Message, stamp

RECENT = 3 * 86_400.0
"""Seconds: threads in which something happened so lately are read anew for edits of replies."""
MOST_QUIET = 100
"""Threads of which nothing shows that one run reads anew; a channel that is begun is read to its end."""


class Threads:
    """``marks``: what the history last told of each recent thread; it lives in the cursor. ``begin``: the channel after which
    this run reads quiet threads anew. ``stopped``: where the next one begins. ``now``: Unix seconds at which the run began.
    """

    def __init__(self, marks: Mapping[str, str], begin: str, now: float) -> None:
        self.marks = {key: mark for key, mark in marks.items() if float(mark.split()[0]) >= now - RECENT}
        self.stopped = ""
        self._now = now
        self._begin = begin
        self._channel = ""
        self._left = MOST_QUIET
        self._turn = False

    def open(self, channel: str) -> None:
        """Channels come in order of their ids."""
        self._turn = channel > self._begin and not self.stopped
        if self._turn and self._left <= 0:
            self.stopped, self._turn = self._channel, False
        self._channel = channel

    def due(self, channel: str, first: Message, since: float) -> bool:
        """Whether the thread that begins with ``first`` is to be read. ``since``: Unix seconds of the run before."""
        key, active = f"{channel}:{stamp(first)}", _active(first)
        mark = f"{active:.6f} {first.get('reply_count') or 0}"
        before = self.marks.pop(key, None)
        if active >= self._now - RECENT:
            self.marks[key] = mark
        if active >= since or (before is not None and before != mark):
            return True
        if active < since - RECENT:
            return False
        if before is None:
            return True
        self._left -= self._turn
        return self._turn


def _active(message: Message) -> float:
    """When something last happened in a thread that Slack tells of with its first message."""
    edited = (message.get("edited") or {}).get("ts")
    return max(float(ts or 0) for ts in (stamp(message), message.get("latest_reply"), edited))
