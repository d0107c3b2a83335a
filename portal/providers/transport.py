"""How a call leaves the house: HTTP transports that ask a ``Network`` where they may connect.

People type base URLs, so an address may point inside. The floor above supplies a ``Network`` (``portal/net.py``)
that decides; here every connection obeys it, also after DNS: what ``addresses`` returned is what is dialled,
so a name cannot resolve to one thing for the check and to another for the call. Redirects are never followed.
A proxy named by the environment is not used.

    class Pinned:                                      # what portal/net.py writes
        def check(self, url: str) -> None: ...         # raise AddressRefused("… is a private address. …")
        def addresses(self, host: str, port: int) -> list[str]: ...

    registry.chat_model("openai_compatible", model, key, base_url, network=Pinned(...))
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import aiohttp
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult

_KEEPALIVE_SECONDS = 30
_CONNECT_SECONDS = 10


class AddressRefused(Exception):
    """Our own rules forbid an address; the message says to a person which rule and what to do."""


class Network(Protocol):
    """Where calls may go. One object for each set of rules; it must be hashable (identity will do)."""

    def __hash__(self) -> int: ...

    def check(self, url: str) -> None:
        """Raise ``AddressRefused`` if the URL's scheme or its literal address is not allowed.

        Runs on the event loop before every call: no DNS, nothing that blocks.
        """
        ...

    def addresses(self, host: str, port: int) -> Sequence[str] | None:
        """The IP addresses to connect to, all of them allowed; None leaves it to the system.

        May block (it runs in a thread). Raises ``AddressRefused``, or ``OSError`` for an unknown name.
        """
        ...


class OpenNetwork:
    """Any HTTP address: for the vendors' own addresses and for tests."""

    def check(self, url: str) -> None:
        if httpx2.URL(url).scheme not in ("http", "https"):
            raise AddressRefused("An address of a model server starts with https:// (or http://).")

    def addresses(self, host: str, port: int) -> Sequence[str] | None:
        return None


OPEN = OpenNetwork()


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: without a single byte (a stall), and the longest wait before a retry of our own.

    ``retries``: how many more times a call is made that failed before its first token.
    """

    stall: float = 60.0
    longest_wait: float = 5.0
    retries: int = 2

    def timeout(self) -> httpx2.Timeout:
        return httpx2.Timeout(self.stall)


@lru_cache(maxsize=1)
def ssl_context() -> ssl.SSLContext:
    """One for all connections: building it costs tens of milliseconds."""
    return httpx2.create_ssl_context()


class _NetworkResolver(AbstractResolver):
    def __init__(self, network: Network) -> None:
        self.network = network
        self.fallback = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await asyncio.to_thread(self.network.addresses, host, port)
        if addresses is None:
            return await self.fallback.resolve(host, port, family)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        await self.fallback.close()


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """httpx2 on top of aiohttp, several times faster for streams of small pieces than its own engine.

    The SDKs carry such a transport in private modules, without a way to pin addresses; Mistral's has none.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0,
                ssl=ssl_context(),
                resolver=_NetworkResolver(self.network),
                keepalive_timeout=_KEEPALIVE_SECONDS,
            )
            # Workspaces share this session, so it must not remember cookies.
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.network.check(str(request.url))
        body = await request.aread()
        given = request.extensions.get("timeout", {})
        with _as_httpx2_errors():
            response = await self.session().request(
                request.method,
                str(request.url),
                headers=request.headers,
                data=body or None,
                allow_redirects=False,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=given.get("read")),
            )
        return httpx2.Response(
            response.status, headers=list(response.raw_headers), stream=_Body(response), request=request
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx2_errors():
            # Whatever has come so far in one piece: a reader that is late catches up at once. While it is away nothing is
            # taken from the socket, so that many small pieces wake nobody.
            async for piece in self.response.content.iter_any():
                connection = self.response.connection
                protocol = connection.protocol if connection is not None else None
                if protocol is not None:
                    protocol.pause_reading()
                yield piece
                if protocol is not None:
                    protocol.resume_reading()

    async def aclose(self) -> None:
        if self.response.content.at_eof():
            self.response.release()
        else:
            self.response.close()


@contextmanager
def _as_httpx2_errors() -> Iterator[None]:
    try:
        yield
    except aiohttp.ConnectionTimeoutError as exc:
        raise httpx2.ConnectTimeout(str(exc)) from exc
    except TimeoutError as exc:  # aiohttp's own time-outs derive from it
        raise httpx2.ReadTimeout(str(exc)) from exc
    except aiohttp.ClientConnectorError as exc:
        raise httpx2.ConnectError(str(exc)) from exc
    except aiohttp.InvalidURL as exc:
        raise httpx2.UnsupportedProtocol(str(exc)) from exc
    except (aiohttp.ClientError, OSError) as exc:
        raise httpx2.ReadError(str(exc)) from exc


class PinnedTransport(httpx2.BaseTransport):
    """The blocking one: connects to the addresses that the network gave, and keeps the name for TLS and Host."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._inner = httpx2.HTTPTransport(verify=ssl_context(), limits=httpx2.Limits(max_connections=None))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.network.check(str(request.url))
        request.extensions = {
            **request.extensions,
            "timeout": {**request.extensions.get("timeout", {}), "connect": _CONNECT_SECONDS},
        }
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            addresses = self.network.addresses(host, port)
        except OSError as exc:
            raise httpx2.ConnectError(f"{host}: {exc}") from exc
        if addresses is None:
            return self._inner.handle_request(request)
        return self._first_that_answers(request, host, addresses)

    def _first_that_answers(self, request: httpx2.Request, host: str, addresses: Sequence[str]) -> httpx2.Response:
        failure: httpx2.TransportError = httpx2.ConnectError(f"{host} has no address")
        for address in addresses:
            pinned = httpx2.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,  # has Host already
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return self._inner.handle_request(pinned)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as exc:
                failure = exc
        raise failure

    def close(self) -> None:
        self._inner.close()


class _Transports:
    """One transport for each (event loop, network), and one blocking one for each (process, network)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[asyncio.AbstractEventLoop, Network], AiohttpTransport] = {}
        self._blocking: dict[tuple[int, Network], PinnedTransport] = {}

    def waiting(self, network: Network) -> AiohttpTransport:
        key = (asyncio.get_running_loop(), network)
        with self._lock:
            if key not in self._waiting:
                for old in [k for k in self._waiting if k[0].is_closed()]:
                    del self._waiting[old]
                self._waiting[key] = AiohttpTransport(network)
            return self._waiting[key]

    def blocking(self, network: Network) -> PinnedTransport:
        key = (os.getpid(), network)  # sockets must not be shared across a fork
        with self._lock:
            if key not in self._blocking:
                self._blocking[key] = PinnedTransport(network)
            return self._blocking[key]

    async def aclose(self) -> None:
        loop = asyncio.get_running_loop()
        with self._lock:
            mine = [self._waiting.pop(key) for key in list(self._waiting) if key[0] is loop]
            blocking = list(self._blocking.values())
            self._blocking.clear()
        for transport in mine:
            await transport.aclose()
        for transport_ in blocking:
            transport_.close()


transports = _Transports()
