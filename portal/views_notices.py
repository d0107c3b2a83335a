"""What somebody was told of what happened elsewhere."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from portal import notices
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import is_fragment, page, paged


@workspace_view("notice.read")
@require_GET
def notices_page(request: WorkspaceRequest) -> HttpResponse:
    return _show(request)


@workspace_view("notice.mark")
@require_POST
def mark(request: WorkspaceRequest) -> HttpResponse:
    """All of them."""
    notices.mark_read(request.membership)
    if is_fragment(request):
        return _show(request)
    return HttpResponseRedirect(reverse("notices", args=[request.workspace.slug]))


@workspace_view("notice.read")
@require_GET
def open_notice(request: WorkspaceRequest, pk: int) -> HttpResponse:
    """Go where it leads; it is read by that."""
    notice = get_object_or_404(notices.notices_of(request.membership), pk=pk)
    notices.mark_read(request.membership, [pk])
    return HttpResponseRedirect(notices.address(notice))


def _show(request: WorkspaceRequest) -> HttpResponse:
    rows = notices.notices_of(request.membership)
    context = {"notices": paged(request, rows, 30), "waiting": rows.filter(read=None).exists()}
    return page(request, "portal/notices.html", context, partial="notices")
