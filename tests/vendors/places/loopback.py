"""What every vendor's loopback server shares: a thread of its own, a log of what was asked, and ways to break.

class SlackServer(Loopback):
    def routes(self):
        return [web.post("/api/conversations.list", self.handle(self.conversations_list))]

    async def conversations_list(self, request): ...           # an aiohttp response

with SlackServer() as server:
    server.base_url                                            # give this to the connector as config.base_url
    server.requests                                            # [(method, path with query)] in order
    server.refuse(after=3, status=429, headers={"Retry-After": "7"})    # the 4th request from now on gets it, once
    server.refuse(after=3, status=503, times=None)             # … and all that follow, until ``heal``
    server.cut(after=3)                                        # the 4th request from now on, and all later: connection cut
    server.revoke()                                            # every call is unauthorised, as this vendor says it
    server.heal()
server.when(5, child.kill)                                 # called as the 5th request from now on comes in, before its answer
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Trouble:
    """From the request numbered ``after`` (counted from now, 0 the next) on, ``times`` requests (None: all) go wrong."""

    after: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    times: int | None = 1
    path: str = ""


class Loopback:
    """``with`` starts it. Handlers run on its own loop; what tests change meanwhile are plain attributes."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[tuple[str, str]] = []
        self.keep_requests = True
        self.keep_queries = True
        self.revoked = False
        self.delay = 0.0
        self._trouble: list[Trouble] = []
        self._calls: dict[int, Callable[[], None]] = {}
        self._came = 0
        self._port = port
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # what a vendor fills in

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    def error(self, status: int, headers: dict[str, str]) -> web.Response:
        """An error as this vendor words it (401, 403, 404, 429, 500, 503 …)."""
        return web.json_response({"error": f"status {status}"}, status=status, headers=headers)

    # what tests use

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def refuse(
        self,
        status: int,
        *,
        after: int = 0,
        headers: dict[str, str] | None = None,
        times: int | None = 1,
        path: str = "",
    ) -> None:
        """``path``: only requests whose path contains it count and fail."""
        self._trouble.append(Trouble(after, status, headers or {}, times, path))

    def cut(self, *, after: int = 0, times: int | None = None, path: str = "") -> None:
        self._trouble.append(Trouble(after, 0, {}, times, path))

    def when(self, number: int, call: Callable[[], None]) -> None:
        """``number``: counted from now, 1 the next. Called on the server's own thread."""
        self._calls[self._came + number] = call

    def revoke(self) -> None:
        self.revoked = True

    def heal(self) -> None:
        self._trouble.clear()
        self.revoked = False

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

    def handle(self, handler: Handler) -> Handler:
        """The handler, behind the log and the trouble."""

        async def handled(request: web.Request) -> web.StreamResponse:
            if self.keep_requests:
                self.requests.append((request.method, request.path_qs if self.keep_queries else request.path))
            self._came += 1
            if call := self._calls.pop(self._came, None):
                call()
            if self.delay:
                await asyncio.sleep(self.delay)
            trouble = self._due(request.path)
            if trouble is not None and trouble.status == 0:
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionResetError
            if trouble is not None:
                return self.error(trouble.status, trouble.headers)
            if self.revoked:
                return self.error(401, {})
            return await handler(request)

        return handled

    def _due(self, path: str) -> Trouble | None:
        found = None
        for trouble in list(self._trouble):
            if trouble.path not in path:
                continue
            if trouble.after > 0:
                trouble.after -= 1
                continue
            found = found or trouble
            if trouble.times is not None:
                trouble.times -= 1
                if trouble.times == 0:
                    self._trouble.remove(trouble)
        return found

    def _run(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        app: Any = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes(self.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", self._port, backlog=1024)
        loop.run_until_complete(site.start())
        self._port = runner.addresses[0][1]
        self._ready.set()
        loop.run_forever()
        loop.run_until_complete(_end(asyncio.all_tasks(loop)))
        loop.run_until_complete(runner.cleanup())
        loop.close()


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    """Handlers that still wait (``delay``) would hold up the end of the server."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
