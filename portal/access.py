"""The one place that says who may do what. Which rows: each app's querysets.

An action is a name such as ``datasource.manage``; ``register`` gives it the least role that may do it, in words for a person.
Views, API endpoints and sockets declare an action (or PUBLIC, or SIGNED_IN); a test walks them all and fails for any that does not.
Someone outside a workspace gets 404 for everything in it; a member whose role is too small gets 403 with a sentence.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from portal.models import Membership, Role, User, Workspace

PUBLIC = "public"
SIGNED_IN = "signed_in"
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Rule:
    """``least``: the least role. ``scope``: what an API key needs for it. ``words``: what it lets one do."""

    action: str
    least: Role
    scope: str
    words: str


_rules: dict[str, Rule] = {}


def register(action: str, least: Role, scope: str, words: str) -> str:
    """Declare an action; returns its name. Twice with other terms is a programming error."""
    rule = Rule(action, least, scope, words)
    if _rules.setdefault(action, rule) != rule:
        raise ValueError(f"{action} is declared twice with different rules.")
    return action


def rule(action: str) -> Rule:
    try:
        return _rules[action]
    except KeyError:
        raise LookupError(f"No rule for {action!r}; known are {', '.join(sorted(_rules))}.") from None


def rules() -> list[Rule]:
    return sorted(_rules.values(), key=lambda r: r.action)


def may(membership: Membership | None, action: str) -> bool:
    if membership is None or not membership.active or not membership.user.is_active:
        return False
    return membership.at_least(rule(action).least)


def require(membership: Membership | None, action: str) -> None:
    """404 for someone outside, 403 with a sentence for a role that is too small."""
    if membership is None:
        raise Http404
    if not may(membership, action):
        least = rule(action).least
        raise PermissionDenied(
            f"To {rule(action).words}, you need to be {'an' if least == Role.ADMIN else 'a'} {least.label.lower()}."
        )


def membership_of(user: User, slug: str) -> Membership:
    """The person's active membership in the workspace, or 404, the same as for a workspace that does not exist."""
    if not user.is_authenticated:
        raise Http404
    return get_object_or_404(
        Membership.objects.active().select_related("workspace", "user"), workspace__slug=slug, user=user
    )


class WorkspaceRequest(HttpRequest):
    """What views below /w/<slug>/ receive."""

    membership: Membership
    workspace: Workspace
    user: User


View = Callable[..., HttpResponse]
AsyncView = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def workspace_view(action: str) -> Callable[[View], View]:
    """Decorator for views below ``/w/<slug>/``: finds the membership, checks the action, drops ``slug`` from the arguments."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def wrapped(request: Any, slug: str, *args: Any, **kwargs: Any) -> HttpResponse:
            membership = membership_of(request.user, slug)
            request.membership, request.workspace = membership, membership.workspace
            require(membership, action)
            membership.seen()
            return view(request, *args, **kwargs)

        wrapped.access = action  # type: ignore[attr-defined]
        return wrapped

    return decorate


def async_workspace_view(action: str) -> Callable[[AsyncView], AsyncView]:
    """The same for async views."""
    from channels.db import database_sync_to_async

    def decorate(view: AsyncView) -> AsyncView:
        @functools.wraps(view)
        async def wrapped(request: Any, slug: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            user = await request.auser()
            membership = await database_sync_to_async(membership_of)(user, slug)
            request.membership, request.workspace = membership, membership.workspace
            require(membership, action)
            return await view(request, *args, **kwargs)

        wrapped.access = action  # type: ignore[attr-defined]
        return wrapped

    return decorate


def public(view: View) -> View:
    """Decorator: anybody may call this view."""
    view = login_not_required(view)
    view.access = PUBLIC  # type: ignore[attr-defined]
    return view


def signed_in(view: View) -> View:
    """Decorator: anybody who is signed in may call this view; it shows only what is theirs."""
    view.access = SIGNED_IN  # type: ignore[attr-defined]
    return view


# Views of libraries, by the pattern of their route; ours declare themselves.
LIBRARY_VIEWS: list[tuple[re.Pattern[str], str]] = [
    (
        re.compile(
            r"^accounts/(login|logout|signup|password/reset|confirm-email|inactive|reauthenticate|2fa/authenticate|2fa/webauthn/login|login/code)"
        ),
        PUBLIC,
    ),
    (re.compile(r"^accounts/"), SIGNED_IN),
    (re.compile(r"^static/"), PUBLIC),
    (re.compile(r"^govern/"), "admin.enter"),
    (re.compile(r"^i18n/"), PUBLIC),
]

register("workspace.use", Role.MEMBER, "read", "use this workspace")
register("workspace.manage", Role.ADMIN, "admin", "change this workspace")
register("me.change", Role.MEMBER, "write", "change what is one’s own")
register("notice.read", Role.MEMBER, "read", "read what you were told")
register("notice.mark", Role.MEMBER, "write", "mark as read what you were told")
register("people.view", Role.MEMBER, "read", "see who is in this workspace")
register("people.manage", Role.ADMIN, "admin", "invite people and change their roles")
register("space.view", Role.MEMBER, "read", "see spaces")
register("space.manage", Role.ADMIN, "admin", "change spaces")
register("credential.manage", Role.ADMIN, "admin", "manage credentials")
# Who builds an assistant picks a model; a key needs the scope admin for it, as for the credentials behind the models.
register("model.view", Role.MEMBER, "admin", "see which models can be used")
register("budget.manage", Role.ADMIN, "admin", "set budgets, prices, and which models are offered to whom")
register("budget.view", Role.MEMBER, "read", "see what one spent and what one’s budgets have left")
register("apikey.manage", Role.MEMBER, "write", "make API keys")
register("audit.view", Role.ADMIN, "admin", "read the audit log")
register("admin.enter", Role.ADMIN, "admin", "govern this workspace")
