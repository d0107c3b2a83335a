"""Which space sees which part of a source: the verbs. Whose it is to decide: ``grant.manage``."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from datasources.models import DataSource, Grant, Node
from portal import audit
from portal.models import Space, User


@transaction.atomic
def grant_access(
    source: DataSource, space: Space, *, by: User | None, parents_in: Sequence[UUID] | None = None
) -> Grant:
    """Let the space see the whole source, or what lies at or below these nodes. Raises ValidationError with a sentence."""
    if space.workspace_id != source.workspace_id:
        raise ValidationError("Data can only be given to spaces of its own workspace.")
    if parents_in is not None:
        parents_in = list(dict.fromkeys(parents_in))
        if not parents_in:
            raise ValidationError(f"Tick what {space} may see, or take its access away.")
        if Node.objects.filter(source=source, pk__in=parents_in).count() != len(parents_in):
            raise ValidationError("Some of what was ticked is no longer in this source. Look at it again.")
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
