"""The gallery: every assistant that one may use."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from gallery import listing
from portal.access import WorkspaceRequest, workspace_view

PAGE = 48


@workspace_view("assistant.view")
@require_GET
def assistants(request: WorkspaceRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()
    show = request.GET.get("show", "all")
    if show not in listing.SHOWS:
        show = "all"
    page = Paginator(listing.found(request.membership, text, show), PAGE).get_page(request.GET.get("page"))
    context = {
        "q": text,
        "show": show,
        "shows": listing.SHOWS.items(),
        "page": page,
        "cards": listing.cards(request.membership, list(page.object_list)),
    }
    fragment = request.headers.get("HX-Request") == "true"
    response = render(request, "gallery/assistants.html#cards" if fragment else "gallery/assistants.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response
