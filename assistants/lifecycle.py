"""The life of an assistant: made, changed, published, vetted, rolled back, archived. Portal, admin and API call these.

Every verb owns its transaction and its audit entry, and raises ValidationError (a field is wrong) or Refused (may not be).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from assistants.drafts import FIELDS, checked_fields, checked_handle
from assistants.errors import Refused
from assistants.models import Assistant, AssistantVersion
from portal import audit
from portal.models import Membership, User, Workspace

# ---- Making and changing -----------------------------------------------------------------------------------------


@transaction.atomic
def create_assistant(*, workspace: Workspace, by: User, handle: str, **fields: Any) -> Assistant:
    """A personal assistant of ``by``, with its first version. ``fields``: see FIELDS; knowledge left out is everything."""
    membership = _membership(workspace, by)
    stage, note = fields.pop("stage", Assistant.Stage.BETA), fields.pop("note", "")
    shows = bool(fields.pop("shows_instructions", False))
    fields.setdefault("name", handle.replace("-", " ").title())
    fields.setdefault("knowledge", None)
    handle = checked_handle(workspace, handle)
    assistant = Assistant(workspace=workspace, handle=handle, stage=stage, shows_instructions=shows)
    assistant.full_clean(exclude=["live", "latest", "owners", "reads"], validate_constraints=False)
    try:
        with transaction.atomic():
            assistant.save()
    except IntegrityError as error:
        raise ValidationError({"handle": f"@{assistant.handle} is taken. Choose another handle."}) from error
    assistant.owners.add(by)
    version = _snapshot(assistant, by, checked_fields(membership, fields), 1, note)
    _go_live(assistant, version)
    audit.record("assistant.create", workspace=workspace, actor=by, target=assistant, after={"name": version.name})
    return assistant


@transaction.atomic
def save_version(assistant: Assistant, by: User, *, note: str = "", **fields: Any) -> AssistantVersion:
    """A new version: ``fields`` over what the latest has. It is live at once, unless an admin vetted the assistant:
    then people go on with the version that was vetted until an admin vets this one. Nothing changed makes no version.

    ``note``: what whoever saves it says of the change."""
    assistant = _editable(assistant, by)
    latest = assistant.latest
    before = {name: getattr(latest, name) for name in FIELDS} if latest else {}
    if "knowledge" in fields:
        before.pop("reads_all", None)
        # One that found nothing searches what it is given now.
        if before.get("retrieval") == AssistantVersion.Retrieval.NONE:
            before["retrieval"] = AssistantVersion.Retrieval.SEARCH.value
    membership = _membership(assistant.workspace, by)
    kept = [] if latest is None else latest.knowledge
    checked = checked_fields(membership, before | fields, kept=kept)
    if latest is not None and all(getattr(latest, name) == value for name, value in checked.items()):
        return latest
    number = (assistant.versions.aggregate(most=models.Max("number"))["most"] or 0) + 1
    version = _snapshot(assistant, by, checked, number, note)
    if assistant.scope != Assistant.Scope.WORKSPACE:
        _go_live(assistant, version)
    else:
        assistant.latest = version
        assistant.save(update_fields=["latest", "updated"])
    changed = [name for name in FIELDS if latest is None or getattr(latest, name) != getattr(version, name)]
    audit.record(
        "assistant.save",
        workspace=assistant.workspace,
        actor=by,
        target=assistant,
        after={"version": version.number, "changed": changed} | ({"note": version.note} if version.note else {}),
    )
    return version


@transaction.atomic
def rename_handle(assistant: Assistant, by: User, handle: str) -> Assistant:
    assistant = _editable(assistant, by)
    before = assistant.handle
    assistant.handle = checked_handle(assistant.workspace, handle, assistant)
    assistant.save(update_fields=["handle", "updated"])
    _record("assistant.rename", assistant, by, {"handle": before}, {"handle": assistant.handle})
    return assistant


@transaction.atomic
def set_stage(assistant: Assistant, by: User, stage: str) -> Assistant:
    assistant = _editable(assistant, by)
    if stage not in Assistant.Stage.values:
        raise ValidationError({"stage": f"It takes one of {', '.join(Assistant.Stage.values)}."})
    before = assistant.stage
    assistant.stage = Assistant.Stage(stage)
    assistant.save(update_fields=["stage", "updated"])
    _record("assistant.stage", assistant, by, {"stage": before}, {"stage": stage})
    return assistant


@transaction.atomic
def show_instructions(assistant: Assistant, by: User, shows: bool) -> Assistant:
    """Whether everybody who may ask it may read how it works, in this version and all others."""
    assistant = _editable(assistant, by)
    before, assistant.shows_instructions = assistant.shows_instructions, shows
    if before != shows:
        assistant.save(update_fields=["shows_instructions", "updated"])
        _record("assistant.instructions", assistant, by, {"shown": before}, {"shown": shows})
    return assistant


@transaction.atomic
def roll_back(assistant: Assistant, by: User, version: AssistantVersion) -> AssistantVersion:
    """Go back to what ``version`` was, as a new version: history is never rewritten."""
    if version.assistant_id != assistant.pk:
        raise Refused("not_found", "That version is of another assistant.")
    fields = {name: getattr(version, name) for name in FIELDS}
    return save_version(assistant, by, note=f"Back to version {version.number}", **fields)


# ---- Offering ----------------------------------------------------------------------------------------------------


def publish(assistant: Assistant, by: User) -> Assistant:
    """Offer it to everybody who may read in its sources."""
    return _move(assistant, by, Assistant.Scope.PUBLISHED, "assistant.publish", only_from=Assistant.Scope.PERSONAL)


@transaction.atomic
def unpublish(assistant: Assistant, by: User) -> Assistant:
    """Only its owners have it from now on; what others asked it stays with them."""
    if assistant.is_default:
        _require_admin(assistant.workspace, by)
        Assistant.objects.filter(pk=assistant.pk).update(is_default=False)
        assistant.is_default = False
    return _move(assistant, by, Assistant.Scope.PERSONAL, "assistant.unpublish")


@transaction.atomic
def vet(assistant: Assistant, by: User) -> Assistant:
    """An admin looked at the latest version and offers it to the whole workspace."""
    _require_admin(assistant.workspace, by)
    assistant = _locked(assistant)
    if assistant.scope == Assistant.Scope.PERSONAL:
        raise Refused("invalid", f"@{assistant.handle} is personal. Its owners have to publish it first.")
    before = {"scope": assistant.scope, "version": assistant.live.number if assistant.live else None}
    assistant.scope = Assistant.Scope.WORKSPACE
    version = assistant.latest or assistant.live
    assert version is not None
    _go_live(assistant, version)
    _record("assistant.vet", assistant, by, before, {"scope": assistant.scope, "version": version.number})
    return assistant


@transaction.atomic
def unvet(assistant: Assistant, by: User) -> Assistant:
    """It is an ordinary published assistant again, and its owners' latest version is live."""
    _require_admin(assistant.workspace, by)
    assistant = _locked(assistant)
    if assistant.scope != Assistant.Scope.WORKSPACE:
        return assistant
    assistant.scope = Assistant.Scope.PUBLISHED
    assistant.is_default = False
    assert assistant.latest is not None
    _go_live(assistant, assistant.latest)
    _record("assistant.unvet", assistant, by, {"scope": "workspace"}, {"scope": assistant.scope})
    return assistant


