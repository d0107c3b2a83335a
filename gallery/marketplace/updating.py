"""A newer version of the template that an assistant was installed from: what it would change, and taking part or all of it.

Three versions are compared: what was installed, what its owners made of it, and what the template says now, each with the same
slots filled. What its owners never touched is taken unless they say no; what they changed stays unless they say yes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from assistants import lifecycle
from assistants.acting import editable
from assistants.differences import Change, differences
from assistants.errors import Refused
from assistants.models import Assistant, AssistantVersion
from gallery.marketplace.blueprint import Blueprint, of_version
from gallery.marketplace.installing import as_version, checked_texts
from gallery.marketplace.slots import Slot
from gallery.models import Installation, Template, TemplateVersion
from portal import audit
from portal.models import Membership, Notice, User

# How ``differences`` calls a field, where it has another name.
_FIELDS = {"time": "last_days"}
COMPARED = frozenset(
    {
        *("name", "description", "emoji", "colour", "instructions", "temperature", "time", "retrieval"),
        *("queries_tables", "starters", "tags"),
    }
)


@dataclass(frozen=True, slots=True)
class Part:
    """One field that the template has otherwise now. ``yours``: its owners changed it since it was installed."""

    change: Change
    yours: bool

    @property
    def field(self) -> str:
        return self.change.field


@dataclass(frozen=True, slots=True)
class Update:
    """``asked``: text slots that the newer version has and the installed one had not."""

    template: Template
    installed: TemplateVersion
    newer: TemplateVersion
    parts: list[Part]
    asked: list[Slot]


def update_of(assistant: Assistant, texts: Mapping[str, str] | None = None) -> Update | None:
    """What the newest version of its template would change; None where there is none. Three queries.

    ``texts``: what fills slots that are new; until then they stand as they are.
    """
    installation = _installation(assistant)
    if installation is None or not _is_behind(installation):
        return None
    template, newer = installation.template, installation.template.latest
    assert newer is not None
    before, after = of_version(template, installation.version), of_version(template, newer)
    asked = [slot for slot in after.texts if slot.name not in installation.filled]
    filled = {**installation.filled, **(texts or {})}
    return Update(template, installation.version, newer, _parts(assistant, before, after, filled), asked)


def _installation(assistant: Assistant) -> Installation | None:
    rows = Installation.objects.select_related("template__latest", "version").filter(assistant=assistant)
    return rows.first()


def _is_behind(installation: Installation) -> bool:
    latest = installation.template.latest
    return installation.template.is_on_shelf and latest is not None and installation.version.number < latest.number


def _parts(assistant: Assistant, before: Blueprint, after: Blueprint, filled: Mapping[str, str]) -> list[Part]:
    base, theirs = as_version(before, filled), as_version(after, filled)
    mine = assistant.latest or assistant.live
    assert mine is not None
    moved = _changed(base, theirs)
    touched = _changed(base, mine)
    return [
        Part(change, change.field in touched)
        for change in differences(mine, theirs)
        if change.field in moved and change.field in COMPARED
    ]


def _changed(old: AssistantVersion, new: AssistantVersion) -> set[str]:
    return {change.field for change in differences(old, new)} & COMPARED


@transaction.atomic
def take(
    assistant: Assistant, by: User, fields: Collection[str] | None = None, texts: Mapping[str, str] | None = None
) -> AssistantVersion:
    """Take these parts of the newest version of its template as a new version; the rest is told no more.

    ``fields``: names of parts; None takes those that its owners never touched; an empty list keeps everything as it is.
    ``texts``: what fills slots that are new. Raises Refused and ValidationError.
    """
    assistant = editable(assistant, by)
    update = update_of(assistant, texts)
    if update is None:
        raise Refused("invalid", f"@{assistant.handle} has what its template says now.")
    offered = {part.field: part for part in update.parts}
    chosen = [name for name, part in offered.items() if not part.yours] if fields is None else list(fields)
    if unknown := [name for name in chosen if name not in offered]:
        raise ValidationError({"fields": f"The newer version does not change {', '.join(map(str, unknown))}."})
    installation = (
        Installation.objects.select_for_update(of=("self",)).select_related("version").get(assistant=assistant)
    )
    blueprint = of_version(update.template, update.newer)
    filled = {slot.name: {**installation.filled, **(texts or {})}.get(slot.name, "") for slot in blueprint.texts}
    if chosen:
        filled = checked_texts(blueprint, filled)
    theirs = as_version(blueprint, filled)
    taken: dict[str, Any] = {_FIELDS.get(name, name): getattr(theirs, _FIELDS.get(name, name)) for name in chosen}
    if taken.get("last_days"):
        taken |= {"since": None, "until": None}
    note = f"From version {update.newer.number} of the template {update.newer.name}"
    version = lifecycle.save_version(assistant, by, note=note[:200], **taken) if taken else assistant.latest
    assert version is not None
    before = {"version": installation.version.number}
    installation.version, installation.filled = update.newer, filled
    installation.save(update_fields=["version", "filled"])
    Assistant.objects.filter(pk=assistant.pk).update(template_version=update.newer.number)
    told = {"version": update.newer.number, "taken": chosen}
    audit.record(
        "template.update", workspace=assistant.workspace, actor=by, target=assistant, before=before, after=told
    )
    return version


def tell_of_newer(template: Template) -> int:
    """Tell the owners of what was installed from it, once each, however many assistants; how many were told.

    Call it inside the transaction in which its latest version changed.
    """
    assert template.latest is not None
    behind = Assistant.objects.filter(installation__template=template, archived=None)
    rows = behind.exclude(installation__version=template.latest).values_list("workspace", "owners", "handle")
    handles: dict[tuple[Any, Any], list[str]] = {}
    for workspace, owner, handle in rows.order_by("handle"):
        if owner is not None:
            handles.setdefault((workspace, owner), []).append(handle)
    people = Membership.objects.active().filter(user__in={owner for _workspace, owner in handles})
    here = set(people.values_list("workspace", "user"))
    told = [
        Notice(workspace_id=workspace, user_id=owner, words=_words(template.latest.name, mine), path=_path(mine[0]))
        for (workspace, owner), mine in handles.items()
        if (workspace, owner) in here
    ]
    Notice.objects.bulk_create(told, batch_size=1000)
    return len(told)


def _words(name: str, handles: list[str]) -> str:
    more = f" and {len(handles) - 1} more of yours" if len(handles) > 1 else ""
    return f"The template “{name}” has a newer version. @{handles[0]}{more} came from it: see what it would change."


def _path(handle: str) -> str:
    return f"assistants/{handle}/template/"
