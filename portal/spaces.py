"""Spaces: the verbs that portal, admin and API share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from portal import audit
from portal.models import Membership, Space, User


@transaction.atomic
def save_space(space: Space, *, by: User, members: list[User] | None = None, **fields: Any) -> Space:
    """Make or change a space. Only active members of its workspace can be listed."""
    before = {"name": space.name, "kind": space.kind} if not space._state.adding else None
    for name, value in fields.items():
        setattr(space, name, value)
    space.full_clean()
    space.save()
    if members is not None:
        ids = {user.pk for user in members}
        inside = set(
            Membership.objects.active()
            .filter(workspace=space.workspace, user__in=ids)
            .values_list("user_id", flat=True)
        )
        if ids - inside:
            raise ValidationError("Only people of this workspace can be in a space.")
        space.members.set(members)
    audit.record(
        "space.save",
        workspace=space.workspace,
        actor=by,
        target=space,
        before=before,
        after={"name": space.name, "kind": space.kind},
    )
    return space


@transaction.atomic
def list_in_spaces(membership: Membership, spaces: Iterable[Space], *, by: User) -> None:
    """These restricted spaces list this person from now on, beside those that do already."""
    for space in spaces:
        if space.members.filter(pk=membership.user_id).exists():
            continue
        space.members.add(membership.user)
        after = {"joined": str(membership.user)}
        audit.record("space.join", workspace=membership.workspace, actor=by, target=space, after=after)


@transaction.atomic
def delete_space(space: Space, *, by: User) -> None:
    audit.record("space.delete", workspace=space.workspace, actor=by, target=space)
    space.delete()
