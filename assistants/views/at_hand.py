"""Keeping an assistant at hand, and the rail's part that shows what is."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from assistants import at_hand as verbs
from assistants.models import Assistant
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import is_fragment

CHANGED = "favourites-changed"


def rail_context(request: HttpRequest) -> dict[str, Any]:
    """For the rail on every page."""
    match = request.resolver_match
    return {
        "at_hand": verbs.at_hand(request.membership),  # type: ignore[attr-defined]
        "open_assistant": match.kwargs.get("handle") if match else None,
    }


@workspace_view("assistant.view")
@require_GET
def at_hand(request: WorkspaceRequest) -> HttpResponse:
    """The rail's part, when what is kept has changed."""
    return render(request, "assistants/_rail_assistants.html#list", {"section": rail_context(request)})


@workspace_view("assistant.keep")
@require_POST
def favourite(request: WorkspaceRequest, handle: str) -> HttpResponse:
    """Keep it at hand (``keep`` is "yes"), or not any more; gives the star."""
    row = get_object_or_404(Assistant.objects.visible_to(request.membership), handle__iexact=handle)
    kept = request.POST.get("keep") == "yes"
    (verbs.keep if kept else verbs.let_go)(request.membership, row)
    if not is_fragment(request):
        back = request.POST.get("back", "")
        fine = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
        return redirect(back if fine else reverse("assistant", args=[request.workspace.slug, row.handle]))
    context = {"assistant": row, "kept": kept, "name": request.POST.get("name", "")[:80] or row.handle}
    response = render(request, "assistants/_favourite.html", context)
    response["HX-Trigger-After-Settle"] = CHANGED
    return response
