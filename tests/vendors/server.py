"""Loopback servers that speak the vendors' real wire formats, for tests and for bench.

    from tests.vendors.openai import OpenAIServer
    from tests.vendors.server import Script

    @pytest.fixture
    def vendor():
        with OpenAIServer() as server:          # own thread, own event loop, a free port
            yield server

    vendor.base_url                             # give this to the adapter
    vendor.script = Script(text="Hello there")  # what every call gets from now on
    vendor.script = Script(tokens=200, delay=0.005, first_delay=0.05)
    vendor.script = Script(text=lambda body: body["messages"][-1]["content"].upper())
    vendor.then(Script(status=429, headers={"Retry-After": "1"}), Script(text="now"))  # one call each, in order
    vendor.then(Script(text="a b c d", stall_after=2))     # two pieces, then silence
    vendor.then(Script(text="a b c d", break_after=2))     # two pieces, then the connection is cut
    vendor.then(Script(text="a b c d", garbage_after=2))   # two pieces, then what is not JSON
    vendor.requests[-1].body["messages"], vendor.requests[-1].headers["authorization"]

A reply is sent in pieces of one word, each in one event and one write. For bench, where the server must not
share an interpreter with its client: ``with in_a_process("tests.vendors.openai", tokens=200, delay=0.005) as url``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from aiohttp import web

_WORDS = re.compile(r"\s*\S+\s*$|\s*\S+")


@dataclass(frozen=True)
class Script:
    """What one call gets. ``status`` other than 200 sends ``error`` (the vendor's usual body if None)."""

    text: str | Callable[[dict[str, Any]], str] = ""
    tokens: int = 20
    first_delay: float = 0.0
    delay: float = 0.0
    status: int = 200
    error: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    stall_after: int | None = None
    break_after: int | None = None
    garbage_after: int | None = None
    garbage: bytes = b"data: {this is not json\n\n"
    error_after: int | None = None
    finish: str | None = "stop"
    end_mark: bool = True
    usage: bool = True

    def pieces(self, body: dict[str, Any]) -> list[str]:
        text = self.text(body) if callable(self.text) else self.text
        if not text:
            return [f"token{i} " for i in range(self.tokens)]
        return _WORDS.findall(text)


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class VendorServer:
    """Base of the vendors. ``with`` starts it in a thread of its own; ``base_url`` is where it listens."""

    path: ClassVar[str] = ""

    def __init__(self, script: Script | None = None, port: int = 0) -> None:
        self.script = script or Script(text="The answer is forty-two.")
        self.requests: list[Received] = []
        self.models: list[Any] = []
        self.keep_requests = True
        self.open_streams = 0
        self._queue: deque[Script] = deque()
        self._port = port
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # what a vendor fills in

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    def error_body(self, status: int) -> Any:
        raise NotImplementedError

    def opening(self, body: dict[str, Any]) -> bytes:
        return b""

    def event(self, piece: str) -> bytes:
        raise NotImplementedError

    def error_event(self) -> bytes:
        raise NotImplementedError

    def ending(self, script: Script, body: dict[str, Any], count: int) -> bytes:
        raise NotImplementedError

    # what tests use

    def then(self, *scripts: Script) -> None:
        """Scripts for the next calls, one each; after them ``script`` holds again."""
        self._queue.extend(scripts)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}{self.path}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("The vendor's server did not start")
        return self

    def __exit__(self, *exc: object) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    # inside

    def _run(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.1)
        loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", self._port, backlog=1024)
        loop.run_until_complete(site.start())
        self._port = runner.addresses[0][1]
        self._ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(self.routes())
        return app

    async def received(self, request: web.Request) -> tuple[dict[str, Any], Script, web.Response | None]:
        """The call's body, its script, and the refusal if the script holds one."""
        raw = await request.read()
        body = json.loads(raw) if raw else {}
        if self.keep_requests:
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.requests.append(Received(request.path, headers, body))
        script = self._queue.popleft() if self._queue else self.script
        if script.status == 200:
            return body, script, None
        if isinstance(script.error, (str, bytes)):
            text = script.error if isinstance(script.error, str) else script.error.decode()
            return body, script, web.Response(status=script.status, text=text, headers=script.headers)
        error = self.error_body(script.status) if script.error is None else script.error
        return body, script, web.json_response(error, status=script.status, headers=script.headers)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body, script, refused = await self.received(request)
        if refused is not None:
            return refused
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", **script.headers})
        self.open_streams += 1
        try:
            await response.prepare(request)
            await self._write(request, response, script, body)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client went away, which some tests want
        finally:
            self.open_streams -= 1
        return response

    async def _write(
        self, request: web.Request, response: web.StreamResponse, script: Script, body: dict[str, Any]
    ) -> None:
        due = asyncio.get_running_loop().time() + script.first_delay
        if opening := self.opening(body):
            await response.write(opening)
        pieces = script.pieces(body)
        for count, piece in enumerate([*pieces, None]):
            if script.stall_after == count:
                await _until_gone(request)
                return
            if script.break_after == count and request.transport is not None:
                await asyncio.sleep(0.02)
                request.transport.abort()
                return
            if script.garbage_after == count:
                await response.write(script.garbage)
            if script.error_after == count:
                await response.write(self.error_event())
                return
            if piece is None:
                break
            wait = due - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
            due += script.delay
            await response.write(self.event(piece))
        await response.write(self.ending(script, body, len(pieces)))
        await response.write_eof()


async def _until_gone(request: web.Request) -> None:
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.02)


def data(value: Any, event: str = "") -> bytes:
    """One server-sent event."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def serve(server_class: type[VendorServer], arguments: list[str]) -> None:
    """``python -m tests.vendors.<vendor> --tokens 200 --delay 0.005``: prints its address, runs until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--first-delay", type=float, default=0.0)
    given = parser.parse_args(arguments)
    script = Script(tokens=given.tokens, delay=given.delay, first_delay=given.first_delay)
    server = server_class(script, given.port)
    server.keep_requests = False
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    with server:
        sys.stdout.write(server.base_url + "\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)


@contextlib.contextmanager
def in_a_process(module: str, *, tokens: int = 200, delay: float = 0.0, first_delay: float = 0.0) -> Iterator[str]:
    """The base URL of a server in a process of its own, for measuring."""
    command = [sys.executable, "-m", module, "--tokens", str(tokens), "--delay", str(delay)]
    process = subprocess.Popen([*command, "--first-delay", str(first_delay)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise RuntimeError(f"{module} did not start")
        yield address
    finally:
        process.kill()
        process.wait()
