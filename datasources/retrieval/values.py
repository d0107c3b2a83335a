"""Checks and names that both indexes share."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from datasources.retrieval.types import Scored

_ASIDE = "aside-"


def aside(what: str, space: str) -> str:
    """The name of a collection of something else than passages, with the vectors of the same embedding model."""
    return f"{_ASIDE}{what}-{space}"


def is_aside(space: str) -> bool:
    """Whether it holds no passages, by its name or that of its collection: what follows a source passes it over."""
    return space.removeprefix("atrium-").startswith(_ASIDE)


def collection_name(space: str) -> str:
    """A name that every file system and Qdrant take, and that no other space gets."""
    digest = hashlib.sha256(space.encode()).hexdigest()[:10]
    return f"{re.sub(r'[^A-Za-z0-9-]+', '-', space).strip('-')[:60]}-{digest}"


def without_workspace(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ValueError where a caller tries to choose the workspace: that is the handle's alone."""
    if "workspace" in payload:
        raise ValueError("A payload must not name the workspace: the handle adds its own.")
    return dict(payload)


def finite(vector: Sequence[float]) -> Sequence[float]:
    """Raises ValueError for a vector with NaN or infinity in it, which would poison every later search."""
    if not math.isfinite(sum(vector)):
        raise ValueError("A vector holds a value that is not a finite number; the embedding model returned garbage.")
    return vector


def only_in(first: Sequence[Scored], second: Sequence[Scored]) -> list[UUID]:
    have = {hit.id for hit in second}
    return [hit.id for hit in first if hit.id not in have]


def best_first(hits: Sequence[Scored]) -> list[Scored]:
    """By score, equal ones by id, so that the order never flickers."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))
