"""One way to write the audit log. Call it inside the transaction of the deed."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from django.db import models

from portal.models import AuditEvent, User, Workspace

# Through which surface the deed came: portal, admin, api, command or system.
via: ContextVar[str] = ContextVar("audit_via", default="portal")


def record(
    action: str,
    *,
    workspace: Workspace | None,
    actor: User | None,
    target: models.Model | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEvent:
    """``action`` is ``noun.verb``: ``membership.invite``, ``assistant.publish``. Never pass a secret."""
    return AuditEvent.objects.create(
        workspace=workspace,
        actor=actor,
        actor_name=str(actor) if actor else "Atrium",
        via=via.get(),
        action=action,
        object_type=target._meta.model_name or "" if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        object_name=str(target)[:200] if target is not None else "",
        before=before,
        after=after,
    )
