"""Where a run over Slack is, as its cursor holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasources.connectors.base import Checkpoint, Cursor
from datasources.connectors.slack.choice import Kept
from datasources.connectors.slack.quiet import Quiet


@dataclass(frozen=True, slots=True)
class Position:
    """``since``: Unix seconds at which the last whole run began, 0 for a run over everything.

    ``after``: the last channel that is done; ``channel``, ``latest``: one that is begun, and up to where it is left to read.
    ``whole``: of that one everything is read. ``marks``, ``threads``, ``turn``: see quiet.py.
    ``lines``: the choices that the run before read its channels with, more than one where its choice changed on the way;
    ``now``: those of this run. ``unread``: channels that the run before should have read whole and could not; ``failed``: this one.
    """

    since: float
    began: float
    now: Sequence[Kept]
    after: str = ""
    channel: str = ""
    latest: str = ""
    whole: bool = False
    lines: Sequence[Kept] = ()
    unread: Sequence[str] = ()
    failed: Sequence[str] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    threads: Mapping[str, str] = field(default_factory=dict)
    turn: str = ""

    @classmethod
    def read(cls, cursor: Cursor, chosen: Kept, digest: str, began: float) -> Position:
        """``digest``: of the choice, as cursors had it once; where such a one had another, everything is read."""
        if "lines" not in cursor:
            if cursor.get("digest") != digest:
                return cls(0.0, began, [chosen])
            # What a run that was broken off did not tell of everything's choice, it tells from its place on.
            cursor = {**cursor, "lines": [chosen], **({"now": [chosen]} if "began" in cursor else {})}
        found: dict[str, Any] = {key: cursor[key] for key in cls.__slots__ if key in cursor}
        if "began" not in found:
            return cls(**{"since": 0.0, **found, "began": began, "now": [chosen]})
        # Channels that are done may be so by another choice: the next run sees to them.
        found["now"] = [*(one for one in found["now"] if one != chosen), chosen]
        return cls(**found)

    def checkpoint(self) -> Checkpoint:
        """With copies of what a run changes."""
        held = {key: getattr(self, key) for key in self.__slots__}
        return Checkpoint({**held, "marks": dict(self.marks), "threads": dict(self.threads)})

    def last(self, quiet: Quiet, channels: set[str]) -> Checkpoint:
        """``channels``: those that there are."""
        marks, threads = (
            {channel: mark for channel, mark in kept.items() if channel in channels}
            for kept in (quiet.marks, quiet.threads)
        )
        last = {"since": self.began, "lines": list(self.now), "unread": list(self.failed)}
        return Checkpoint({**last, "marks": marks, "threads": threads, "turn": quiet.stopped})
