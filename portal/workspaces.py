"""What holds in a whole workspace, changed."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from portal import audit, events
from portal.models import User, Workspace

MOST_VETTING_DAYS = 3650


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
