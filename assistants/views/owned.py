"""One's own assistants, under Me: which they are, and handing all of them over at once."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from assistants import lifecycle
from assistants.handing_over import owned_by, sole
from assistants.views.publishing import by_address
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import done, page, paged, sentence
from portal.people import colleagues


@workspace_view("assistant.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def owned(request: WorkspaceRequest) -> HttpResponse:
    """GET lists them, archived ones too; POST hands them over."""
    problem = ""
    if request.method == "POST":
        try:
            taker = by_address(request)
            given = lifecycle.hand_over(request.workspace, request.user, taker, request.user)
        except ValidationError as error:
            problem = sentence(error)
        else:
            words = f"{taker} owns {len(given)} assistant{'' if len(given) == 1 else 's'} in your place now."
            return done(request, words, reverse("owned", args=[request.workspace.slug]))
    rows = owned_by(request.workspace, request.user).select_related("latest").prefetch_related("owners")
    shown = paged(request, rows)
    context = {
        "page": shown,
        "rows": [(one, [owner for owner in one.owners.all() if owner != request.user]) for one in shown],
        "alone": set(sole(request.workspace, request.user).values_list("pk", flat=True)),
        "colleagues": colleagues(request.membership),
        "problem": problem,
        "tab": "owned",
    }
    return page(request, "assistants/owned.html", context, status=422 if problem else 200)
