"""How a whole workspace is used and what that cost: for the admin's first page, and for the API.

Personal assistants are their owners' business: they count together, and none is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.utils import timezone

from assistants.insight import use
from assistants.models import Assistant
from portal import usage_days
from portal.kept import Kept, kept
from portal.models import UsageDay, User, Workspace
from portal.usage_days import Spent

MOST = 8
"""Assistants that are told by use."""
MOST_NAMED = 200
"""Of those that spent; the others are added up."""
NO_ASSISTANT = "No assistant chosen"
PERSONAL = "Personal assistants"
NOBODY = "Nobody: syncs and the like"
UNKNOWN_MODEL = "Unknown model"


@dataclass(frozen=True, slots=True)
class ByAssistant:
    """``assistant``: where it is an offered one. ``name``: its handle with @, or what they are in words."""

    name: str
    assistant: UUID | None
    use: use.OfOne


@dataclass(frozen=True, slots=True)
class WorkspaceUse:
    """``ups`` and ``downs`` by day, in the order of ``use.days``."""

    use: use.Days
    ups: Sequence[int]
    downs: Sequence[int]
    assistants: Sequence[ByAssistant]


@dataclass(frozen=True, slots=True)
class NamedSpending:
    """The dearest first, with their names. ``others``: what is not named here, or too many, added up; its key is empty."""

    named: Sequence[tuple[str, Spent]]
    others: Spent


def used(workspace: Workspace, days: Sequence[date]) -> Kept[WorkspaceUse]:
    return kept(f"insight:use:{workspace.pk}:{days[0]}:{days[-1]}", lambda: _used(workspace, days))


def _used(workspace: Workspace, days: Sequence[date]) -> WorkspaceUse:
    daily = use.of_workspace(workspace, days)
    ups, downs = use.thumbs(use.thumbs_of_workspace(workspace), days)
    return WorkspaceUse(daily, ups, downs, _by_assistant(workspace, days[0]))


def _by_assistant(workspace: Workspace, since: date) -> list[ByAssistant]:
    found = use.by_assistant(workspace, since, MOST)
    rows = Assistant.objects.filter(workspace=workspace, pk__in=[one.assistant for one in found])
    known = dict(rows.values_list("pk", "handle"))
    told = []
    for one in found:
        handle = known.get(one.assistant) if one.assistant else None
        name = f"@{handle}" if handle else PERSONAL if one.kind == "personal" else NO_ASSISTANT
        told.append(ByAssistant(name, one.assistant if handle else None, one))
    return told


def spent(workspace: Workspace, by: str, since: date) -> Kept[NamedSpending]:
    """``by``: of UsageDay.By. From ``since`` on, today included."""
    key = f"insight:spent:{workspace.pk}:{by}:{since}:{timezone.localdate()}"
    return kept(key, lambda: _spent(workspace, by, since))


def _spent(workspace: Workspace, by: str, since: date) -> NamedSpending:
    found = usage_days.spent(workspace, by, since)
    names = _names(workspace, by, [one.key for one in found[:MOST_NAMED]])
    others = Spent("")
    named = []
    for one in found:
        if (name := names.get(one.key)) is not None:
            named.append((name, one))
        else:
            others.add(one.calls, one.input_tokens, one.output_tokens, one.cost, one.unpriced)
    return NamedSpending(named, others)


def _names(workspace: Workspace, by: str, keys: Sequence[str]) -> dict[str, str]:
    """One query at most."""
    given = [key for key in keys if key]
    if by == UsageDay.By.MODEL:
        return {key: key for key in given} | {"": UNKNOWN_MODEL}
    if by == UsageDay.By.ASSISTANT:
        rows = Assistant.objects.filter(workspace=workspace, pk__in=given).exclude(scope=Assistant.Scope.PERSONAL)
        return {str(pk): f"@{handle}" for pk, handle in rows.values_list("pk", "handle")} | {"": NO_ASSISTANT}
    people = User.objects.filter(pk__in=[int(key) for key in given], memberships__workspace=workspace)
    return {str(user.pk): str(user) for user in people} | {"": NOBODY}
