"""The launcher as a process of its own, and what belongs to it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.stack import ROOT, clean_environment, free_port

READY = "Atrium is ready at "


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def modes_above(path: Path) -> dict[Path, int]:
    return {parent: stat.S_IMODE(parent.stat().st_mode) for parent in path.parents}


def _line(pid: int, parents: dict[int, int]) -> set[int]:
    """The process and all above it."""
    line: set[int] = set()
    while pid in parents and pid not in line:
        line.add(pid)
        pid = parents[pid]
    return line


@dataclass
class Portal:
    """``start`` waits until it is ready; ``said`` is all that it printed. ``before``: modes above it before the first start."""

    data: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    popen: subprocess.Popen[str] | None = None
    said: list[str] = field(default_factory=list)
    before: dict[Path, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def launch(self, **more: str) -> subprocess.Popen[str]:
        settings = {"ATRIUM_DATA": str(self.data), "PORT": str(self.port), **self.environment, **more}
        return subprocess.Popen(
            [sys.executable, "-m", "portal.embedded"],
            cwd=ROOT,
            env=clean_environment(**settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self, until: str = READY) -> Portal:
        """Raises AssertionError with what it said where it ends before it says ``until``."""
        self.popen, self.said = self.launch(), []
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.said.append(line.rstrip())
            if until in line:
                return self
        raise AssertionError("\n".join(self.said))

    def stop(self, number: int = signal.SIGINT, seconds: float = 45.0) -> int:
        """The exit code. Raises TimeoutExpired where it does not end."""
        assert self.popen is not None
        assert self.popen.stdout is not None
        self.send(number)
        try:
            code = self.popen.wait(seconds)
        finally:
            self.popen.kill()
        self.said += self.popen.stdout.read().splitlines()
        self.popen.stdout.close()
        return code

    def send(self, number: int) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    def manage(self, *arguments: str) -> str:
        environment = clean_environment(ATRIUM_DATA=str(self.data), PORT=str(self.port), **self.environment)
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout.strip()

    def tree(self) -> dict[int, str]:
        """Its processes, those that left the tree (PostgreSQL) included: process id to command."""
        commands: dict[int, str] = {}
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                commands[int(entry.name)] = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
        roots = {pid for pid, command in commands.items() if str(self.data) in command}
        if self.popen is not None and self.popen.returncode is None:
            roots.add(self.popen.pid)
        return {pid: commands[pid] for pid in parents if roots.intersection(_line(pid, parents))}

    def left_of(self, tree: dict[int, str], seconds: float = 5.0) -> dict[int, str]:
        """What of these still runs after a while."""
        deadline = time.monotonic() + seconds
        while (left := {pid: command for pid, command in tree.items() if alive(pid)}) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def clean_up(self) -> None:
        """After a test that failed in the middle."""
        for pid in self.tree():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


class Typed(Portal):
    """``make run``, typed into a terminal: what is pressed there reaches all that it started.

    From the environment that the tests run in, which is to be one that make made.
    """

    def launch(self, **more: str) -> subprocess.Popen[str]:
        environment = clean_environment(ATRIUM_DATA=str(self.data), **self.environment, **more)
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):  # of the make that runs the tests
            environment.pop(name, None)
        venv = Path(sys.prefix)
        assert (venv / ".run-installed").exists(), "These tests run in an environment that make made: make test."
        elsewhere = [] if venv == ROOT / ".venv" else [f"VENV={venv}"]
        return subprocess.Popen(
            ["make", "run", f"PORT={self.port}", *elsewhere],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def send(self, number: int) -> None:
        assert self.popen is not None
        os.killpg(self.popen.pid, number)
