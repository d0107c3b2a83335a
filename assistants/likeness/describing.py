"""What each assistant does, as a point in the index. Blocking; workers call it.

``Likeness.described`` is the id of the live version and the hash of what was embedded, 32 hexadecimal digits each: the first
tells by SQL alone who has to be looked at, the second that nothing has to be embedded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet, TextField, Value
from django.db.models.functions import Cast, Left, Replace

from assistants.likeness.collection import answered_space, does_space, index_of, payload_of, point_of
from assistants.likeness.embedding import embedded
from assistants.models import Assistant, AssistantVersion, Likeness
from datasources import reading
from datasources.retrieval.types import Selector
from portal.models import Workspace
from portal.providers.types import Embedder

BATCH = 64
CHARACTERS = 4000
"""Of a text that are looked at: more than the local model's window holds, and enough to tell what an assistant does."""
ENOUGH = 120
"""Characters of name, description and starter questions that tell it. Only where there are fewer, the begin of the instructions
is read, too: over the templates that come with Atrium, instructions made all of them alike (0.28 at the median, against 0.07)
and fewer questions found who answers them, as good instructions resemble each other in how they are written."""
INSTRUCTIONS = 600
NEVER = datetime(2000, 1, 1, tzinfo=UTC)
"""For ``Likeness.updated``: no question was weighed yet (see weighing.py)."""


def text_of(version: AssistantVersion) -> str:
    """What an assistant does, most telling first: what does not fit the embedder's window is cut off at the end."""
    return told(version.name, version.description, version.starters, version.instructions)


def told(name: str, description: str, starters: Iterable[str], instructions: str) -> str:
    says = _lines(name, description, *starters)
    return says if len(says) >= ENOUGH else _lines(says, instructions[:INSTRUCTIONS])


def _lines(*parts: str) -> str:
    return "\n".join(part.strip() for part in parts if part.strip())[:CHARACTERS]


def describe(workspace: Workspace, ids: Sequence[UUID]) -> int:
    """Bring what the index has of these assistants up to date; gives how many were embedded.

    Raises IndexUnavailable, and ProviderError where the embedder is a vendor's.
    """
    wanted = Assistant.objects.filter(workspace=workspace, pk__in=ids)
    rows = list(wanted.select_related("live", "likeness").prefetch_related("owners"))
    living = [row for row in rows if row.live and not row.archived]
    forget(workspace, set(ids) - {row.pk for row in living})
    embedder = reading.embedder_for(workspace)
    return sum(_describe(workspace, embedder, living[at : at + BATCH]) for at in range(0, len(living), BATCH))


def _describe(workspace: Workspace, embedder: Embedder, rows: Sequence[Assistant]) -> int:
    space, index = embedder.space, index_of(workspace.pk)
    texts = {row.pk: text_of(row.live) for row in rows if row.live}
    digests = {key: hashlib.sha256(text.encode()).hexdigest()[:32] for key, text in texts.items()}
    kept = {row.pk: row.likeness for row in rows if hasattr(row, "likeness")}
    changed = [row for row in rows if row.pk not in kept or not _is_same(kept[row.pk], space, digests[row.pk])]
    moved: dict[str, list[UUID]] = {}
    for key, likeness in kept.items():
        if likeness.space != space:
            moved.setdefault(likeness.space, []).append(key)
    tell_readers(workspace, space, rows)
    vectors = embedded(workspace, embedder, [texts[row.pk] for row in changed])
    points = [point_of(row, v, digests[row.pk]) for row, v in zip(changed, vectors, strict=True) if v is not None]
    if points:
        index.ensure(does_space(space), embedder.size)
        index.upsert(does_space(space), points)
    for old, keys in moved.items():
        _delete(workspace.pk, old, keys)
    new = [row.pk for row in rows if row.pk not in kept or kept[row.pk].space != space]
    _keep(space, rows, digests, new)
    return len(points)


def _is_same(likeness: Likeness, space: str, digest: str) -> bool:
    return likeness.space == space and likeness.described[32:] == digest


def _keep(space: str, rows: Sequence[Assistant], digests: dict[UUID, str], new: Sequence[UUID]) -> None:
    """``new``: of which no question was weighed in this space yet."""
    made = [
        Likeness(assistant=row, space=space, described=f"{row.live_id.hex}{digests[row.pk]}")
        for row in rows
        if row.live_id
    ]
    Likeness.objects.bulk_create(
        made, update_conflicts=True, unique_fields=["assistant"], update_fields=["space", "described"]
    )
    Likeness.objects.filter(pk__in=new).update(updated=NEVER, answered=b"", answered_count=0)


def tell_readers(workspace: Workspace, space: str, rows: Iterable[Assistant]) -> None:
    """Who may find these, as it is now. ``rows`` come with their owners."""
    changes = [(Selector(node=row.pk), payload_of(row)) for row in rows]
    for name in (does_space(space), answered_space(space)):
        index_of(workspace.pk).set_payloads(name, changes)


def forget(workspace: Workspace, ids: Iterable[UUID]) -> None:
    """Nobody finds these any more."""
    rows = Likeness.objects.filter(pk__in=list(ids), assistant__workspace=workspace)
    by_space: dict[str, list[UUID]] = {}
    for key, space in rows.values_list("pk", "space"):
        by_space.setdefault(space, []).append(key)
    for space, keys in by_space.items():
        _delete(workspace.pk, space, keys)
    rows.delete()


def _delete(workspace: UUID, space: str, ids: Sequence[UUID]) -> None:
    for name in (does_space(space), answered_space(space)):
        index_of(workspace).delete(name, Selector(nodes=tuple(ids)))


def stale(workspace: Workspace, space: str) -> QuerySet[Assistant]:
    """Assistants whose live version, or whose embedding model, is another than the one that the index has."""
    version = Replace(Cast(OuterRef("live_id"), TextField()), Value("-"), Value(""))
    same = Likeness.objects.filter(assistant=OuterRef("pk"), space=space).annotate(version=Left("described", 32))
    living = Assistant.objects.filter(workspace=workspace, archived__isnull=True, live__isnull=False)
    return living.filter(~Exists(same.filter(version=version)))


def archived(workspace: Workspace) -> QuerySet[Likeness]:
    return Likeness.objects.filter(assistant__workspace=workspace, assistant__archived__isnull=False)
