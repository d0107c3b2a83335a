"""What an assistant answered well, as one vector: the mean over people of what each asked it.

Each person counts once, however much they ask; of fewer than three nothing is kept, so that nobody's question shows.
``Likeness.updated`` is until when questions were weighed.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from assistants.likeness.collection import answered_space, index_of, point_of
from assistants.likeness.describing import NEVER
from assistants.likeness.questions import unpacked
from assistants.models import Likeness, QuestionVector
from datasources.retrieval.types import Point, Selector
from portal.models import Workspace

LEAST_PEOPLE = 3
NEWEST = 1000
"""Questions of one assistant that are weighed: what it is asked lately says more than what it was asked once."""


def unweighed(workspace: Workspace, space: str) -> list[UUID]:
    """Assistants that were asked something since they were weighed, or that lost some of it."""
    newer = QuestionVector.objects.filter(assistant=OuterRef("assistant"), created__gt=OuterRef("updated"))
    lost = Q(updated=NEVER, answered_count__gt=0)
    rows = Likeness.objects.filter(Exists(newer) | lost, assistant__workspace=workspace, space=space)
    return list(rows.values_list("assistant", flat=True))


def weigh(workspace: Workspace, space: str, size: int, assistants: Sequence[UUID]) -> None:
    """Work out the means of these assistants anew, in SQL and in the index."""
    index, name = index_of(workspace.pk), answered_space(space)
    rows = Likeness.objects.filter(assistant__in=assistants, assistant__workspace=workspace, space=space)
    points: list[Point] = []
    for likeness in rows.select_related("assistant__live").prefetch_related("assistant__owners"):
        weighed = timezone.now()
        mean, count = mean_of(likeness.assistant_id, space)
        vector = b"" if mean is None else np.asarray(mean, "<f4").tobytes()
        Likeness.objects.filter(pk=likeness.pk).update(answered=vector, answered_count=count, updated=weighed)
        if mean is not None:
            points.append(point_of(likeness.assistant, mean.tolist(), ""))
    kept = {point.id for point in points}
    if points:
        index.ensure(name, size)
        index.upsert(name, points)
    if lost := tuple(key for key in assistants if key not in kept):
        index.delete(name, Selector(nodes=lost))


def mean_of(assistant: UUID, space: str) -> tuple[np.ndarray | None, int]:
    """The mean, of unit length, and how many questions are in it; none below three people."""
    newest = QuestionVector.objects.filter(assistant=assistant, space=space, well=True).order_by("-created")
    people: dict[int, list[np.ndarray]] = {}
    for person, vector in newest.values_list(F("message__author"), "vector")[:NEWEST]:
        if person is not None:
            people.setdefault(person, []).append(unpacked(vector))
    if len(people) < LEAST_PEOPLE:
        return None, 0
    mean = np.mean([np.mean(vectors, axis=0) for vectors in people.values()], axis=0)
    length = float(np.linalg.norm(mean))
    return (mean / length if length else None), sum(map(len, people.values()))
