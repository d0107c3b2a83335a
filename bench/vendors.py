"""Made-up places for a measurement, each on loopback in a process of its own, so that the portal shares no interpreter with it.

``python -m bench.vendors slack|channels|drive <size>`` prints what to connect with as a line of JSON, then obeys lines of JSON
on its standard input, ``["edit", 0.01]``, with a line of JSON each.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Protocol

from bench.product import ROOT
from tests.vendors.places.google_drive import GoogleDriveServer, made_up, service_account
from tests.vendors.places.loopback import Loopback
from tests.vendors.places.slack import TOKEN, SlackServer
from tests.vendors.places.slack_held import MadeUp, Message

FILES_A_FOLDER = 10
BRANCHES = 5
"""Trees of the made-up Drive right below its root, each with as many folders and files."""


class Place(Protocol):
    """What stands behind a process. ``size``: of channels or folders."""

    @property
    def server(self) -> Loopback: ...

    @property
    def kind(self) -> str: ...

    @property
    def auth(self) -> str: ...

    @property
    def secret(self) -> Mapping[str, str]: ...

    @property
    def documents(self) -> int: ...

    def edit(self, share: float) -> int:
        """Change this share of all documents; how many."""
        ...

    def move(self) -> int:
        """Move a folder; how many documents move with it."""
        ...


class Slack:
    """Twenty documents a channel: twelve days and eight threads, of a hundred messages."""

    kind = "slack"
    auth = "token"
    secret: Mapping[str, str] = {"token": TOKEN}

    def __init__(self, channels: int) -> None:
        self._held = MadeUp(channels)
        self.server: Loopback = SlackServer(self._held)
        self.documents = 20 * channels

    def edit(self, share: float) -> int:
        return self._held.change(share)

    def move(self) -> int:
        raise NotImplementedError("Nothing moves in Slack")


class Channels(Slack):
    """Many channels with a single message each: one long level."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.server = SlackServer(_Quiet(channels))
        self.documents = channels


class _Quiet(MadeUp):
    def _made(self, channel: int) -> Iterator[Message]:
        yield self._message(channel, self._end - 86_400, 0, 0)


class Drive:
    """Ten files a folder, in branches of many levels."""

    kind = "google_drive"
    auth = "service_account"

    def __init__(self, folders: int) -> None:
        self.documents = folders * FILES_A_FOLDER
        self.secret: Mapping[str, str] = {"service_account": service_account()}
        self._drive: GoogleDriveServer = made_up(folders=folders, files=self.documents)
        self.server: Loopback = self._drive
        assert self._drive.made_up is not None
        self._branch = self._drive.made_up.BLOCK = folders // BRANCHES

    def edit(self, share: float) -> int:
        changed = range(0, self.documents, round(1 / share))
        self._drive.revise(changed)
        return len(changed)

    def move(self) -> int:
        """The second branch goes into the first."""
        self._drive.move(f"made-{self._branch:06}", "made-000000")
        return self._branch * FILES_A_FOLDER


PLACES: dict[str, Callable[[int], Place]] = {"slack": Slack, "channels": Channels, "drive": Drive}


@dataclass(frozen=True)
class Vendor:
    """A place in its process, as the measurement has it."""

    kind: str
    base_url: str
    auth: str
    secret: Mapping[str, str]
    documents: int
    orders: IO[str]
    answers: IO[str]

    def tell(self, *order: object) -> int:
        print(json.dumps(order), file=self.orders, flush=True)
        return int(json.loads(self.answers.readline()))


@contextlib.contextmanager
def vendor(name: str, size: int) -> Iterator[Vendor]:
    """The place of that name with so many channels or folders."""
    command = [sys.executable, "-m", "bench.vendors", name, str(size)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if not (said := process.stdout.readline()):
            raise RuntimeError(f"The made-up {name} did not start")
        yield Vendor(**json.loads(said), orders=process.stdin, answers=process.stdout)
    finally:
        process.kill()
        process.wait()


def _serve(place: Place) -> None:
    with place.server as server:
        server.keep_requests = False
        told = {"kind": place.kind, "base_url": server.base_url, "auth": place.auth}
        _say({**told, "secret": dict(place.secret), "documents": place.documents})
        for line in sys.stdin:
            verb, *arguments = json.loads(line)
            _say(place.move() if verb == "move" else place.edit(*arguments))


def _say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve(PLACES[sys.argv[1]](int(sys.argv[2])))
