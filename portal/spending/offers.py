"""Which models are offered to whom: who may choose one when building an assistant, or ask again with another.

Who may ask an assistant that was built with a model is another matter: that follows the assistant alone. A model without a row
is offered to everybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from portal import audit
from portal.credentials import offered_models
from portal.models import Credential, Membership, ModelOffer, Role, Space, User


def models_for(membership: Membership, kind: str = "chat") -> list[tuple[Credential, list[dict[str, Any]]]]:
    """What this person's pickers list: each credential with the models that are offered to them. Four queries at most."""
    found = offered_models(membership.workspace, kind)
    closed = _not_for(membership) if found else set()
    kept = [(c, [m for m in models if (c.pk, m["name"]) not in closed]) for c, models in found]
    return [(credential, models) for credential, models in kept if models]


def may_choose(membership: Membership, credential: Credential, model: str) -> bool:
    """Whether this person may build with this model, or ask it for another answer."""
    row = ModelOffer.objects.filter(credential=credential, model=model).prefetch_related("spaces").first()
    return row is None or _is_for(membership, row, None)


def _not_for(membership: Membership) -> set[tuple[Any, str]]:
    """(credential, model) of what is kept from this person."""
    rows = list(ModelOffer.objects.filter(workspace=membership.workspace_id).prefetch_related("spaces"))
    mine = _spaces_of(membership) if any(row.spaces.all() for row in rows) else set()
    return {(row.credential_id, row.model) for row in rows if not _is_for(membership, row, mine)}


def _is_for(membership: Membership, row: ModelOffer, mine: set[Any] | None) -> bool:
    if not membership.at_least(Role(row.least)):
        return False
    named = {space.pk for space in row.spaces.all()}
    return not named or bool(named & (_spaces_of(membership) if mine is None else mine))


def _spaces_of(membership: Membership) -> set[Any]:
    return set(Space.objects.of_member(membership).values_list("pk", flat=True))


@transaction.atomic
def set_offer(
    credential: Credential, model: str, *, least: str, spaces: Iterable[Space] = (), by: User | None
) -> ModelOffer:
    """Offer a model to people of a role or more, of these spaces where some are named. Raises ValidationError by field."""
    model, spaces = model.strip(), list(spaces)
    if any(space.workspace_id != credential.workspace_id for space in spaces):
        raise ValidationError({"spaces": "Choose spaces of this workspace."})
    row = ModelOffer.objects.select_for_update().filter(credential=credential, model=model).first()
    before = None if row is None else _told(row)
    row = row or ModelOffer(workspace_id=credential.workspace_id, credential=credential, model=model)
    row.least = Role(least)
    row.full_clean(validate_constraints=False)
    row.save()
    row.spaces.set(spaces)
    audit.record("model.offer", workspace=credential.workspace, actor=by, target=row, before=before, after=_told(row))
    return row


@transaction.atomic
def remove_offer(row: ModelOffer, *, by: User | None) -> None:
    """The model is offered to everybody again."""
    audit.record("model.offer_to_all", workspace=row.workspace, actor=by, target=row, before=_told(row))
    row.delete()


def _told(row: ModelOffer) -> dict[str, Any]:
    return {
        "credential": str(row.credential),
        "model": row.model,
        "least": str(row.least),
        "spaces": sorted(row.spaces.values_list("name", flat=True)),
    }
