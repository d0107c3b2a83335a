"""The embedded index's process: a lock, a socket, and a loop around the engine.

One thread: the engine would not let another run anyway. Searches overtake writes that wait. When standard input closes,
the parent has ended, and so does this process, after a flush.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from datasources.retrieval import wire
from datasources.retrieval.edge import Engine, Refused

log = logging.getLogger("atrium.index")

IDLE_SECONDS = 5.0
"""After so long without a request, what was written is flushed, whether or not anybody asked for it."""


class Peer:
    """One connection: bytes in, bytes out."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.incoming = bytearray()
        self.outgoing = bytearray()

    def frames(self) -> list[bytes]:
        """The complete frames that have come in. Raises ValueError on one that is too long."""
        found = []
        while len(self.incoming) >= wire.HEADER.size:
            (length,) = wire.HEADER.unpack_from(self.incoming)
            if length > wire.MAX_FRAME:
                raise ValueError("frame too long")
            end = wire.HEADER.size + length
            if len(self.incoming) < end:
                break
            found.append(bytes(self.incoming[wire.HEADER.size : end]))
            del self.incoming[:end]
        return found


class Server:
    def __init__(self, engine: Engine, listener: socket.socket, lifeline: int) -> None:
        self._engine = engine
        self._listener = listener
        self._lifeline = lifeline
        self._parent = os.getppid()
        self._urgent: deque[tuple[Peer, wire.Request]] = deque()
        self._waiting: deque[tuple[Peer, wire.Request]] = deque()
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, None)
        self._selector.register(lifeline, selectors.EVENT_READ, None)
        self._stopping = False

    def run(self) -> None:
        active = time.monotonic()
        while not self._stopping:
            queued = bool(self._urgent or self._waiting)
            self._poll(0 if queued else 1.0)
            if self._urgent or self._waiting:
                self._serve(*(self._urgent or self._waiting).popleft())
                active = time.monotonic()
            elif self._engine.dirty and time.monotonic() - active > IDLE_SECONDS:
                self._engine.flush()
            if os.getppid() != self._parent:
                self._stopping = True

    def stop(self, *_: Any) -> None:
        self._stopping = True

    def _poll(self, timeout: float) -> None:
        for key, events in self._selector.select(timeout):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fd == self._lifeline:
                if not os.read(self._lifeline, 4096):
                    self._stopping = True
            elif events & selectors.EVENT_WRITE:
                self._send(key.data)
            else:
                self._receive(key.data)

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ, Peer(connection))

    def _receive(self, peer: Peer) -> None:
        try:
            data = peer.connection.recv(1 << 18)
            peer.incoming += data
            requests = [wire.decode_request(body) for body in peer.frames()]
        except BlockingIOError:
            return
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            log.warning("a connection is dropped: %s", error)
            data, requests = b"", []
        if not data:
            self._drop(peer)
            return
        for request in requests:
            (self._urgent if isinstance(request, wire.URGENT) else self._waiting).append((peer, request))

    def _serve(self, peer: Peer, request: wire.Request) -> None:
        if peer.connection.fileno() < 0 and isinstance(request, wire.URGENT):
            return  # whoever asked has gone; a write is still carried out, as its sender may count on it
        try:
            answer = wire.encode_answer(self._engine.handle(request))
        except Refused as refusal:
            answer = wire.encode_refusal(wire.INVALID, str(refusal))
        except Exception as error:  # the engine raises no narrower one; the caller gets it as ours
            log.exception("%s failed", type(request).__name__)
            answer = wire.encode_refusal(wire.FAILED, f"{type(request).__name__} failed: {error}")
        if peer.connection.fileno() >= 0:
            peer.outgoing += answer
            self._send(peer)

    def _send(self, peer: Peer) -> None:
        try:
            sent = peer.connection.send(peer.outgoing)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(peer)
            return
        del peer.outgoing[:sent]
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.outgoing else 0)
        self._selector.modify(peer.connection, interest, peer)

    def _drop(self, peer: Peer) -> None:
        self._selector.unregister(peer.connection)
        peer.connection.close()


def lock(directory: Path, seconds: float) -> int:
    """Hold the directory for this process. Raises BlockingIOError with a sentence for a person."""
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                raise BlockingIOError(
                    f"another Atrium (process {owner}) is using {directory}. "
                    "Stop that one first, or give this one a data directory of its own."
                ) from None
            time.sleep(0.05)
        else:
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getppid()).encode(), 0)
            return handle


def listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(128)
    listener.setblocking(False)
    return listener


def read_line(descriptor: int) -> bytes:
    """Unbuffered: what follows the line is left for the loop."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line


def say(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> int:
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides when to end
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    settings = json.loads(read_line(sys.stdin.fileno()))
    directory = Path(settings["directory"])
    try:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        held = lock(directory, settings["lock_wait"])
        engine = Engine(directory, settings["language"])
        listener = listen(Path(settings["socket"]))
    except BlockingIOError as error:
        say(error=str(error), locked=True)
        return 1
    except OSError as error:
        say(error=f"{error.strerror}: {error.filename or directory}")
        return 1
    server = Server(engine, listener, sys.stdin.fileno())
    signal.signal(signal.SIGTERM, server.stop)
    say(ready=True)
    try:
        server.run()
    finally:
        engine.close()
        os.close(held)
    return 0


if __name__ == "__main__":
    sys.exit(main())
