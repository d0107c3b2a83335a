"""One true first start for a whole run of the tests; whoever only needs a portal that is up begins with a copy of what it left.

A first start takes half a minute: a database is made and migrated, static files are packed, the embedding model is built, the
guide is indexed. That a copy of a stopped portal's directory is as good as the original is itself tested (test_launcher).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.portal.launching import Portal, modes_above


@dataclass(frozen=True)
class FirstStart:
    """``data`` is stopped, and never started again. ``said``: what was printed; ``before``, ``after``: modes above it."""

    data: Path
    said: list[str]
    before: dict[str, int]
    after: dict[str, int]

    def copy_to(self, data: Path) -> Path:
        """With all modes, and without sockets, as a backup has it."""

        def sockets(directory: str, names: list[str]) -> list[str]:
            return [name for name in names if stat.S_ISSOCK(Path(directory, name).lstat().st_mode)]

        shutil.copytree(self.data, data, symlinks=True, ignore=sockets)
        return data


def first_start() -> FirstStart:
    """Made by the process that asks first, and waited for by the others. They share, and in the end lose, the tests' directory."""
    place = Path(os.environ["ATRIUM_TEST_DATA"]) / "first"
    place.mkdir(mode=0o700, exist_ok=True)
    record = place / "record.json"
    with (place / "making").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            made = _make(place / "data")
            record.write_text(json.dumps({**asdict(made), "data": None}))
        return FirstStart(**{**json.loads(record.read_text()), "data": place / "data"})


def _make(data: Path) -> FirstStart:
    shutil.rmtree(data, ignore_errors=True)  # of one that failed
    portal = Portal(data)
    before = modes_above(data)
    try:
        portal.start()
        code = portal.stop(signal.SIGINT)
    finally:
        portal.clean_up()
    assert code == 130, portal.said
    after = modes_above(data)
    return FirstStart(data, portal.said, _by_name(before), _by_name(after))


def _by_name(modes: dict[Path, int]) -> dict[str, int]:
    return {str(path): mode for path, mode in modes.items()}
