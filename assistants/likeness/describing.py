"""What each assistant does, as a point in the index. Blocking; workers call it.

``Likeness.described`` is how the assistant stood (see ``_standing``) and the hash of what was embedded: the first tells by SQL
alone who has to be looked at, the second that nothing has to be embedded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast, Concat, Left, Replace

from assistants.likeness.collection import answered_space, does_space, index_of, payload_of, point_of
from assistants.likeness.embedding import embedded
from assistants.models import Assistant, AssistantVersion, Likeness
from datasources import reading
from datasources.retrieval.types import Selector
from portal.models import Workspace
from portal.providers.types import Embedder

BATCH = 64
STANDING, DIGEST = 36, 28
"""Characters of the two parts of ``Likeness.described``."""
CHARACTERS = 4000
"""Of a text that are looked at: more than the local model's window holds, and enough to tell what an assistant does."""
ENOUGH = 120
"""Characters of name, description and starter questions that tell it. Only where there are fewer, the begin of the instructions
is read, too, where everybody may read them; else whoever searches could find out what they say. Over the templates that come with
Atrium, instructions made all of them alike (0.28 at the median, against 0.07) and fewer questions found who answers them, as good
instructions resemble each other in how they are written."""
INSTRUCTIONS = 600
NEVER = datetime(2000, 1, 1, tzinfo=UTC)
"""For ``Likeness.updated``: no question was weighed yet (see weighing.py)."""


def text_of(assistant: Assistant, version: AssistantVersion) -> str:
    """What an assistant does, most telling first: what does not fit the embedder's window is cut off at the end."""
    instructions = version.instructions if assistant.shows_instructions else ""
    return told(version.name, version.description, version.starters, instructions)


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
    texts = {row.pk: text_of(row, row.live) for row in rows if row.live}
    digests = {key: hashlib.sha256(text.encode()).hexdigest()[:DIGEST] for key, text in texts.items()}
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
    return likeness.space == space and likeness.described[STANDING:] == digest


def _keep(space: str, rows: Sequence[Assistant], digests: dict[UUID, str], new: Sequence[UUID]) -> None:
    """``new``: of which no question was weighed in this space yet."""
    made = [
        Likeness(assistant=row, space=space, described=f"{_standing(row)}{digests[row.pk]}")
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
    """Assistants that stand otherwise than when the index was told of them, or whose embedding model is another."""
    living = Assistant.objects.filter(workspace=workspace, archived__isnull=True, live__isnull=False)
    version = Replace(Cast("live_id", TextField()), Value("-"), Value(""), output_field=TextField())
    shows, hidden = _digit(Q(shows_instructions=True)), _digit(Q(hidden__isnull=False))
    same = Likeness.objects.filter(assistant=OuterRef("pk"), space=space).annotate(stood=Left("described", STANDING))
    stands = living.annotate(stands=Concat(version, shows, hidden, Left("scope", 2), output_field=TextField()))
    return stands.filter(~Exists(same.filter(stood=OuterRef("stands"))))


def _digit(condition: Q) -> Case:
    return Case(When(condition, then=Value("1")), default=Value("0"))


def _standing(assistant: Assistant) -> str:
    """What changes what the index should have of it, but for its owners: STANDING characters, as ``stale`` puts them in SQL."""
    assert assistant.live_id
    return f"{assistant.live_id.hex}{assistant.shows_instructions:d}{bool(assistant.hidden):d}{assistant.scope[:2]}"


def archived(workspace: Workspace) -> QuerySet[Likeness]:
    return Likeness.objects.filter(assistant__workspace=workspace, assistant__archived__isnull=False)
