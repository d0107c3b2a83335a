"""Who answers where no assistant was chosen: one for the workspace, and one for each space."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Case, Exists, IntegerField, OuterRef, Q, QuerySet, When

from assistants.acting import locked, require_admin
from assistants.errors import Refused
from assistants.models import Assistant, SpaceDefault
from assistants.models.assistant import within_reach
from datasources.access import branches_of_spaces
from portal import audit
from portal.models import Space, User, Workspace

CHOOSING = "choose who answers by default"


@transaction.atomic
def set_default(workspace: Workspace, assistant: Assistant | None, by: User) -> None:
    """Who answers in the workspace; none is the plain one, which searches all that its reader may read. Raises Refused."""
    _choosing(workspace, by)
    if assistant is not None:
        assistant = _here(assistant, workspace)
        if assistant.scope != Assistant.Scope.WORKSPACE:
            raise Refused("invalid", f"Vet @{assistant.handle} first: the default is offered to everybody.")
    before = Assistant.objects.filter(workspace=workspace, is_default=True).first()
    Assistant.objects.filter(workspace=workspace, is_default=True).update(is_default=False)
    if assistant is not None:
        Assistant.objects.filter(pk=assistant.pk).update(is_default=True)
    _record(workspace, by, assistant, None, before)


@transaction.atomic
def set_space_default(space: Space, assistant: Assistant | None, by: User) -> None:
    """Who answers people of the space; none leaves it to the workspace. It has to be vetted, or published with nothing needed
    but what the space and the open ones read. Raises Refused."""
    _choosing(space.workspace, by)
    if assistant is not None:
        assistant = _here(assistant, space.workspace)
        _require_within(assistant, space)
    row = SpaceDefault.objects.filter(space=space).select_related("assistant").first()
    before = row.assistant if row else None
    if assistant is None:
        SpaceDefault.objects.filter(space=space).delete()
    else:
        SpaceDefault.objects.update_or_create(space=space, defaults={"assistant": assistant})
    _record(space.workspace, by, assistant, space, before)


@transaction.atomic
def clear_defaults(assistant: Assistant, by: User) -> Assistant:
    """It answers only where it is chosen: no default any more, of the workspace and of any space. Raises Refused."""
    _choosing(assistant.workspace, by)
    assistant = locked(assistant)
    if assistant.is_default:
        set_default(assistant.workspace, None, by)
    for row in SpaceDefault.objects.filter(assistant=assistant).select_related("space__workspace"):
        set_space_default(row.space, None, by)
    assistant.refresh_from_db(fields=["is_default"])
    return assistant


def drop_defaults(assistant: Assistant) -> None:
    """It answers nobody by default any more. The row is saved by whoever calls."""
    assistant.is_default = False
    SpaceDefault.objects.filter(assistant=assistant).delete()


def defaults_of_member() -> QuerySet[SpaceDefault]:
    """The defaults of the spaces that the membership around it is in, the one that counts first: restricted spaces before open
    ones, then by name. To be used as a subquery of Membership."""
    listed = Space.members.through._default_manager.filter(space=OuterRef("space"), user=OuterRef(OuterRef("user")))
    open_first = Case(When(space__kind=Space.Kind.OPEN, then=1), default=0, output_field=IntegerField())
    rows = SpaceDefault.objects.filter(space__workspace=OuterRef("workspace"))
    rows = rows.filter(Q(space__kind=Space.Kind.OPEN) | Exists(listed))
    return rows.order_by(open_first, "space__name", "pk")


def _choosing(workspace: Workspace, by: User) -> None:
    """An admin, and one at a time in a workspace: who comes second sees what the first one chose. Raises Refused."""
    require_admin(workspace, by, CHOOSING)
    # Rows that only name the workspace are written meanwhile.
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)


def _here(assistant: Assistant, workspace: Workspace) -> Assistant:
    assistant = locked(assistant)
    if assistant.workspace_id != workspace.pk or assistant.archived:
        raise Refused("not_found", "There is no such assistant.")
    return assistant


def _require_within(assistant: Assistant, space: Space) -> None:
    if assistant.scope == Assistant.Scope.WORKSPACE:
        return
    if assistant.scope == Assistant.Scope.PERSONAL:
        raise Refused("invalid", f"@{assistant.handle} is personal. Its owners have to publish it first.")
    spaces = Space.objects.filter(Q(pk=space.pk) | Q(workspace=space.workspace_id, kind=Space.Kind.OPEN))
    if not Assistant.objects.filter(
        within_reach(branches_of_spaces(spaces, space.workspace_id)), pk=assistant.pk
    ).exists():
        raise Refused(
            "invalid", f"@{assistant.handle} reads more than people of {space} may read. Vet it, or choose another."
        )


def _record(
    workspace: Workspace, by: User, assistant: Assistant | None, space: Space | None, before: Assistant | None
) -> None:
    where = {"space": space.name} if space else {}
    audit.record(
        "assistant.default",
        workspace=workspace,
        actor=by,
        target=assistant or before or space or workspace,
        before={"default": str(before) if before else None, **where},
        after={"default": str(assistant) if assistant else None, **where},
    )
