"""The workspace in the admin's address: /w/<slug>/govern/…, and /govern/ for platform operators over all of them.

Django's admin builds every link with ``reverse("admin:…")`` and no arguments. So each workspace has a URLconf of its own, in
which the admin stands below the workspace's address and every other page where it always does; the views here find out who
asks, switch to that URLconf for the length of the request, and hand the rest of the address to the admin.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from csp.constants import NONE, SELF
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import clear_url_caches, get_resolver, path, reverse, set_urlconf
from django.utils.cache import add_never_cache_headers

from portal import audit
from portal.access import OPERATOR, membership_of, require
from portal.admin.site import site
from portal.models import Membership, Workspace

# Unfold's pages are Alpine.js templates: their expressions are compiled in the browser, and one style element has no nonce.
# Only the admin's own pages are let off so far, and only for these two; scripts still come from here alone.
ADMIN_CSP = {
    **settings.CONTENT_SECURITY_POLICY["DIRECTIVES"],
    "script-src": [SELF, "'unsafe-eval'"],
    "style-src": [SELF, "'unsafe-inline'"],
    "object-src": [NONE],
}


@dataclass(frozen=True)
class Addresses:
    """The URLconf of one workspace's admin; ``slug`` empty is the operators'. Equal slugs share one resolver."""

    slug: str

    @cached_property
    def urlpatterns(self) -> list[Any]:
        prefix = f"w/{self.slug}/govern/" if self.slug else "govern/"
        return [path(prefix, (_admin_urls(), "admin", site.name)), *get_resolver().url_patterns]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("handler"):
            return getattr(get_resolver().urlconf_module, name)
        raise AttributeError(name)


# Django keeps a resolver for each URLconf for good, about 0.7 MB here. Past this many workspaces it forgets them all and makes
# those that are visited again, in some tens of milliseconds.
MOST_KEPT = 64
_visited: set[str] = set()
_patterns: list[Any] = []


def addresses_of(slug: str) -> Addresses:
    """The URLconf of this workspace's admin."""
    if slug not in _visited:
        if len(_visited) >= MOST_KEPT:
            clear_url_caches()
            _visited.clear()
        _visited.add(slug)
    return Addresses(slug)


def _admin_urls() -> list[Any]:
    """Made once, at the first visit, when every app has registered its classes."""
    if not _patterns:
        _patterns.extend(site.get_urls())
    return _patterns


def govern(request: HttpRequest, slug: str, rest: str = "") -> HttpResponse:
    """A workspace's admin, for its admins and for operators. 404 for outsiders, 403 with a sentence for members."""
    if request.user.is_superuser:
        workspace = get_object_or_404(Workspace, slug=slug)
        membership = Membership.objects.active().filter(workspace=workspace, user=request.user).first()
    else:
        membership = membership_of(request.user, slug)  # type: ignore[arg-type]
        require(membership, "admin.enter")
        workspace = membership.workspace
    return _answer(request, addresses_of(slug), workspace, membership)


govern.access = "admin.enter"  # type: ignore[attr-defined]


def operate(request: HttpRequest, rest: str = "") -> HttpResponse:
    """The same over all workspaces, for platform operators; nobody else learns that it is there."""
    if not request.user.is_superuser:
        raise Http404
    return _answer(request, addresses_of(""), None, None)


operate.access = OPERATOR  # type: ignore[attr-defined]


def _answer(request: Any, addresses: Addresses, workspace: Workspace | None, membership: Any) -> HttpResponse:
    request.workspace, request.membership, request.urlconf = workspace, membership, addresses
    request.frameless = True
    audit.via.set("admin")
    set_urlconf(addresses)  # type: ignore[arg-type]
    try:
        match = get_resolver(addresses).resolve(request.path_info)  # type: ignore[arg-type]
        if match.app_name != "admin":  # "govern/" itself, which the admin's own first page shadows
            raise Http404
        request.resolver_match = match
        response = match.func(request, *match.args, **match.kwargs)
        if hasattr(response, "render") and callable(response.render):
            response = response.render()
    finally:
        set_urlconf(None)
        # An error's page stands in the portal's frame again.
        del request.urlconf, request.frameless
        if membership is None:
            del request.membership, request.workspace
    response._csp_replace = ADMIN_CSP
    add_never_cache_headers(response)
    return response


def address(workspace: Workspace | None, name: str, *args: Any) -> str:
    """The address of a page of a workspace's admin, for links from elsewhere: ``address(workspace, "index")``."""
    return reverse(f"admin:{name}", urlconf=addresses_of(workspace.slug if workspace else ""), args=args)  # type: ignore[arg-type]


@contextmanager
def within(workspace: Workspace) -> Iterator[None]:
    """Inside, ``reverse("admin:…")`` leads to this workspace's admin: for what tells of it elsewhere, such as the API."""
    set_urlconf(addresses_of(workspace.slug))  # type: ignore[arg-type]
    try:
        yield
    finally:
        set_urlconf(None)
