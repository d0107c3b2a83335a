"""Who can read one item of a source, and why: beside a document, and for who manages its source on a page of its own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from datasources import browsing
from datasources.explaining import readers_of, why
from datasources.models import DataSource, Node
from datasources.views.source import address, frame_of, manageable
from portal.access import WorkspaceRequest, workspace_view
from portal.models import Membership
from portal.pages import page

MOST_PEOPLE = 500


# Not datasource.manage: somebody who may manage nothing is to find nothing here either, as with others' rows.
@workspace_view("datasource.view")
@require_GET
def node_access(request: WorkspaceRequest, pk: UUID, node: UUID) -> HttpResponse:
    """Who can read an item, for who manages its source, whether or not they may read it themselves. Never its text.

    ``?about=`` a membership of the workspace: why that person can or can't.
    """
    source = manageable(request, pk)
    one = get_object_or_404(browsing.browsable(request.membership, source), pk=node)
    one.source = source
    context = {
        **frame_of(request, source, "contents"),
        **explained(request, one),
        "node": one,
        "back": f"{address(request, source)}?parent={one.parent_id}" if one.parent_id else address(request, source),
    }
    return page(request, "datasources/node_access.html", context, partial="sheet")


def explained(request: WorkspaceRequest, node: Node) -> dict[str, Any]:
    """Who reads it, and why this person can or can't; for who manages the source, also why somebody else (``?about=``)."""
    context: dict[str, Any] = {
        "readers": readers_of(node, request.membership),
        "why": why(node, request.membership),
    }
    if not DataSource.objects.manageable_by(request.membership).filter(pk=node.source_id).exists():
        return context
    people = Membership.objects.active().filter(workspace=request.workspace).select_related("user")
    context["people"] = people.order_by("user__name", "user__email")[:MOST_PEOPLE]
    asked = request.GET.get("about", "")
    if asked and (other := next((m for m in context["people"] if str(m.pk) == asked), None)):
        context |= {"other": other, "other_why": why(node, other, request.membership)}
    return context
