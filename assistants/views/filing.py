"""The list of conversations, and renaming, pinning and putting them away where they are listed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from assistants import filing
from assistants.conversations import delete_conversation
from assistants.forms import RenameForm
from assistants.models import Conversation
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import done, is_fragment, page

CHANGED = "conversations-changed"
MOST_PARTS = 50


def rail_context(request: HttpRequest) -> dict[str, Any]:
    """For the rail on every page: the recent conversations. One query."""
    membership = request.membership  # type: ignore[attr-defined]
    found = filing.conversations_of(membership)
    match = request.resolver_match
    return {
        "groups": filing.grouped(membership, found, filing.MOST_IN_RAIL),
        "open_conversation": match.kwargs.get("conversation") if match else None,
    }


def _own(request: WorkspaceRequest, conversation: UUID) -> Conversation:
    """Only its owner files it; others, who may read it, get the 404 of something that is not there."""
    return get_object_or_404(
        Conversation.objects.visible_to(request.membership).select_related("assistant__live"),
        pk=conversation,
        owner=request.user,
    )


@workspace_view("conversation.view")
@require_GET
def conversations(request: WorkspaceRequest) -> HttpResponse:
    """The whole list, searchable; ``in=rail`` gives the rail's section as a fragment."""
    text = request.GET.get("q", "").strip()
    archived = request.GET.get("show") == "archived"
    in_rail = request.GET.get("in") == "rail"
    found = filing.conversations_of(request.membership, text, archived=archived)
    parts = _parts(request.GET.get("parts", ""))
    limit = filing.MOST_IN_RAIL if in_rail else filing.MOST_IN_LIST * parts
    groups = filing.grouped(request.membership, found, limit)
    context = {
        "groups": groups,
        # A full list is most likely not all of it.
        "more": parts + 1
        if sum(len(group.conversations) for group in groups) >= limit and parts < MOST_PARTS
        else None,
        "q": text,
        "archived": archived,
        "limit": limit,
        "open_conversation": _uuid(request.GET.get("open", "")),
    }
    fragment = request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"
    if fragment:
        name = "assistants/_rail.html#groups" if in_rail else "assistants/conversations.html#list"
    else:
        name = "assistants/conversations.html"
    response = render(request, name, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _parts(text: str) -> int:
    """How many lengths of the list are asked for."""
    return min(max(int(text), 1), MOST_PARTS) if text.isdecimal() and len(text) < 4 else 1


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _answer(request: WorkspaceRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The changed line where it was, or without JavaScript the page that the person came from."""
    if request.headers.get("HX-Request") == "true":
        response = render(request, template, context)
        response["HX-Trigger-After-Settle"] = CHANGED
        return response
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = reverse("conversations", args=[request.workspace.slug])
    return redirect(back)


@workspace_view("conversation.manage")
def rename(request: WorkspaceRequest, conversation: UUID) -> HttpResponse:
    """GET gives the little form (a page of its own without JavaScript), POST keeps the name."""
    row = _own(request, conversation)
    form = RenameForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        filing.rename(row, form.cleaned_data["title"])
        return _answer(request, "assistants/_conversation_item.html", {"conversation": row})
    htmx = request.headers.get("HX-Request") == "true"
    if htmx and request.GET.get("keep"):
        return render(request, "assistants/_conversation_item.html", {"conversation": row})
    template = "assistants/_rename_item.html" if htmx else "assistants/rename.html"
    # A fragment that htmx should still put in has to be a success.
    return render(
        request, template, {"conversation": row, "form": form}, status=200 if htmx or not form.errors else 422
    )


@workspace_view("conversation.manage")
@require_POST
def pin(request: WorkspaceRequest, conversation: UUID) -> HttpResponse:
    row = _own(request, conversation)
    filing.pin(row, request.POST.get("on") == "1")
    return _answer(request, "assistants/_conversation_item.html", {"conversation": row})


@workspace_view("conversation.manage")
@require_POST
def archive(request: WorkspaceRequest, conversation: UUID) -> HttpResponse:
    row = _own(request, conversation)
    filing.archive(row, request.POST.get("on") == "1")
    template = "assistants/_conversation_archived.html" if row.archived else "assistants/_conversation_item.html"
    response = _answer(request, template, {"conversation": row})
    if row.archived and request.headers.get("HX-Request") == "true":
        del response["HX-Trigger-After-Settle"]  # the line with the undo stays until the list is next looked at
    return response


@workspace_view("conversation.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: WorkspaceRequest, conversation: UUID) -> HttpResponse:
    """Ask with what it costs, then delete it. Whoever looks at it is led home, the others stay where they are."""
    row = _own(request, conversation)
    slug = request.workspace.slug
    if request.method != "POST":
        context = {"conversation": row, "loss": filing.what_goes(row)}
        return page(request, "assistants/conversation_delete.html", context, partial="sheet")
    words = f"“{row}” is deleted."
    delete_conversation(request.membership, row)
    looked_at = urlsplit(request.headers.get("HX-Current-URL", "")).path
    if not is_fragment(request) or looked_at == reverse("conversations", args=[slug]):
        return done(request, words, reverse("conversations", args=[slug]))
    if looked_at.startswith(reverse("conversation", args=[slug, conversation])):
        return done(request, words, reverse("home", args=[slug]))
    response = HttpResponse(status=204)
    response["HX-Trigger"] = f"{CHANGED}, conversation-deleted"
    return response
