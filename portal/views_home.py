"""Home, whose panels higher floors hang up, and the palette."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from portal.access import WorkspaceRequest, may, workspace_view
from portal.models import Invitation, Membership, User, Workspace
from portal.registry import Deed, PaletteSource, Step, registries

THEMES = User._meta.get_field("theme").choices


def _others_are_asked(workspace: Workspace) -> bool:
    if Membership.objects.active().filter(workspace=workspace).count() > 1:
        return True
    return Invitation.objects.filter(
        workspace=workspace, accepted=None, revoked=None, expires__gt=timezone.now()
    ).exists()


registries.steps.add(
    "invite",
    Step(
        label="Invite colleagues",
        words="They see what their spaces may see, and can build assistants of their own.",
        button="Invite",
        route="people",
        action="people.manage",
        done=_others_are_asked,
        weight=40,
    ),
)


@dataclass(frozen=True, slots=True)
class _Stage:
    step: Step
    done: bool
    next: bool
    url: str


def _path(request: WorkspaceRequest) -> list[_Stage]:
    """The steps that this person can take; none once all of them are done."""
    mine = [step for step in registries.steps if may(request.membership, step.action)]
    states = [(step, step.done(request.workspace)) for step in mine]
    if all(done for _, done in states) or len(mine) < 3:
        return []
    first = next(step for step, done in states if not done)
    return [_Stage(s, done, s is first, reverse(s.route, args=[request.workspace.slug])) for s, done in states]


@workspace_view("workspace.use")
@require_GET
def home(request: WorkspaceRequest) -> HttpResponse:
    """A question: the composer and what else higher floors hang up; below it the path of a new workspace."""
    panels = [(panel.template, panel.context(request, request.workspace)) for panel in registries.panel("home")]
    path = _path(request)
    hour = timezone.localtime().hour
    return render(
        request,
        "portal/home.html",
        {
            "panels": [(template, data) for template, data in panels if data is not None],
            "path": path,
            "begins": any(stage.step.blocks(request.workspace) for stage in path if stage.step.blocks),
            "greeting": "Good morning" if 4 <= hour < 12 else "Good afternoon" if hour < 18 else "Good evening",
        },
    )


@workspace_view("workspace.use")
@require_GET
def palette(request: WorkspaceRequest) -> HttpResponse:
    """What Cmd/Ctrl-K finds for ``q``, in groups."""
    text = request.GET.get("q", "").strip()[:200]
    found = [(source.label, source.find(request, text)) for source in registries.palette]
    groups = [(label, entries) for label, entries in found if entries]
    return render(request, "portal/palette.html", {"groups": groups, "text": text})


def _pages(request: Any, text: str) -> list[tuple[str, str, str]]:
    slug = request.workspace.slug
    known = [(i.label, i.route, "") for i in registries.menu if may(request.membership, i.action)]
    known.append(("Notices", "notices", ""))
    if may(request.membership, "space.view"):
        known.append(("Spaces", "spaces", ""))
    found = []
    for label, route, hint in known:
        try:
            found.append((label, reverse(route, args=[slug]), hint))
        except NoReverseMatch:
            continue
    found += [
        ("Me", reverse("me"), ""),
        ("API keys", reverse("keys"), ""),
        ("Sessions", reverse("usersessions_list"), ""),
    ]
    words = text.lower()
    return [entry for entry in found if words in entry[0].lower()]


registries.palette.add("pages", PaletteSource("Pages", _pages, weight=90))


def _deeds(request: Any, text: str) -> list[tuple[str, str, str]]:
    """What this person may begin, and what they change of the page around it."""
    slug = request.workspace.slug
    known = [
        (deed.label, reverse(deed.route, args=[slug]), deed.hint, deed.words)
        for deed in registries.deeds
        if may(request.membership, deed.action)
    ]
    known += [(f"Theme: {str(label).lower()}", f"#theme-{value}", "", "colours mode") for value, label in THEMES or ()]
    known.append(("Keyboard shortcuts", "#open-shortcuts", "?", "keys help"))
    words = text.lower().split()
    return [
        (label, url, hint)
        for label, url, hint, other in known
        if all(any(part.startswith(word) for part in f"{label} {other}".lower().split()) for word in words)
    ]


registries.deeds.add("question", Deed("New question", "home", "workspace.use", "ask", "n", weight=0))
registries.deeds.add("invite", Deed("Invite people", "invite", "people.manage", "colleagues add", weight=40))
registries.deeds.add("space", Deed("New space", "space_new", "space.manage", "make add", weight=50))
registries.palette.add("deeds", PaletteSource("Actions", _deeds, weight=5))
