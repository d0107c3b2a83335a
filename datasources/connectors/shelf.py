"""Texts that a listing has read anyway, kept for the fetch that follows, up to a bound."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict

from datasources.connectors.base import RemoteNode

MOST_BYTES = 32 * 1024 * 1024
_OVERHEAD = 400


class Shelf:
    """Version and compressed text by external id. Without it what was listed would be asked for twice.

    What does not fit pushes out what was put first; it is then fetched from the vendor.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._texts: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._bytes = 0

    def put(self, node: RemoteNode, text: str) -> None:
        packed = zlib.compress(text.encode("utf-8", "surrogatepass"), 1)
        with self._lock:
            self._drop(node.external_id)
            self._texts[node.external_id] = (node.version, packed)
            self._bytes += len(packed) + _OVERHEAD
            while self._bytes > self._most:
                self._drop(next(iter(self._texts)))

    def take(self, node: RemoteNode) -> str | None:
        """The text of this version of the node, once."""
        with self._lock:
            version, packed = self._texts.get(node.external_id, ("", b""))
            if not node.version or version != node.version:
                return None
            self._drop(node.external_id)
        return zlib.decompress(packed).decode("utf-8", "surrogatepass")

    def _drop(self, external_id: str) -> None:
        if external_id in self._texts:
            self._bytes -= len(self._texts.pop(external_id)[1]) + _OVERHEAD
