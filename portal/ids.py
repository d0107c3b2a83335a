"""Random ids for rows that somebody waits for.

The standard library asks the system anew for each, and lets go of the interpreter meanwhile: under load its thread waits
longer to get it back than for all else that the id is for.
"""

from __future__ import annotations

import os
from collections import deque
from uuid import UUID

_SIZE, _AT_ONCE = 16, 256
_ready: deque[bytes] = deque()


def new_id() -> UUID:
    """A random UUID (RFC 9562, version 4), of the system's own randomness. From any thread."""
    while True:
        try:
            return UUID(bytes=_ready.popleft(), version=4)
        except IndexError:
            fresh = os.urandom(_SIZE * _AT_ONCE)
            _ready.extend(fresh[at : at + _SIZE] for at in range(0, len(fresh), _SIZE))


# A fork would hand out the same ones.
os.register_at_fork(after_in_child=_ready.clear)
