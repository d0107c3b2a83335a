"""The way of connecting a place: its steps, where a draft stands on it, and in what order kinds are offered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse

from datasources import oauth
from datasources.connectors.about import About
from datasources.connectors.registry import CONNECTORS
from datasources.forms import needs_connecting
from datasources.models import DataSource
from datasources.views.source import address
from portal.access import WorkspaceRequest, may
from portal.models import Space

DRAFT = DataSource.State.DRAFT


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way. ``state``: done, now or later; ``url`` where it can be gone back to."""

    label: str
    state: str
    url: str = ""


def steps_of(request: WorkspaceRequest, about: About, now: str, source: DataSource | None = None) -> list[Step]:
    """The steps that this kind takes, as far as they are known before it is finished."""
    names = [("connect", "Connect", "data_connect")] if needs_connecting(about) else []
    if names and about.files:
        names.append(("files", "Files", "data_files"))
    if names and about.tree:
        names.append(("choose", "Choose", "data_choose"))
    names.append(("finish", "Start", "data_finish"))
    order = [name for name, *_ in names]
    found = [Step("Kind", "done", reverse("data_new", args=[request.workspace.slug]))]
    for name, label, route in names:
        behind = order.index(name) < order.index(now)
        state = "now" if name == now else "done" if behind else "later"
        found.append(Step(label, state, address(request, source, route) if source is not None and behind else ""))
    return found


def after(request: WorkspaceRequest, source: DataSource, step: str) -> str:
    """Where it goes on after a step."""
    about = CONNECTORS[source.kind]
    way = ["connect", *(["files"] if about.files else []), *(["choose"] if about.tree else []), "finish"]
    return address(request, source, f"data_{way[way.index(step) + 1]}")


def resume(request: WorkspaceRequest, source: DataSource) -> str:
    """Where a draft was left."""
    about = CONNECTORS.get(source.kind)
    if about is None or (oauth.flow_of(source) is not None and not oauth.is_allowed(source)):
        return address(request, source, "data_connect")
    if about.files and not source.uploads.exists():
        return address(request, source, "data_files")
    if about.tree and not source.selections.exists():
        return address(request, source, "data_choose")
    return address(request, source, "data_finish")


def refusal(kind: str) -> str:
    """Why this kind can't be connected here, or nothing."""
    if kind == "folder" and not settings.FOLDER_ROOTS:
        return (
            "No folder of the server may be read yet. Whoever runs Atrium lists them in ATRIUM_FOLDER_ROOTS, "
            "or starts it with make run FOLDER=path. Uploads work without."
        )
    return ""


def hint(kind: str) -> str:
    """What this server allows, where that is worth knowing before one types."""
    roots = ", ".join(str(root) for root in settings.FOLDER_ROOTS)
    return f"On this server, one of these or a folder inside: {roots}" if kind == "folder" and roots else ""


def about_of(kind: str) -> About:
    if kind not in CONNECTORS:
        raise Http404
    return CONNECTORS[kind]


def draft_of(request: WorkspaceRequest, pk: UUID) -> DataSource:
    rows = DataSource.objects.manageable_by(request.membership).filter(state=DRAFT)
    return get_object_or_404(rows.select_related("workspace", "credential"), pk=pk)


def spaces_for(request: WorkspaceRequest) -> Any:
    decides = may(request.membership, "grant.manage")
    known = Space.objects.governed_by if decides else Space.objects.of_member
    return known(request.membership).order_by("kind", "name")


GROUPS = (
    ("Where people write", ("slack", "notion", "confluence", "google_drive", "intercom")),
    ("Where work is tracked", ("github", "jira", "salesforce")),
    ("Files and pages", ("folder", "upload", "website", "slack_export", "notion_export")),
)


def _place(about: About) -> tuple[int, int, str]:
    for number, (_, kinds) in enumerate(GROUPS):
        if about.kind in kinds:
            return (number, kinds.index(about.kind), about.label)
    return (len(GROUPS), 0, about.label)


def grouped() -> list[tuple[str, list[tuple[About, str]]]]:
    """Kinds by where one would look for them, each with why it can't be connected here, if it can't."""
    groups: dict[str, list[tuple[About, str]]] = {}
    for about in sorted(CONNECTORS.values(), key=_place):
        name = next((name for name, members in GROUPS if about.kind in members), "For your own systems")
        groups.setdefault(name, []).append((about, refusal(about.kind)))
    return list(groups.items())
