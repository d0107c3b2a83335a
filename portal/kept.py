"""What takes long to work out is kept for a while in the cache, and says how old it is. What is quick is always fresh."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from django.core.cache import cache
from django.utils import timezone

T = TypeVar("T")

SLOW = 0.03
"""Seconds from which a result is kept, where it took so long twice: the first time may be cold caches alone."""


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """``at``: when it was worked out. ``old``: not just now, so that a page says when."""

    value: T
    at: datetime
    old: bool = False


def kept(key: str, make: Callable[[], T], *, seconds: int = 300, slow: float | None = None) -> Kept[T]:
    """The value under this key, made anew where none is kept. The key has to name the workspace, and who may see it."""
    found: tuple[T, datetime] | None = cache.get(key)
    if found is not None:
        return Kept(*found, old=True)
    began = time.monotonic()
    made = Kept(make(), timezone.now())
    if time.monotonic() - began >= (SLOW if slow is None else slow):
        again = not cache.add(f"{key}:slow", True, seconds)
        if again:
            cache.set(key, (made.value, made.at), seconds)
    return made
