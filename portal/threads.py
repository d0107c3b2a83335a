"""Database work beside the event loop: a few threads of our own, each call with a connection of the pool.

asgiref's thread-sensitive default sends every call of a process through one thread, where questions would queue.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections

P = ParamSpec("P")
T = TypeVar("T")

# Mostly they build queries and rows, where more would only contend for the interpreter; a database of one's own machine
# leaves them no time to wait in.
_THREADS = 2 if settings.PROFILE == "embedded" else 4
_executor = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="database")


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking function that uses the ORM, in the caller's context. Exceptions pass through."""
    context = contextvars.copy_context()

    def run() -> T:
        close_old_connections()
        try:
            return context.run(function, *args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_executor, run)
