"""A real portal for a measurement: its own data directory, its own process tree, stopped at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent
SIGN_IN = """
import django
django.setup()
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from portal.models import User
admin = User.objects.get(email="admin@example.com")
session = SessionStore()
session[SESSION_KEY] = str(admin.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
session[HASH_SESSION_KEY] = admin.get_session_auth_hash()
session.save()
print(f"{settings.SESSION_COOKIE_NAME}={session.session_key}")
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Portal:
    """``module`` is what is started; ``python -m portal.embedded`` is what ``make run`` starts."""

    data: Path
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    module: str = "portal.embedded"
    process: subprocess.Popen[str] | None = None
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1/workspaces/demo"

    def env(self) -> dict[str, str]:
        # As make run does: where this is set, every start compiles all that it imports.
        around = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {
            **around,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "ATRIUM_DATA": str(self.data),
            "PORT": str(self.port),
            "ATRIUM_API_RATE": "1000000/min",
            "ATRIUM_LOG_LEVEL": "WARNING",
            **self.environment,
        }

    def start(self) -> float:
        """Seconds from the command to the line that says it is ready."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module], cwd=ROOT, env=self.env(), stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if "Atrium is ready" in line:
                return time.monotonic() - began
        raise RuntimeError(f"The portal did not become ready: {''.join(self.said[-5:])}")

    def settle(self, most: float = 60) -> None:
        """Wait until what a start sets off is over: all its processes use less than a tenth of a processor for two seconds."""
        until = time.monotonic() + most
        while time.monotonic() < until:
            before = self._cpu_of_all()
            time.sleep(2)
            if self._cpu_of_all() - before < 0.2:
                return

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def python(self, *arguments: str) -> str:
        """What a command of the same installation prints, on the same data."""
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.env(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout.strip()

    def client(self) -> httpx.Client:
        """Calls of the API, below the workspace's address, with a key of its admin."""
        made = ("manage.py", "create_api_key", "--workspace", "demo", "--email", "admin@example.com")
        key = self.python(*made, "--scopes", "read,ask,write,admin").splitlines()[-1]
        return httpx.Client(base_url=self.api, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def cookie(self) -> str:
        """The header of a browser in which the admin is signed in."""
        return self.python("-c", SIGN_IN).splitlines()[-1]

    def memory(self) -> dict[str, float]:
        """MB of each process of the tree (private, and its share of what is shared), by what it is; and their sum."""
        found: dict[str, float] = {}
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                name = _called(process.name(), process.cmdline())
                found[name] = found.get(name, 0) + process.memory_full_info().pss / 1e6
        return {**found, "all": sum(found.values())}

    def cpu(self) -> float:
        """Seconds of processor time that the process itself has used."""
        assert self.process is not None
        used = psutil.Process(self.process.pid).cpu_times()
        return used.user + used.system

    def _cpu_of_all(self) -> float:
        used = 0.0
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system
        return used

    def _processes(self) -> set[psutil.Process]:
        assert self.process is not None
        root = psutil.Process(self.process.pid)
        # The database's server leaves its parent; it is known by its directory.
        apart = [p for p in psutil.process_iter(["cmdline"]) if str(self.data) in " ".join(p.info["cmdline"] or [])]
        found = {root, *root.children(recursive=True), *apart}
        for process in apart:
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended while we looked
                found.update(process.children())
        return found


def _called(name: str, command: Sequence[str]) -> str:
    if "postgres" in name:
        return "PostgreSQL"
    line = " ".join(command)
    known = {"edge_serve": "search index", "portal.embedded": "portal", "bench.": "portal"}
    return next((words for part, words in known.items() if part in line), "readers of files")


@contextlib.contextmanager
def portal(module: str = "portal.embedded", **environment: str) -> Iterator[Portal]:
    """A portal with nothing in it but what the first start brings."""
    data = Path(tempfile.mkdtemp(prefix="atrium-bench-"))
    made = Portal(data, environment=environment, module=module)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(data, ignore_errors=True)
