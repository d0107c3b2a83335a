"""SDK clients, made once and used again for the same (event loop, kind, address, key, network).

A client is light: it owns no sockets, those belong to the shared transports. So one that falls out of the
cache while an answer still runs on it does no harm.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from portal.providers.errors import ProviderError
from portal.providers.transport import OPEN, Network, Patience, transports

_MOST_CLIENTS = 256


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a vendor. The key is left out of every repr."""

    kind: str
    label: str
    base_url: str
    api_key: str = field(default="", repr=False)
    network: Network = OPEN
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        if self.api_key and not (self.api_key.isascii() and self.api_key.isprintable() and " " not in self.api_key):
            raise ProviderError(
                "The key holds blanks, line breaks or letters that no key has. Copy it again, whole and alone.",
                code="bad_key",
            )

    def identity(self) -> tuple[Hashable, ...]:
        digest = hashlib.sha256(self.api_key.encode()).digest()
        return (self.kind, self.base_url, digest, self.network, self.patience)


class _Clients:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[Hashable, ...], Any] = OrderedDict()

    def waiting(self, access: Access, make: Callable[[httpx2.AsyncClient], Any]) -> Any:
        """The async client of this event loop; ``make`` gets the HTTP client to hand to the SDK."""

        def build() -> Any:
            return make(
                httpx2.AsyncClient(
                    transport=transports.waiting(access.network),
                    timeout=access.patience.timeout(),
                    follow_redirects=False,
                    trust_env=False,
                )
            )

        return self._get((asyncio.get_running_loop(), *access.identity()), build)

    def blocking(self, access: Access, make: Callable[[httpx2.Client], Any]) -> Any:
        """The blocking client of this process, safe to use from several threads."""

        def build() -> Any:
            return make(
                httpx2.Client(
                    transport=transports.blocking(access.network),
                    timeout=access.patience.timeout(),
                    follow_redirects=False,
                    trust_env=False,
                )
            )

        return self._get((os.getpid(), *access.identity()), build)

    def _get(self, key: tuple[Hashable, ...], build: Callable[[], Any]) -> Any:
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        client = build()
        with self._lock:
            client = self._made.setdefault(key, client)
            while len(self._made) > _MOST_CLIENTS:
                self._made.popitem(last=False)
            return client

    def forget(self, loop: asyncio.AbstractEventLoop) -> None:
        """Drop what hangs on this loop, on closed loops and on blocking transports."""
        with self._lock:
            for key in list(self._made):
                owner = key[0]
                if not isinstance(owner, asyncio.AbstractEventLoop) or owner is loop or owner.is_closed():
                    del self._made[key]


clients = _Clients()


async def aclose_all() -> None:
    """Close every connection of this event loop, and the blocking ones. For shutdown and for tests."""
    clients.forget(asyncio.get_running_loop())
    await transports.aclose()
