"""What the verbs of an assistant's life share: who acts, on which locked row, what goes live, and the audit entry."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone

from assistants.errors import Refused
from assistants.likeness import rounds
from assistants.models import Assistant, AssistantVersion, LivePart
from portal import audit
from portal.models import Membership, User, Workspace
from portal.notices import tell


def membership_in(workspace: Workspace, user: User) -> Membership:
    """Raises Refused for somebody from outside."""
    found = (
        Membership.objects.active().filter(workspace=workspace, user=user).select_related("workspace", "user").first()
    )
    if found is None:
        raise Refused("not_found", "You are not in this workspace.")
    return found


def require_admin(workspace: Workspace, user: User, words: str) -> None:
    """``words``: what takes an admin. Raises Refused."""
    if not membership_in(workspace, user).is_admin:
        raise Refused("not_allowed", f"To {words}, you need to be an admin.")


def locked(assistant: Assistant) -> Assistant:
    """The row as it is now, nobody else's until the transaction ends."""
    return (
        Assistant.objects.select_for_update(of=("self",))
        .select_related("workspace", "live", "latest")
        .get(pk=assistant.pk)
    )


def editable(assistant: Assistant, by: User) -> Assistant:
    """Locked for the transaction, if this person may change it. Raises Refused."""
    membership = membership_in(assistant.workspace, by)
    if not Assistant.objects.editable_by(membership).filter(pk=assistant.pk).exists():
        raise Refused("not_yours", f"Only its owners can change @{assistant.handle}.")
    return locked(assistant)


def go_live(assistant: Assistant, version: AssistantVersion) -> None:
    """From now on people run ``version``: its owners alone, where the assistant is personal. The row is saved with whatever
    else was set on it."""
    assistant.live = version
    if assistant.scope != Assistant.Scope.PERSONAL and version.went_live is None:
        version.went_live = timezone.now()
        version.save(update_fields=["went_live"])
    parts = parts_of(version)
    assistant.reads = list(dict.fromkeys(source for source, _node in parts))
    assistant.save()
    LivePart.objects.filter(assistant=assistant).delete()
    LivePart.objects.bulk_create(LivePart(assistant=assistant, source=source, node_id=node) for source, node in parts)


def parts_of(version: AssistantVersion) -> list[tuple[UUID, UUID | None]]:
    """The parts that a version names: a source, and the node at or below which it reads; None is all of the source.

    None at all where it reads nothing, or whatever its asker may read: then nothing in particular is needed.
    """
    if version.reads_all:
        return []
    return [
        (UUID(str(entry["data_source"])), None if node is None else UUID(str(node)))
        for entry in version.knowledge
        for node in ([None] if entry.get("parents_in") is None else entry["parents_in"])
    ]


def standing(assistant: Assistant) -> dict[str, Any]:
    """Where it stands, as the audit log keeps it."""
    return {"scope": str(assistant.scope), "version": assistant.live.number if assistant.live else None}


def tell_owners(assistant: Assistant, by: User | None, words: str) -> None:
    """That somebody else did something to what they own: ``words`` follow the name of whoever did it."""
    owners = [owner.pk for owner in assistant.owners.all()]
    if by is not None and by.pk in owners:
        return
    said = f"{by or 'Atrium'} {words}"
    tell(assistant.workspace, owners, said, f"assistants/{assistant.handle}/publishing/")


def record(
    action: str, assistant: Assistant, by: User | None, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    audit.record(action, workspace=assistant.workspace, actor=by, target=assistant, before=before, after=after)
    rounds.changed(assistant.pk)
