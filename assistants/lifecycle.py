"""The life of an assistant: made, changed, published, vetted, rolled back, archived. Portal, admin and API call these verbs.

Every verb owns its transaction and its audit entry, and raises ValidationError (a field is wrong) or Refused (may not be).
Vetting, owners and defaults have modules of their own; their verbs are named here, too, so that a caller needs one import.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from assistants.acting import editable, go_live, locked, membership_in, record, require_admin, standing, tell_owners
from assistants.defaults import drop_defaults, set_default, set_space_default
from assistants.drafts import FIELDS, checked_fields, checked_handle, must_be_offered, over
from assistants.errors import Refused, Wrong
from assistants.handing_over import add_owner, hand_over, remove_owner, set_owners, take_over
from assistants.models import Assistant, AssistantVersion
from assistants.vetting import (
    approve,
    ask_changes,
    clear_vetting,
    decline,
    drop_requests,
    request_vetting,
    unvet,
    vet,
    withdraw,
)
from portal.models import User, Workspace

__all__ = [
    "add_owner",
    "approve",
    "archive",
    "ask_changes",
    "create_assistant",
    "decline",
    "hand_over",
    "hide",
    "publish",
    "remove_owner",
    "rename_handle",
    "request_vetting",
    "restore",
    "roll_back",
    "save_version",
    "set_default",
    "set_owners",
    "set_space_default",
    "set_stage",
    "show_instructions",
    "take_over",
    "unhide",
    "unpublish",
    "unvet",
    "vet",
    "withdraw",
]

# ---- Making and changing -----------------------------------------------------------------------------------------


@transaction.atomic
def create_assistant(*, workspace: Workspace, by: User, handle: str, **fields: Any) -> Assistant:
    """A personal assistant of ``by``, with its first version. ``fields``: see FIELDS; knowledge left out is everything."""
    membership = membership_in(workspace, by)
    stage, note = fields.pop("stage", Assistant.Stage.BETA), fields.pop("note", "")
    shows = bool(fields.pop("shows_instructions", False))
    fields.setdefault("name", handle.replace("-", " ").title())
    fields.setdefault("knowledge", None)
    wrong = Wrong()
    with wrong:
        handle = checked_handle(workspace, handle)
    with wrong:
        checked = checked_fields(membership, fields)
        must_be_offered(membership, checked)
    wrong.tell()
    assistant = Assistant(workspace=workspace, handle=handle, stage=stage, shows_instructions=shows)
    assistant.full_clean(exclude=["live", "latest", "owners", "reads"], validate_constraints=False)
    try:
        with transaction.atomic():
            assistant.save()
    except IntegrityError as error:
        raise ValidationError({"handle": f"@{assistant.handle} is taken. Choose another handle."}) from error
    assistant.owners.add(by)
    version = assistant.latest = _snapshot(assistant, by, checked, 1, note)
    go_live(assistant, version)
    record("assistant.create", assistant, by, None, {"name": version.name})
    return assistant


@transaction.atomic
def save_version(assistant: Assistant, by: User, *, note: str = "", **fields: Any) -> AssistantVersion:
    """A new version: ``fields`` over what the latest has. It is live at once, unless an admin vetted the assistant:
    then people go on with the version that was vetted until an admin vets this one. Nothing changed makes no version.

    ``note``: what whoever saves it says of the change."""
    assistant = editable(assistant, by)
    latest = assistant.latest
    membership = membership_in(assistant.workspace, by)
    kept = [] if latest is None else latest.knowledge
    checked = checked_fields(membership, over(latest, fields), kept=kept)
    if latest is not None and all(getattr(latest, name) == value for name, value in checked.items()):
        return latest
    must_be_offered(membership, checked, latest)
    number = (assistant.versions.aggregate(most=models.Max("number"))["most"] or 0) + 1
    version = assistant.latest = _snapshot(assistant, by, checked, number, note)
    if assistant.scope == Assistant.Scope.WORKSPACE:
        assistant.save(update_fields=["latest", "updated"])
    else:
        go_live(assistant, version)
    changed = [name for name in FIELDS if latest is None or getattr(latest, name) != getattr(version, name)]
    before_it = {"version": latest.number} if latest else None
    told = {"version": version.number, "changed": changed} | ({"note": version.note} if version.note else {})
    record("assistant.save", assistant, by, before_it, told)
    tell_owners(assistant, by, f"changed @{assistant.handle}: version {version.number}.")
    return version


@transaction.atomic
def rename_handle(assistant: Assistant, by: User, handle: str) -> Assistant:
    """What it was called while others could ask it stays its own. A vetted one is renamed by an admin alone: the mark says that
    somebody looked at what answers to this name. Raises Refused and ValidationError."""
    assistant = editable(assistant, by)
    before, after = assistant.handle, checked_handle(assistant.workspace, handle, assistant)
    if before == after:
        return assistant
    if assistant.scope == Assistant.Scope.WORKSPACE:
        require_admin(assistant.workspace, by, f"change the handle of @{before}, which is vetted")
    if assistant.versions.filter(went_live__isnull=False).exists():
        assistant.former_handles = [*(one for one in assistant.former_handles if one != after), before]
    assistant.handle = after
    try:
        with transaction.atomic():
            assistant.save(update_fields=["handle", "former_handles", "updated"])
    except IntegrityError as error:
        raise ValidationError({"handle": f"@{after} is taken. Choose another handle."}) from error
    record("assistant.rename", assistant, by, {"handle": before}, {"handle": after})
    tell_owners(assistant, by, f"renamed @{before}: it is @{after} now.")
    return assistant


@transaction.atomic
def set_stage(assistant: Assistant, by: User, stage: str) -> Assistant:
    assistant = editable(assistant, by)
    if stage not in Assistant.Stage.values:
        raise ValidationError({"stage": f"It takes one of {', '.join(Assistant.Stage.values)}."})
    before, assistant.stage = assistant.stage, Assistant.Stage(stage)
    if before != stage:
        assistant.save(update_fields=["stage", "updated"])
        record("assistant.stage", assistant, by, {"stage": before}, {"stage": stage})
    return assistant


@transaction.atomic
def show_instructions(assistant: Assistant, by: User, shows: bool) -> Assistant:
    """Whether everybody who may ask it may read how it works, in this version and all others."""
    assistant = editable(assistant, by)
    before, assistant.shows_instructions = assistant.shows_instructions, shows
    if before != shows:
        assistant.save(update_fields=["shows_instructions", "updated"])
        record("assistant.instructions", assistant, by, {"shown": before}, {"shown": shows})
    return assistant


@transaction.atomic
def roll_back(assistant: Assistant, by: User, version: AssistantVersion) -> AssistantVersion:
    """Go back to what ``version`` was, as a new version: history is never rewritten. A vetted one waits for an admin, too."""
    if version.assistant_id != assistant.pk:
        raise Refused("not_found", "That version is of another assistant.")
    fields = {name: getattr(version, name) for name in FIELDS}
    return save_version(assistant, by, note=f"Back to version {version.number}", **fields)


# ---- Offering ----------------------------------------------------------------------------------------------------


@transaction.atomic
def publish(assistant: Assistant, by: User) -> Assistant:
    """Offer it to everybody who may read in all of the spaces that it needs, as its owners saved it last. Twice is once."""
    assistant = editable(assistant, by)
    if assistant.scope == Assistant.Scope.WORKSPACE or (
        assistant.scope == Assistant.Scope.PUBLISHED and not assistant.has_draft
    ):
        return assistant
    before, assistant.scope = standing(assistant), Assistant.Scope.PUBLISHED
    assert assistant.latest is not None
    go_live(assistant, assistant.latest)
    record("assistant.publish", assistant, by, before, standing(assistant))
    return assistant


@transaction.atomic
def unpublish(assistant: Assistant, by: User) -> Assistant:
    """Only its owners have it from now on; what others asked it stays with them. Twice is once."""
    assistant = editable(assistant, by)
    if assistant.scope == Assistant.Scope.PERSONAL:
        return assistant
    if assistant.is_default:
        require_admin(assistant.workspace, by, "unpublish the workspace's default")
    before = standing(assistant)
    _take_home(assistant, by)
    record("assistant.unpublish", assistant, by, before, standing(assistant))
    tell_owners(assistant, by, f"unpublished @{assistant.handle}: only its owners have it now.")
    return assistant


@transaction.atomic
def hide(assistant: Assistant, by: User) -> Assistant:
    """Take it out of the gallery and of lists: whoever knows it still asks it. Twice is once."""
    require_admin(assistant.workspace, by, "hide an assistant")
    assistant = editable(assistant, by)
    if assistant.hidden is None:
        assistant.hidden = timezone.now()
        assistant.save(update_fields=["hidden", "updated"])
        record("assistant.hide", assistant, by, {"hidden": False}, {"hidden": True})
        tell_owners(
            assistant, by, f"hid @{assistant.handle}: it is in no list any more. Whoever knows it still asks it."
        )
    return assistant


@transaction.atomic
def unhide(assistant: Assistant, by: User) -> Assistant:
    require_admin(assistant.workspace, by, "show a hidden assistant again")
    assistant = editable(assistant, by)
    if assistant.hidden is not None:
        assistant.hidden = None
        assistant.save(update_fields=["hidden", "updated"])
        record("assistant.unhide", assistant, by, {"hidden": True}, {"hidden": False})
        tell_owners(assistant, by, f"shows @{assistant.handle} in the gallery again.")
    return assistant


@transaction.atomic
def archive(assistant: Assistant, by: User) -> Assistant:
    """Nobody finds it any more. Conversations with it stay, and so does its handle, until it is deleted."""
    assistant = editable(assistant, by)
    before = standing(assistant)
    drop_requests(assistant, by, f"@{assistant.handle} was archived.")
    drop_defaults(assistant)
    assistant.archived = timezone.now()
    assistant.save(update_fields=["archived", "is_default", "updated"])
    record("assistant.archive", assistant, by, {**before, "archived": False}, {**before, "archived": True})
    tell_owners(assistant, by, f"archived @{assistant.handle}. You can bring it back.")
    return assistant


@transaction.atomic
def restore(assistant: Assistant, by: User) -> Assistant:
    """Bring an archived one back, as its owners' own: its vetting does not outlast its being away. An admin who brings back
    one that nobody here owns any more becomes its owner."""
    membership = membership_in(assistant.workspace, by)
    if not Assistant.objects.governed_by(membership).filter(pk=assistant.pk).exists():
        raise Refused("not_yours", f"Only its owners or an admin can bring @{assistant.handle} back.")
    assistant = locked(assistant)
    if assistant.archived is None:
        return assistant
    if Assistant.objects.orphans().filter(pk=assistant.pk).exists():
        assistant.owners.set([by])
    before = {**standing(assistant), "archived": True}
    assistant.archived = None
    _take_home(assistant, by)
    record("assistant.restore", assistant, by, before, {**standing(assistant), "archived": False})
    return assistant


# ---- Inside ------------------------------------------------------------------------------------------------------


def _take_home(assistant: Assistant, by: User) -> None:
    """Personal again, with what its owners saved last."""
    drop_requests(assistant, by, f"@{assistant.handle} is personal again.")
    drop_defaults(assistant)
    clear_vetting(assistant)
    assistant.scope = Assistant.Scope.PERSONAL
    assert assistant.latest is not None
    go_live(assistant, assistant.latest)


def _snapshot(assistant: Assistant, by: User, fields: dict[str, Any], number: int, note: str = "") -> AssistantVersion:
    version = AssistantVersion(assistant=assistant, number=number, created_by=by, note=" ".join(note.split()), **fields)
    version.full_clean(exclude=["assistant", "knowledge", "tags_all", "tags_none", "starters", "picture"])
    version.save()
    return version
