"""Tell those who watch a source that something changed. The notice carries nothing: whoever gets it asks for progress.

Notices may be lost, and are told at most every half second; a client that hears nothing polls.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from uuid import UUID

import structlog
from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer

log = structlog.get_logger(__name__)

LEAST_SECONDS = 0.5
_serving: asyncio.AbstractEventLoop | None = None


def group_of(source: UUID) -> str:
    """The channel-layer group that hears ``{"type": "source.changed", "source": id}``."""
    return f"source-{source}"


async def remember_loop() -> None:
    """Called once in the serving process: its in-memory channel layer may only be used on its own event loop."""
    global _serving
    _serving = asyncio.get_running_loop()


class Notices:
    """``changed`` as often as one likes; what follows too fast upon another is left out, unless it ``must`` be told."""

    def __init__(self, source: UUID) -> None:
        self._source = source
        self._last = 0.0

    def changed(self, *, must: bool = False) -> None:
        now = time.monotonic()
        if must or now - self._last >= LEAST_SECONDS:
            self._last = now
            tell(self._source)


def tell(source: UUID) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    message = {"type": "source.changed", "source": str(source)}
    if _serving is not None and _serving.is_running():
        sent = asyncio.run_coroutine_threadsafe(layer.group_send(group_of(source), message), _serving)
        sent.add_done_callback(_log_failure)
    elif not isinstance(layer, InMemoryChannelLayer):
        try:
            async_to_sync(layer.group_send)(group_of(source), message)
        except Exception as error:  # noqa: BLE001  the layer's own errors are its backend's; watchers poll meanwhile
            log.warning("a notice could not be sent", source=str(source), error=str(error))


def _log_failure(sent: Future[None]) -> None:
    if not sent.cancelled() and (error := sent.exception()) is not None:
        log.warning("a notice could not be sent", error=str(error))
