"""Earlier questions that a person may see: their own, and those of conversations that were shared with them by name."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

import numpy as np
from django.db.models import QuerySet

from assistants.models import QuestionVector
from portal.models import Membership

NEWEST = 100
"""Questions of each kind that are compared."""
SECONDS = 60.0
"""For which they are held, so that typing does not fetch them again with every word."""
MOST_PEOPLE = 64

Held = tuple[list[UUID], np.ndarray]
_held: OrderedDict[tuple[UUID, str], tuple[float, Held]] = OrderedDict()


def asked_before(membership: Membership, space: str, vector: Sequence[float]) -> dict[UUID, float]:
    """Assistant to the greatest cosine of a question that it answered well. Two queries, once a minute."""
    assistants, matrix = _questions(membership, space)
    if not assistants:
        return {}
    best: dict[UUID, float] = {}
    for key, cosine in zip(assistants, (matrix @ np.asarray(vector, np.float32)).tolist(), strict=True):
        best[key] = max(cosine, best.get(key, -1.0))
    return best


def _questions(membership: Membership, space: str) -> Held:
    key, now = (membership.pk, space), time.monotonic()
    since, held = _held.get(key, (0.0, None))
    if held is None or now - since > SECONDS:
        held = _fetched(membership, space)
        _held[key] = now, held
        _held.move_to_end(key)
        while len(_held) > MOST_PEOPLE:
            _held.popitem(last=False)
    return held


def _fetched(membership: Membership, space: str) -> Held:
    good = QuestionVector.objects.filter(
        space=space, well=True, message__conversation__workspace=membership.workspace_id
    )
    own = good.filter(message__author=membership.user_id, message__conversation__owner=membership.user_id)
    shared = good.filter(message__conversation__shared_with=membership.user_id)
    rows = [row for part in (own, shared) for row in _newest(part)]
    matrix = [np.frombuffer(bytes(vector), "<f2").astype(np.float32) for _, vector in rows]
    return [assistant for assistant, _ in rows], np.array(matrix)


def _newest(rows: QuerySet[QuestionVector]) -> QuerySet[QuestionVector, tuple[UUID, bytes | memoryview]]:
    return rows.order_by("-created").values_list("assistant", "vector")[:NEWEST]