@transaction.atomic
def set_default(workspace: Workspace, assistant: Assistant | None, by: User) -> None:
    """Who answers where no assistant was chosen; none is the plain one, which searches all that its reader may read."""
    _require_admin(workspace, by)
    if assistant is not None:
        assistant = _locked(assistant)
        if assistant.workspace_id != workspace.pk or assistant.archived:
            raise Refused("not_found", "There is no such assistant.")
        if assistant.scope != Assistant.Scope.WORKSPACE:
            raise Refused("invalid", f"Vet @{assistant.handle} first: the default is offered to everybody.")
    Assistant.objects.filter(workspace=workspace, is_default=True).update(is_default=False)
    if assistant is not None:
        Assistant.objects.filter(pk=assistant.pk).update(is_default=True)
    audit.record("assistant.default", workspace=workspace, actor=by, target=assistant)


@transaction.atomic
def archive(assistant: Assistant, by: User) -> Assistant:
    """Nobody finds it any more. Conversations with it stay, and so does its handle, until it is deleted."""
    assistant = _editable(assistant, by)
    assistant.archived, assistant.is_default = timezone.now(), False
    assistant.save(update_fields=["archived", "is_default", "updated"])
    _record("assistant.archive", assistant, by, None, None)
    return assistant


@transaction.atomic
def restore(assistant: Assistant, by: User) -> Assistant:
    """Bring an archived one back, as its owners' own."""
    assistant = _locked(assistant)
    if not assistant.owners.filter(pk=by.pk).exists():
        _require_admin(assistant.workspace, by)
    assistant.archived, assistant.scope = None, Assistant.Scope.PERSONAL
    assistant.save(update_fields=["archived", "scope", "updated"])
    _record("assistant.restore", assistant, by, None, None)
    return assistant


