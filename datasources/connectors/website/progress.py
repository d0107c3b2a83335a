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
from datasources.connectors.website.memory import Known, packed, unpacked

_MOST_CURSOR = 128 * 1024
_SIZE = 8


def digest(address: str) -> bytes:
    return hashlib.blake2b(address.encode(), digest_size=_SIZE).digest()


@dataclass
class Progress:
    """``known``: waiting or asked. ``whole``: nothing failed that did not fail in the last run too.

    ``pages``: what is known of pages by their address, of this walk or else of the last.
    """

    waiting: deque[tuple[str, int]] = field(default_factory=deque)
    asked: int = 0
    known: set[bytes] = field(default_factory=set)
    done: set[bytes] = field(default_factory=set)
    by_canonical: set[str] = field(default_factory=set)
    whole: bool = True
    failing: set[str] = field(default_factory=set)
    failed_before: set[str] = field(default_factory=set)
    pages: dict[str, Known] = field(default_factory=dict)

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
        crawl = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
        done = base64.b64encode(b"".join(sorted(self.done))).decode()
        left = _MOST_CURSOR - len(crawl) - len(done)
        if left <= 0:
            return None
        # Only as much of the memory as is quick to write every few pages; it saves time, and loses nothing.
        pages = packed(self.pages, left)
        return {"crawl": crawl, "done": done, **({"pages": pages} if pages else {})}

    def end(self) -> dict[str, Any]:
        """The cursor after a walk."""
        asked = {address: known for address, known in self.pages.items() if digest(address) in self.done}
        pages = packed(asked)
        failing = {"failing": sorted(self.failing)} if self.failing else {}
        return {**failing, **({"pages": pages} if pages else {})}


def from_cursor(cursor: Cursor) -> Progress:
    """Of a walk that was broken off, or of a new one after the last."""
    pages = unpacked(str(cursor.get("pages") or ""))
    if "crawl" not in cursor:
        return Progress(failed_before=set(cursor.get("failing") or ()), pages=pages)
    state = json.loads(zlib.decompress(base64.b64decode(cursor["crawl"])))
    joined = base64.b64decode(cursor["done"])
    done = {joined[at : at + _SIZE] for at in range(0, len(joined), _SIZE)}
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
        pages,
    )
