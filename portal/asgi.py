"""HTTP and WebSocket behind one server. Sockets check Origin and sign-in before a consumer sees them."""

import asyncio
import gc
import os
import sys
import uuid
import warnings
from collections.abc import Awaitable, Callable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

try:
    django_application = get_asgi_application()
except ImproperlyConfigured as error:
    sys.exit(f"Atrium can't start: {error}")

import structlog
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings

from portal import postgres
from portal.embedded import CannotStart, claim_data, is_launched
from portal.reaching import Unreachable, reach_database
from portal.registry import registries
from portal.urls import websocket_urlpatterns

log = structlog.get_logger(__name__)
# WhiteNoise hands small files over in one piece; reading them in a thread, as Django then does, is what we want.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")


async def lifespan(
    scope: dict, receive: Callable[[], Awaitable[dict]], send: Callable[[dict], Awaitable[None]]
) -> None:
    """Warm up before the first request is taken; on the way down, let go of vendors and the index."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await _start_up()
            except Exception as error:
                log.error(
                    "start-up failed", error=str(error), exc_info=not isinstance(error, CannotStart | Unreachable)
                )
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await _shut_down()
            await send({"type": "lifespan.shutdown.complete"})
            return


SWITCH = 0.001
"""Seconds after which a thread that computes lets the event loop go on; Python's own 0.005 is felt in every answer."""


async def _start_up() -> None:
    sys.setswitchinterval(SWITCH)
    if settings.PROFILE == "embedded":
        _need_services()
        claim_data()
    await asyncio.to_thread(reach_database)
    for _, warm_up in registries.warm_ups.items():  # noqa: PERF102  not a dict: in order of weight
        if asyncio.iscoroutinefunction(warm_up):
            await warm_up()
        else:
            await asyncio.to_thread(warm_up)
    # What is there now stays: collections need not look through it again, which would hold up every answer at once.
    gc.collect()
    gc.freeze()


def _need_services() -> None:
    """A web process outside the launcher's tree has no database, worker or clock of its own to fall back on."""
    if not (is_launched() or postgres.is_used_here()):
        raise CannotStart(
            f"A web process of its own also needs {', '.join(settings.MISSING_SERVICES)}; `make run` starts everything in one."
        )


async def _shut_down() -> None:
    for name, shut_down in reversed(registries.shut_downs.items()):
        try:
            if asyncio.iscoroutinefunction(shut_down):
                await shut_down()
            else:
                await asyncio.to_thread(shut_down)
        except Exception:
            log.exception("shut-down failed", part=name)


_sockets = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))


async def sockets(scope: dict, receive: Callable[[], Awaitable[dict]], send: Callable[[dict], Awaitable[None]]) -> None:
    """Every line that is logged on behalf of a socket carries an id of it."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(socket=uuid.uuid4().hex[:12])
    await _sockets(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": sockets,
        "lifespan": lifespan,
    }
)
