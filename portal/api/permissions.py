"""The one permission of the API: what an endpoint declares in ``access``, cut down to the key's scopes."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from rest_framework import permissions
from rest_framework.request import Request

from portal.access import membership_of, require, rule
from portal.api.problems import Problem
from portal.models import ApiKey, Membership


class DeclaredAccess(permissions.BasePermission):
    """Views below ``workspaces/<slug>/`` set ``access``: an action, or a mapping from HTTP method to action.

    Sets ``request.membership`` and ``request.workspace``. Outsiders get 404; a role or scope that is too small 403.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        membership = self._membership(request, view.kwargs["slug"])
        request.membership, request.workspace = membership, membership.workspace  # type: ignore[attr-defined]
        action = declared_action(view, request.method or "GET")
        if isinstance(request.auth, ApiKey) and rule(action).scope not in request.auth.scopes:
            raise Problem("scope_missing", f"This API key lacks the scope {rule(action).scope}.", 403)
        require(membership, action)
        return True

    def _membership(self, request: Request, slug: str) -> Membership:
        if isinstance(request.auth, ApiKey):
            membership = request.auth.membership
            if membership.workspace.slug != slug:
                raise Http404
            return membership
        return membership_of(request.user, slug)  # type: ignore[arg-type]


def declared_action(view: Any, method: str) -> str:
    """The action that this view declares for this method; a missing one is a programming error.

    A method that the view does not have (405), and OPTIONS, need what its first method needs.
    """
    declared = getattr(view, "access", None)
    if isinstance(declared, dict):
        if method == "OPTIONS" or not hasattr(view, method.lower()):
            return str(next(iter(declared.values())))
        declared = declared.get("GET" if method == "HEAD" else method)
    if not declared:
        raise LookupError(f"{type(view).__name__} declares no access rule for {method}.")
    return str(declared)
