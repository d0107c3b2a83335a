"""Questions that people asked assistants by hand, as vectors. Kept by a worker once their answers have ended.

``QuestionVector.message`` is the question. ``well``: an answer to it was found in the sources, and no thumb is down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import numpy as np
from django.db import connection
from django.utils import timezone

from assistants.likeness.embedding import embedded
from assistants.models import Message, QuestionVector, UseDay
from datasources import reading
from portal.models import Workspace
from portal.providers.types import Embedder

BATCH = 64
CHARACTERS = 2000
"""As many as are read of what a person types: what was embedded then is what is compared."""
KEPT_DAYS = 90
"""How long a question's vector is kept: long enough for what an assistant is asked in a quarter."""

# One row a question: of several answers the first, as its assistant is the one that was asked. A thumb of anybody counts.
_UNKEPT = """
SELECT DISTINCT ON (answer.parent_id) answer.parent_id, answer.assistant_id
FROM unnest(%(assistants)s::uuid[]) AS used (id)
CROSS JOIN LATERAL (
    SELECT m.id, m.parent_id, m.assistant_id, m.created FROM assistants_message m
    JOIN assistants_message asked ON asked.id = m.parent_id AND asked.role = 'user'
    WHERE m.assistant_id = used.id AND m.role = 'assistant' AND m.via = 'portal' AND m.created >= %(since)s
      AND m.status = 'completed' AND m.parent_id IS NOT NULL
      AND NOT EXISTS (
          SELECT 1 FROM assistants_questionvector v WHERE v.message_id = m.parent_id AND v.space = %(space)s)
    ORDER BY m.created DESC LIMIT %(limit)s
) answer
ORDER BY answer.parent_id, answer.created
LIMIT %(limit)s
"""
_WELL = """
UPDATE assistants_questionvector v SET well = now.well
FROM (
    SELECT q.message_id AS id,
        EXISTS (SELECT 1 FROM assistants_message m WHERE m.parent_id = q.message_id
                AND m.assistant_id = q.assistant_id AND m.status = 'completed' AND m.found)
        AND NOT EXISTS (SELECT 1 FROM assistants_message m JOIN assistants_feedback f ON f.message_id = m.id
                        WHERE m.parent_id = q.message_id AND m.assistant_id = q.assistant_id AND NOT f.up) AS well
    FROM assistants_questionvector q WHERE q.message_id = ANY(%s)
) now
WHERE v.message_id = now.id AND v.well <> now.well
RETURNING v.assistant_id
"""


def used_lately(workspace: Workspace, days: int) -> list[UUID]:
    """Assistants that somebody asked by hand in the last so many days, today included."""
    since = timezone.localdate() - timedelta(days=days)
    used = UseDay.objects.filter(workspace=workspace, day__gte=since, assistant__isnull=False)
    return list(used.order_by().values_list("assistant", flat=True).distinct())


def kept_any(workspace: Workspace, space: str) -> bool:
    return QuestionVector.objects.filter(assistant__workspace=workspace, space=space).exists()


def unkept(assistants: Sequence[UUID], space: str, days: int, limit: int) -> list[tuple[UUID, UUID]]:
    """(question, assistant) of answers of the last so many days whose question has no vector of this space yet."""
    with connection.cursor() as cursor:
        since = timezone.now() - timedelta(days=days)
        cursor.execute(_UNKEPT, {"assistants": list(assistants), "since": since, "space": space, "limit": limit})
        return cursor.fetchall()


def keep(workspace: Workspace, questions: Sequence[tuple[UUID, UUID]]) -> int:
    """Embed and keep these (question, assistant); gives how many. What is kept already in another space is replaced."""
    embedder = reading.embedder_for(workspace)
    return sum(_keep(workspace, embedder, questions[at : at + BATCH]) for at in range(0, len(questions), BATCH))


def _keep(workspace: Workspace, embedder: Embedder, questions: Sequence[tuple[UUID, UUID]]) -> int:
    asked = dict(questions)
    rows = Message.objects.filter(pk__in=asked, conversation__workspace=workspace).values_list("pk", "content")
    texts = {key: text.strip()[:CHARACTERS] for key, text in rows if text.strip()}
    made = embedded(workspace, embedder, list(texts.values()))
    # What the model refuses is like nothing, and is not asked for again.
    nothing = [0.0] * embedder.size
    vectors = [
        QuestionVector(message_id=key, assistant_id=asked[key], space=embedder.space, vector=packed(vector or nothing))
        for key, vector in zip(texts, made, strict=True)
    ]
    QuestionVector.objects.bulk_create(
        vectors,
        update_conflicts=True,
        unique_fields=["message"],
        update_fields=["assistant", "space", "vector", "created"],
    )
    judge(texts)
    return len(vectors)


def judge(questions: Iterable[UUID]) -> set[UUID]:
    """Say anew which of these were answered well; gives the assistants of those where that changed. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_WELL, [list(questions)])
        return {key for (key,) in cursor.fetchall()}


def packed(vector: Sequence[float]) -> bytes:
    """As it is stored: half the precision is more than a cosine needs."""
    return np.asarray(vector, "<f2").tobytes()


def unpacked(stored: bytes | memoryview) -> np.ndarray:
    return np.frombuffer(bytes(stored), "<f2").astype(np.float32)


def forget_old() -> int:
    """Vectors of questions that were asked too long ago to say what an assistant is good for."""
    old = QuestionVector.objects.filter(created__lt=timezone.now() - timedelta(days=KEPT_DAYS))
    return old.delete()[0]
