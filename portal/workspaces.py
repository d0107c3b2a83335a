"""What holds in a whole workspace, changed."""

from __future__ import annotations

from typing import TypedDict

from django.core.exceptions import ValidationError
from django.db import transaction

from portal import audit, credentials, events, people
from portal.models import Credential, User, Workspace
from portal.registry import registries
from portal.spending import prices

MOST_VETTING_DAYS = 3650


class Change(TypedDict, total=False):
    """What is left out stays. ``default_credential`` and ``default_model`` go together. ``default_assistant``: a handle."""

    name: str
    currency: str
    vetting_days: int | None
    default_credential: Credential | None
    default_model: str
    default_assistant: str


@transaction.atomic
def change_workspace(workspace: Workspace, change: Change, *, by: User) -> Workspace:
    """All of it or nothing, each by its own verb, and only what differs; gives the workspace as it is then.

    Raises ValidationError by field.
    """
    rows = Workspace.objects.select_for_update(of=("self",), no_key=True)
    row = rows.select_related("default_credential").get(pk=workspace.pk)
    if "name" in change and change["name"].strip() != row.name:
        people.rename_workspace(row, change["name"], by=by)
    if "currency" in change:
        prices.set_currency(row, change["currency"], by=by)
    if "vetting_days" in change:
        set_vetting_days(row, change["vetting_days"], by=by)
    credential = change.get("default_credential", row.default_credential)
    model = change.get("default_model", row.default_model)
    if (credential, model) != (row.default_credential, row.default_model):
        credentials.set_default_model(row, credential, model, by=by)
    if "default_assistant" in change:
        _choose_assistant(row, change["default_assistant"], by)
    return row


def default_assistant(workspace: Workspace) -> str:
    """Its handle, or nothing for the plain one. One query."""
    hook = registries.default_assistant
    return hook.now(workspace) if hook is not None else ""


def _choose_assistant(workspace: Workspace, handle: str, by: User) -> None:
    hook = registries.default_assistant
    if hook is not None and handle.strip().removeprefix("@").lower() != hook.now(workspace).lower():
        hook.choose(workspace, handle, by)


@transaction.atomic
def set_vetting_days(workspace: Workspace, days: int | None, *, by: User | None) -> None:
    """How long the vetting of an assistant lasts, 1 to 3650 days; None is for good. Raises ValidationError with a sentence."""
    if days is not None and not 1 <= days <= MOST_VETTING_DAYS:
        raise ValidationError({"vetting_days": f"It takes 1 to {MOST_VETTING_DAYS} days, or nothing for good."})
    before = workspace.vetting_days
    if before == days:
        return
    workspace.vetting_days = days
    workspace.save(update_fields=["vetting_days"])
    audit.record(
        "workspace.vetting_days",
        workspace=workspace,
        actor=by,
        target=workspace,
        before={"vetting_days": before},
        after={"vetting_days": days},
    )
    events.send(events.VettingDaysChanged(workspace.pk))