@transaction.atomic
def set_owners(assistant: Assistant, by: User, owners: list[User]) -> Assistant:
    """Who may change it; at least one person of the workspace."""
    assistant = _editable(assistant, by)
    ids = {user.pk for user in owners}
    inside = Membership.objects.active().filter(workspace=assistant.workspace, user__in=ids).count()
    if not ids or inside != len(ids):
        raise ValidationError({"owners": "Choose one or more people of this workspace."})
    before = sorted(str(user) for user in assistant.owners.all())
    assistant.owners.set(ids)
    _record("assistant.owners", assistant, by, {"owners": before}, {"owners": sorted(str(u) for u in owners)})
    return assistant


# ---- Inside ------------------------------------------------------------------------------------------------------


def _snapshot(assistant: Assistant, by: User, fields: dict[str, Any], number: int, note: str = "") -> AssistantVersion:
    version = AssistantVersion(assistant=assistant, number=number, created_by=by, note=" ".join(note.split()), **fields)
    version.full_clean(exclude=["assistant", "knowledge", "tags_all", "tags_none", "starters", "picture"])
    version.save()
    return version


def _go_live(assistant: Assistant, version: AssistantVersion) -> None:
    assistant.live = assistant.latest = version
    assistant.reads = [] if version.reads_all else [UUID(row["data_source"]) for row in version.knowledge]
    assistant.save()


def _move(
    assistant: Assistant, by: User, scope: Assistant.Scope, action: str, only_from: Assistant.Scope | None = None
) -> Assistant:
    with transaction.atomic():
        assistant = _editable(assistant, by)
        if assistant.scope == scope or (only_from and assistant.scope != only_from):
            return assistant
        before, assistant.scope = assistant.scope, scope
        assert assistant.latest is not None
        _go_live(assistant, assistant.latest)
        _record(action, assistant, by, {"scope": before}, {"scope": scope.value})
        return assistant


def _locked(assistant: Assistant) -> Assistant:
    return (
        Assistant.objects.select_for_update(of=("self",))
        .select_related("workspace", "live", "latest")
        .get(pk=assistant.pk)
    )


def _editable(assistant: Assistant, by: User) -> Assistant:
    """Locked for the transaction, if this person may change it."""
    membership = _membership(assistant.workspace, by)
    if not Assistant.objects.editable_by(membership).filter(pk=assistant.pk).exists():
        raise Refused("not_yours", f"Only its owners can change @{assistant.handle}.")
    return _locked(assistant)


def _membership(workspace: Workspace, user: User) -> Membership:
    found = (
        Membership.objects.active().filter(workspace=workspace, user=user).select_related("workspace", "user").first()
    )
    if found is None:
        raise Refused("not_found", "You are not in this workspace.")
    return found


def _require_admin(workspace: Workspace, user: User) -> None:
    if not _membership(workspace, user).is_admin:
        raise Refused("not_allowed", "To offer an assistant to the whole workspace, you need to be an admin.")


def _record(action: str, assistant: Assistant, by: User, before: dict | None, after: dict | None) -> None:
    audit.record(action, workspace=assistant.workspace, actor=by, target=assistant, before=before, after=after)
