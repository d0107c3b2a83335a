"""While a question is typed and no assistant is chosen: who could answer it."""

from __future__ import annotations

import structlog
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from assistants.likeness import fitting
from datasources.retrieval.types import IndexUnavailable
from portal.access import WorkspaceRequest, async_workspace_view
from portal.providers.errors import ProviderError
from portal.threads import in_database

log = structlog.get_logger(__name__)


@async_workspace_view("conversation.ask")
async def fits(request: WorkspaceRequest) -> HttpResponseBase:
    """The three that fit ``text`` best, as buttons; nothing where none fits. Posted, so that no log keeps what was typed."""
    if request.method != "POST":
        return HttpResponse(status=405)
    try:
        found = await fitting(request.membership, request.POST.get("text", ""))
    except (IndexUnavailable, ProviderError) as error:
        # A suggestion less: asking will say what is wrong.
        log.warning("nobody suggested", error=str(error))
        found = []
    response = await in_database(render, request, "assistants/_fits.html", {"fits": found})
    response["Cache-Control"] = "no-store"
    return response
