"""The services profile with real processes: web, worker and beat as an operator starts them, on services of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import httpx
import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
LEASE_SECONDS = 4
DUE_SECONDS = 2


def clean_environment(**more: str) -> dict[str, str]:
    """What an operator's shell has, and nothing of the tests' own settings."""
    ours = ("ATRIUM_", "DJANGO_", "PYTEST_", "COV_")
    named = {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "QDRANT_URL", "QDRANT_API_KEY", "PORT", "FOLDER"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours) and k not in named}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true value of ``condition``; fails with ``what`` did not happen."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"Not within {seconds:.0f} s: {what}"
        time.sleep(0.1)
    return value


@contextlib.contextmanager
def database(admin_url: str, template: str = "") -> Iterator[str]:
    """The address of a fresh database on that server, empty or a copy of another; dropped at the end."""
    name = f"atrium_services_{uuid4().hex[:12]}"
    made = sql.SQL("create database {}").format(sql.Identifier(name))
    if template:
        made += sql.SQL(" template {}").format(sql.Identifier(urlsplit(template).path.lstrip("/")))
    with psycopg.connect(admin_url, autocommit=True) as server:
        server.execute(made)
    try:
        yield urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(admin_url, autocommit=True) as server:
            server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@dataclass
class Process:
    """One of the installation's processes; ``log`` is what it wrote."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    url: str = ""

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        """As a power cut would."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, seconds: float = 20.0) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        return self.popen.returncode

    def tail(self, lines: int = 30) -> str:
        return "\n".join([f"---- {self.name} ----", *self.log.read_text(errors="replace").splitlines()[-lines:]])


@dataclass
class Api:
    """Calls below one workspace, with one key, at one of the web processes."""

    base: str
    slug: str
    key: str

    def address(self, path: str) -> str:
        return f"{self.base}/api/v1/workspaces/{self.slug}/{path}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(method, self.address(path), json=body, headers=self.headers, timeout=60)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body if body is not None else {})

    def events(self, method: str, path: str, body: Any = None) -> Iterator[dict[str, Any]]:
        """Server-sent events as they come."""
        headers = {**self.headers, "Accept": "text/event-stream"}
        with httpx.stream(method, self.address(path), json=body, headers=headers, timeout=60) as answer:
            assert answer.status_code == 200, answer.read()
            event: dict[str, Any] = {}
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "data":
                    event["data"] = json.loads(value)
                elif name == "id":
                    event["seq"] = int(value)
                elif name == "event":
                    event["type"] = value
                elif not line and event:
                    yield event
                    event = {}


@dataclass
class Stack:
    """``environment`` is what every process of the installation gets."""

    logs: Path
    environment: dict[str, str]
    processes: list[Process] = field(default_factory=list)

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout.strip()

    def start(self, name: str, *command: str, url: str = "") -> Process:
        log = self.logs / f"{name}-{len(self.processes)}.log"
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [str(BIN / command[0]), *command[1:]], cwd=ROOT, env=self.environment, stdout=out, stderr=out
            )
        process = Process(name, popen, log, url)
        self.processes.append(process)
        return process

    def web(self, name: str) -> Process:
        port = free_port()
        command = ("uvicorn", "portal.asgi:application", "--host", "127.0.0.1", "--port", str(port))
        return self.start(name, *command, url=f"http://127.0.0.1:{port}")

    def worker(self, name: str) -> Process:
        options = ("--pool", "threads", "--concurrency", "4", "--hostname", f"{name}@%h")
        return self.start(name, "celery", "-A", "portal", "worker", *options)

    def beat(self) -> Process:
        return self.start("beat", "celery", "-A", "portal", "beat", "--scheduler", "celery.beat:Scheduler")

    def wait_ready(self, web: Process, seconds: float = 60.0) -> None:
        def ready() -> bool:
            assert web.popen.poll() is None, web.tail()
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{web.url}/readyz", timeout=10).status_code == 200
            return False

        until(ready, seconds, f"{web.name} is ready\n{web.tail()}")

    def close(self) -> None:
        for process in self.processes:
            process.send(signal.SIGCONT) if process.popen.poll() is None else None
            process.popen.kill()
        for process in self.processes:
            process.popen.wait()

    def tails(self) -> str:
        return "\n".join(process.tail() for process in self.processes)
