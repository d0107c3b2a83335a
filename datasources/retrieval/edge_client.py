"""The embedded index as the rest of Atrium uses it: a VectorIndex that talks to the index's own process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from datasources.retrieval import wire
from datasources.retrieval.edge_process import EdgeProcess
from datasources.retrieval.filters import for_reader, for_selector, only_workspace
from datasources.retrieval.types import (
    Candidates,
    Filter,
    Hit,
    IndexInfo,
    IndexUnavailable,
    Point,
    QueryTerm,
    Selector,
    StoredPoint,
)
from datasources.retrieval.values import finite, without_workspace

T = TypeVar("T")

BATCH = 32
"""Points in one write: about 8 ms of the engine's time, which is how long a search may have to wait for it."""

WRITE_SECONDS = 120.0
SEARCH_SECONDS = 15.0
PATIENCE = 15.0
"""How long a call waits for a process that is being started again."""


class EdgeIndex:
    """VectorIndex over Qdrant Edge. Starts its process at once; raises IndexLocked or IndexUnavailable."""

    def __init__(self, directory: Path, *, language: str = "english", lock_wait: float = 3.0) -> None:
        self.process = EdgeProcess(directory.absolute(), language=language, lock_wait=lock_wait)
        self._idle: list[socket.socket] = []
        self._guard = threading.Lock()
        self.process.start()

    def for_workspace(self, workspace: UUID) -> EdgeHandle:
        return EdgeHandle(self, workspace)

    def info(self) -> IndexInfo:
        description = self.call(wire.Info(), wire.Description)
        return IndexInfo("edge", description.spaces, " ".join(description.broken.values()))

    def close(self) -> None:
        self.process.close()
        self._drop_idle()

    def call(self, request: wire.Request, kind: type[T], seconds: float = WRITE_SECONDS) -> T:
        """Ask from a thread. What was asked is asked again when the process dies under it: all calls are idempotent."""
        body = wire.encode_request(request)
        deadline = time.monotonic() + PATIENCE
        lost = 0
        while True:
            self.process.wait_ready(max(0.0, deadline - time.monotonic()))
            try:
                return _answer(self._exchange(body, seconds), kind)
            except TimeoutError:
                raise IndexUnavailable(f"The search index did not answer within {seconds:.0f} seconds.") from None
            except OSError as error:
                self._drop_idle()
                lost = _count_loss(lost, error, deadline)
                time.sleep(0.05)

    async def ask(self, request: wire.Request, kind: type[T], seconds: float = SEARCH_SECONDS) -> T:
        """The same from the event loop, which it never blocks."""
        body = wire.encode_request(request)
        deadline = time.monotonic() + PATIENCE
        lost = 0
        while True:
            if not self.process.ready:
                await asyncio.to_thread(self.process.wait_ready, max(0.0, deadline - time.monotonic()))
            try:
                return _answer(await asyncio.wait_for(self._exchange_async(body), seconds), kind)
            except TimeoutError:
                raise IndexUnavailable(f"The search index did not answer within {seconds:.0f} seconds.") from None
            except OSError as error:
                self._drop_idle()
                lost = _count_loss(lost, error, deadline)
                await asyncio.sleep(0.05)

    def _exchange(self, body: bytes, seconds: float) -> bytes:
        with self._connection() as connection:
            connection.settimeout(seconds)
            connection.sendall(body)
            (length,) = wire.HEADER.unpack(_receive(connection, wire.HEADER.size))
            return _receive(connection, length)

    async def _exchange_async(self, body: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        with self._connection() as connection:
            connection.setblocking(False)
            await loop.sock_sendall(connection, body)
            (length,) = wire.HEADER.unpack(await _receive_async(loop, connection, wire.HEADER.size))
            return await _receive_async(loop, connection, length)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[socket.socket]:
        """A connection that nobody else uses; it goes back only after a whole exchange, as half of one can't be told apart."""
        connection = self._take()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._guard:
            self._idle.append(connection)

    def _drop_idle(self) -> None:
        """When one connection breaks, the process has ended, and with it all the others."""
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> socket.socket:
        with self._guard:
            if self._idle:
                return self._idle.pop()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(self.process.socket_path))
        except OSError:
            connection.close()
            raise
        return connection


