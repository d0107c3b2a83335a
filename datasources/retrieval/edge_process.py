"""The life of the embedded index's process: start it, watch it, start it again when it dies, end with it."""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from datasources.retrieval.types import IndexUnavailable

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STEADY_SECONDS = 10.0
"""A process that ran for so long is started again at once when it ends; one that keeps ending is given growing pauses."""

LONGEST_PAUSE = 2.0
LONGEST_SOCKET_PATH = 100
"""The kernel takes 107 bytes on Linux, 103 on macOS."""


class IndexLocked(IndexUnavailable):
    """Another process has the index open; trying again does not help."""


class EdgeProcess:
    """Runs ``python -m datasources.retrieval.edge_serve`` over ``directory``.

    Its standard input is a pipe that nobody writes to after the first line: when this process ends, however it ends,
    the pipe closes, and the child flushes and leaves. The child gets an empty environment: it needs no secret of ours.
    """

    def __init__(self, directory: Path, *, language: str = "english", lock_wait: float = 3.0) -> None:
        self._directory = directory
        self._language = language
        self._lock_wait = lock_wait
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._ready = threading.Event()
        self._closing = threading.Event()
        self._trouble = "it has not been started"
        self.socket_path = self._choose_socket()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    @property
    def ready(self) -> bool:
        return self._ready.is_set() and not self._closing.is_set()

    def start(self) -> None:
        """Raises IndexLocked, or IndexUnavailable with what the child said."""
        self._spawn()
        # The child would leave without us; but what is started next may find it still writing.
        atexit.register(self.close)
        threading.Thread(target=self._watch, name="atrium-index-watch", daemon=True).start()

    def wait_ready(self, seconds: float) -> None:
        if self._closing.is_set():
            raise IndexUnavailable("The search index has been closed.")
        if not self._ready.wait(seconds):
            raise IndexUnavailable(f"The search index is not running: {self._trouble}. It is being started again.")

    def close(self) -> None:
        """Let the child flush and leave; kill it where it takes more than 30 seconds."""
        atexit.unregister(self.close)
        self._closing.set()
        self._ready.clear()
        if self._child is not None:
            self._hang_up(self._child)
        if self._temporary is not None:
            self._temporary.cleanup()

    def _choose_socket(self) -> Path:
        path = self._directory / "index.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        self._temporary = tempfile.TemporaryDirectory(prefix="atrium-")  # 0700, as mkdtemp makes it
        return Path(self._temporary.name) / "index.sock"

    def _spawn(self) -> None:
        child = subprocess.Popen(
            [sys.executable, "-m", "datasources.retrieval.edge_serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"},
        )
        try:
            self._greet(child)
        except BaseException:
            child.kill()
            child.wait()
            self._release_pipes(child)
            raise
        self._child = child
        self._ready.set()

    def _greet(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        settings = {
            "directory": str(self._directory),
            "socket": str(self.socket_path),
            "language": self._language,
            "lock_wait": self._lock_wait,
        }
        with contextlib.suppress(BrokenPipeError):  # a child that died at once is reported by what it answered
            child.stdin.write(json.dumps(settings).encode() + b"\n")
            child.stdin.flush()
        readable, _, _ = select.select([child.stdout], [], [], START_SECONDS)
        if not readable:
            raise IndexUnavailable(f"The search index did not start within {START_SECONDS:.0f} seconds.")
        answer = json.loads(child.stdout.readline() or b'{"error": "its process ended at once (see the log above)"}')
        if "error" in answer:
            kind = IndexLocked if answer.get("locked") else IndexUnavailable
            raise kind(f"The search index can't be opened: {answer['error']}")

    def _watch(self) -> None:
        """Start the child again whenever it ends, at growing intervals while it keeps ending."""
        failures = 0
        while True:
            child = self._child
            assert child is not None
            started = time.monotonic()
            code = child.wait()
            self._ready.clear()
            self._release_pipes(child)
            failures = 1 if time.monotonic() - started > STEADY_SECONDS else failures + 1
            self._trouble = _obituary(code)
            while not self._closing.is_set():
                log.error("The search index's process ended: %s. Starting it again.", self._trouble)
                self._closing.wait(min(LONGEST_PAUSE, 0.1 * 2 ** (failures - 1)))
                if self._closing.is_set() or self._respawn():
                    break
                failures += 1
            if self._closing.is_set():
                return

    def _respawn(self) -> bool:
        try:
            self._spawn()
        except (IndexUnavailable, OSError) as error:
            self._trouble = str(error)
            return False
        if self._closing.is_set() and self._child is not None:
            self._hang_up(self._child)
        return True

    def _hang_up(self, child: subprocess.Popen[bytes]) -> None:
        if child.stdin is not None:
            with contextlib.suppress(OSError):
                child.stdin.close()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            log.error("The search index's process did not end within 30 seconds; it is killed.")
            child.kill()
            child.wait()
        self._release_pipes(child)

    @staticmethod
    def _release_pipes(child: subprocess.Popen[bytes]) -> None:
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _obituary(code: int) -> str:
    return f"it was killed by signal {-code}" if code < 0 else f"it ended with code {code}"
