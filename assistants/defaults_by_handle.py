"""Who answers in a workspace by default, for forms of a lower floor, which know assistants by handle alone."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import Q

from assistants.defaults import set_default
from assistants.errors import Refused
from assistants.models import Assistant
from portal.models import User, Workspace
from portal.registry import DefaultAssistant, registries


def now(workspace: Workspace) -> str:
    """Of the assistant that answers in the workspace, or nothing. One query."""
    rows = Assistant.objects.filter(workspace=workspace, is_default=True)
    return rows.values_list("handle", flat=True).first() or ""


def choices(workspace: Workspace) -> list[tuple[str, str]]:
    """(handle, in words) of the vetted ones. One query."""
    rows = Assistant.objects.filter(workspace=workspace, scope=Assistant.Scope.WORKSPACE, archived=None)
    named = rows.select_related("live").order_by("handle")
    return [(row.handle, f"@{row.handle}: {row.live.name}" if row.live else f"@{row.handle}") for row in named]


def choose(workspace: Workspace, handle: str, by: User) -> None:
    """For forms of a lower floor. Somebody else's personal one is answered as what does not exist. Raises ValidationError by
    field."""
    handle = handle.strip().removeprefix("@")
    known = ~Q(scope=Assistant.Scope.PERSONAL) | Q(owners=by)
    row = Assistant.objects.filter(known, workspace=workspace, handle__iexact=handle, archived=None).first()
    if handle and row is None:
        raise ValidationError({"default_assistant": f"There is no assistant @{handle}."})
    try:
        set_default(workspace, row if handle else None, by)
    except Refused as error:
        raise ValidationError({"default_assistant": str(error)}) from error


registries.default_assistant = DefaultAssistant(now, choices, choose)