class EdgeHandle:
    """WorkspaceIndex: see types.py."""

    def __init__(self, index: EdgeIndex, workspace: UUID) -> None:
        self._index, self._workspace = index, workspace

    def ensure(self, space: str, size: int) -> None:
        self._index.call(wire.Ensure(space, size), type(None))

    def upsert(self, space: str, points: Sequence[Point]) -> None:
        for first in range(0, len(points), BATCH):
            batch = [self._point(point) for point in points[first : first + BATCH]]
            self._index.call(wire.Upsert(space, batch, only_workspace(self._workspace)), type(None))

    def delete(self, space: str, selector: Selector) -> None:
        where = for_selector(self._workspace, selector)
        if where is not None:
            self._index.call(wire.Delete(space, where), type(None))

    def set_payload(self, space: str, selector: Selector, payload: Mapping[str, Any]) -> None:
        where = for_selector(self._workspace, selector)
        if where is not None:
            self._index.call(wire.SetPayload(space, where, without_workspace(payload)), type(None))

    def set_payloads(self, space: str, changes: Sequence[tuple[Selector, Mapping[str, Any]]]) -> None:
        found = [(for_selector(self._workspace, selector), without_workspace(payload)) for selector, payload in changes]
        named = [(where, payload) for where, payload in found if where is not None]
        for first in range(0, len(named), BATCH):
            self._index.call(wire.SetPayloads(space, named[first : first + BATCH]), type(None))

    async def search(self, space: str, *, dense: Sequence[float], query: str, filter: Filter, limit: int) -> Candidates:
        where = for_reader(self._workspace, filter)
        if where is None:
            return Candidates()
        vector = finite(dense)
        request = wire.Search(space, wire.pack_vector(vector), query, where, only_workspace(self._workspace), limit)
        return await self._index.ask(request, Candidates)

    async def fetch(
        self, space: str, ids: Sequence[UUID], filter: Filter, *, terms: Sequence[QueryTerm] = ()
    ) -> list[Hit]:
        where = for_reader(self._workspace, filter)
        if where is None or not ids:
            return []
        request = wire.Fetch(space, list(dict.fromkeys(ids)), where, [term.key for term in terms])
        return await self._index.ask(request, list[Hit])

    def scroll(
        self, space: str, selector: Selector, *, with_vectors: bool = False, batch: int = 256
    ) -> Iterator[StoredPoint]:
        where = for_selector(self._workspace, selector)
        offset: UUID | None = None
        while where is not None:
            page = self._index.call(wire.Scroll(space, where, batch, offset, with_vectors), wire.ScrollPage)
            for point in page.points:
                dense = None if point.dense is None else wire.unpack_vector(point.dense)
                yield StoredPoint(point.id, point.payload, dense)
            offset = page.next_offset
            if offset is None:
                return

    def count(self, space: str, selector: Selector) -> int:
        where = for_selector(self._workspace, selector)
        return 0 if where is None else self._index.call(wire.Count(space, where), int)

    def flush(self) -> None:
        self._index.call(wire.Flush(), type(None))

    def _point(self, point: Point) -> wire.WirePoint:
        payload = {**without_workspace(point.payload), "workspace": str(self._workspace)}
        return wire.WirePoint(point.id, wire.pack_vector(finite(point.dense)), point.embed_text, payload)


def _answer(body: bytes, kind: type[T]) -> T:
    status = body[:1]
    if status == wire.OK:
        return wire.decode_answer(body, kind)
    message = wire.decode_message(body)
    raise ValueError(message) if status == wire.INVALID else IndexUnavailable(message)


def _count_loss(lost: int, error: OSError, deadline: float) -> int:
    """Connections that a call has lost so far. Raises IndexUnavailable where it should give up.

    A refused connection may be tried until the deadline; a request under which three processes died is not sent to a fourth.
    """
    if not isinstance(error, (ConnectionRefusedError, FileNotFoundError)):
        lost += 1
    if lost > 2 or time.monotonic() > deadline:
        raise IndexUnavailable("The search index stopped while it was asked. It is being started again.") from error
    return lost


def _receive(connection: socket.socket, length: int) -> bytes:
    data = bytearray(length)
    view = memoryview(data)
    filled = 0
    while filled < length:
        count = connection.recv_into(view[filled:])
        if count == 0:
            raise ConnectionResetError("the index closed the connection")
        filled += count
    return bytes(data)


async def _receive_async(loop: asyncio.AbstractEventLoop, connection: socket.socket, length: int) -> bytes:
    data = bytearray(length)
    view = memoryview(data)
    filled = 0
    while filled < length:
        count = await loop.sock_recv_into(connection, view[filled:])
        if count == 0:
            raise ConnectionResetError("the index closed the connection")
        filled += count
    return bytes(data)
