"""What every page of the portal shows around its content."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.db.models import F
from django.http import HttpRequest

from portal.access import may
from portal.models import Membership, User
from portal.notices import unread_of_each
from portal.registry import MenuItem, registries

registries.menu.add("people", MenuItem("People", "people", "users", "people.view", weight=60))


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: the rail's menu and the workspaces to switch to.

    Pages that belong to no workspace (one's account, errors) show the rail of the one that was used last.
    """
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"membership": None, "workspace": None}
    if getattr(request, "frameless", False):
        # The admin has a frame of its own, and its workspace is not to be touched.
        return {}
    mine = cache(lambda: memberships_of(user))
    membership: Membership | None = getattr(request, "membership", None)
    if membership is None:
        membership = mine()[0] if mine() else None
        if membership is None:
            return {"membership": None, "workspace": None}
        request.membership, request.workspace = membership, membership.workspace  # type: ignore[attr-defined]
    return {"membership": membership, "workspace": membership.workspace, **_frame(request, membership, mine)}


def _frame(request: HttpRequest, here: Membership, mine: Callable[[], list[Membership]]) -> dict[str, Any]:
    """What stands around the content. Templates call what is callable: a fragment, which has no frame, asks for none of it."""
    return {
        "my_workspaces": cache(lambda: sorted(mine(), key=lambda m: m.workspace.name.lower())),
        "menu": cache(lambda: [item for item in registries.menu if may(here, item.action)]),
        "mine": cache(lambda: [item for item in registries.mine if may(here, item.action)]),
        "rail": cache(lambda: [(s.template, s.context(request)) for s in registries.rail]),
        "themes": User._meta.get_field("theme").choices,
        "may_govern": may(here, "admin.enter"),
        "unread": cache(lambda: next((m.unread for m in mine() if m.pk == here.pk), 0)),  # type: ignore[attr-defined]
    }


def memberships_of(user: Any) -> list[Membership]:
    """The person's active memberships, the one used last first, each with how many notices wait there (``unread``)."""
    return list(
        Membership.objects.active()
        .filter(user=user)
        .select_related("workspace", "user")
        .annotate(unread=unread_of_each())
        .order_by(F("last_seen").desc(nulls_last=True), "created")
    )
