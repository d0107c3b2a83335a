"""Which space sees which part of a source: the verbs. Whose it is to decide: ``grant.manage``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from datasources import offering
from datasources.models import DataSource, Grant
from datasources.picking import MOST_TICKED
from portal import audit
from portal.models import Space, User

Parts = Mapping[UUID, Sequence[UUID]]
"""By space: the nodes at and below which it sees a source. A space that is not in it sees all."""


@transaction.atomic
def grant_access(
    source: DataSource,
    space: Space,
    *,
    by: User | None,
    parents_in: Sequence[UUID] | None = None,
    named: Collection[UUID] = (),
) -> Grant:
    """Let the space see the whole source, or what lies at or below these nodes. Raises ValidationError with a sentence.

    The nodes may be still to come: what the place offers, or what was chosen, will have these ids. ``named``: ids that the
    asker made of external ids that they know by themselves.
    """
    if space.workspace_id != source.workspace_id:
        raise ValidationError("Data can only be given to spaces of its own workspace.")
    if parents_in is not None:
        parents_in = known_parts(source, space, parents_in, named)
    before = Grant.objects.select_for_update().filter(source=source, space=space).first()
    grant, _ = Grant.objects.update_or_create(source=source, space=space, defaults={"parents_in": parents_in})
    audit.record(
        "grant.set",
        workspace=source.workspace,
        actor=by,
        target=source,
        before=_told(before) if before else None,
        after=_told(grant),
    )
    return grant


def grant_first(source: DataSource, spaces: Iterable[Space], parts: Parts, named: Collection[UUID] = ()) -> None:
    """The grants that a source begins with, in its maker's transaction. Raises ValidationError with a sentence."""
    Grant.objects.bulk_create(
        Grant(
            space=space,
            source=source,
            parents_in=known_parts(source, space, parts[space.pk], named) if space.pk in parts else None,
        )
        for space in spaces
    )


def known_parts(source: DataSource, space: Space, parents_in: Sequence[UUID], named: Collection[UUID]) -> list[UUID]:
    """These nodes, each once. Raises ValidationError where one is neither there nor going to be."""
    found = list(dict.fromkeys(parents_in))
    if not found:
        raise ValidationError(f"Tick what {space} may see, or take its access away.")
    if len(found) > MOST_TICKED:
        raise ValidationError(f"More than {MOST_TICKED:,} single ticks: tick folders instead.")
    unsure = set(found) - set(named)
    if len(offering.external_ids_of(source, unsure)) != len(unsure):
        raise ValidationError(f"Some of what was ticked is not in {source}, or no longer. Look at it again.")
    return found


@transaction.atomic
def take_access(source: DataSource, space: Space, *, by: User | None) -> None:
    """The space sees nothing of the source any more, from the next question on. Twice is once."""
    grant = Grant.objects.select_for_update().filter(source=source, space=space).first()
    if grant is None:
        return
    audit.record("grant.remove", workspace=source.workspace, actor=by, target=source, before=_told(grant))
    grant.delete()


def _told(grant: Grant) -> dict[str, object]:
    parts = None if grant.parents_in is None else [str(node) for node in grant.parents_in]
    return {"space": grant.space.name, "parents_in": parts}
