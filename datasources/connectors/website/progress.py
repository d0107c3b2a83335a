"""How far a walk over a site is: what waits, what was asked, and what failed; packed into a cursor while it is small."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from datasources.connectors.base import Cursor

_MOST_CURSOR = 128 * 1024
_SIZE = 8


def digest(address: str) -> bytes:
    return hashlib.blake2b(address.encode(), digest_size=_SIZE).digest()


@dataclass
class Progress:
    """``known``: waiting or asked. ``whole``: nothing failed that did not fail in the last run too."""

    waiting: deque[tuple[str, int]] = field(default_factory=deque)
    asked: int = 0
    known: set[bytes] = field(default_factory=set)
    done: set[bytes] = field(default_factory=set)
    by_canonical: set[str] = field(default_factory=set)
    whole: bool = True
    failing: set[str] = field(default_factory=set)
    failed_before: set[str] = field(default_factory=set)

    def is_new(self, address: str) -> bool:
        """Whether it was not read yet; from now on it was."""
        found = digest(address)
        new = found not in self.done
        self.known.add(found)
        self.done.add(found)
        return new

    def fails(self, address: str) -> None:
        found = digest(address).hex()
        self.failing.add(found)
        self.whole = self.whole and found in self.failed_before

    def position(self) -> dict[str, Any] | None:
        """A cursor that this walk goes on from; None where it would be too large."""
        state = {
            "waiting": list(self.waiting),
            "by_canonical": sorted(self.by_canonical),
            "asked": self.asked,
            "whole": self.whole,
            "failing": sorted(self.failing),
            "failed_before": sorted(self.failed_before),
        }
        packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
        done = base64.b64encode(b"".join(sorted(self.done))).decode()
        return {"crawl": packed, "done": done} if len(packed) + len(done) < _MOST_CURSOR else None

    def end(self) -> dict[str, Any]:
        """The cursor after a walk."""
        return {"failing": sorted(self.failing)} if self.failing else {}


def from_cursor(cursor: Cursor) -> Progress:
    """Of a walk that was broken off, or of a new one after the last."""
    if "crawl" not in cursor:
        return Progress(failed_before=set(cursor.get("failing") or ()))
    state = json.loads(zlib.decompress(base64.b64decode(cursor["crawl"])))
    packed = base64.b64decode(cursor["done"])
    done = {packed[at : at + _SIZE] for at in range(0, len(packed), _SIZE)}
    waiting = deque((str(address), int(depth)) for address, depth in state["waiting"])
    return Progress(
        waiting,
        state["asked"],
        done | {digest(address) for address, _ in waiting},
        done,
        set(state["by_canonical"]),
        state["whole"],
        set(state["failing"]),
        set(state["failed_before"]),
    )
