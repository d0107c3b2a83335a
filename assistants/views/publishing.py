"""The page where an assistant is published, vetted, owned and put away: for its owners, and for admins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from assistants import lifecycle
from assistants.considering import considered, requests_for
from assistants.errors import Refused
from assistants.models import Assistant, SpaceDefault, VettingRequest
from assistants.states import state_of
from assistants.vetting import open_request
from portal.access import WorkspaceRequest, may, workspace_view
from portal.models import Space, User
from portal.pages import paged, sentence
from portal.people import colleagues

SHOWN = 20
Deed = Callable[[WorkspaceRequest, Assistant], str]


@workspace_view("assistant.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def publishing(request: WorkspaceRequest, handle: str) -> HttpResponse:
    """GET shows where it stands; POST does one step (``do``)."""
    assistant = get_object_or_404(_rows(request), handle__iexact=handle)
    if request.method != "POST":
        return _page(request, assistant)
    deed = DEEDS.get(request.POST.get("do", ""))
    if deed is None:
        raise Http404
    try:
        words = deed(request, assistant)
    except (Refused, ValidationError) as error:
        problem = sentence(error) if isinstance(error, ValidationError) else str(error)
        assistant = get_object_or_404(_rows(request), pk=assistant.pk)
        return _page(request, assistant, problem=problem)
    messages.success(request, words)
    if not _rows(request).filter(pk=assistant.pk).exists():
        return redirect("assistants", request.workspace.slug)
    return redirect("assistant_publishing", request.workspace.slug, assistant.handle)


@workspace_view("assistant.edit")
@require_GET
def archived(request: WorkspaceRequest) -> HttpResponse:
    """One's own that were put away; for admins all that were ever offered. Each leads to where it is brought back."""
    rows = Assistant.objects.governed_by(request.membership).filter(archived__isnull=False)
    rows = rows.select_related("latest").prefetch_related("owners").order_by("-archived")
    return render(request, "assistants/archived.html", {"page": paged(request, rows)})


def _rows(request: WorkspaceRequest) -> Any:
    rows = Assistant.objects.governed_by(request.membership)
    return rows.select_related("workspace", "live__credential", "latest__credential", "vetted_by")


def _page(request: WorkspaceRequest, assistant: Assistant, problem: str = "") -> HttpResponse:
    asked = open_request(assistant)
    version = asked.version if asked else assistant.latest
    owners = list(assistant.owners.all())
    requests = list(requests_for(request.membership).filter(assistant=assistant)[:SHOWN])
    context = {
        "assistant": assistant,
        "name": assistant.latest.name if assistant.latest else assistant.handle,
        "problem": problem,
        "state": state_of(assistant, request.membership),
        "owners": owners,
        "givers": _givers(request, owners),
        "orphaned": Assistant.objects.orphans().filter(pk=assistant.pk).exists(),
        "asked": asked,
        "may_ask": _may_ask(assistant, asked),
        "past": [one for one in requests if one.state != VettingRequest.State.OPEN],
        "considered": considered(assistant, version, request.membership) if version else None,
        "may_vet": may(request.membership, "assistant.vet"),
        "may_edit": Assistant.objects.editable_by(request.membership).filter(pk=assistant.pk).exists(),
        "colleagues": colleagues(request.membership),
        "may_govern": may(request.membership, "assistant.govern"),
        **_defaults(request, assistant),
    }
    return render(request, "assistants/publishing.html", context, status=422 if problem else 200)


def _givers(request: WorkspaceRequest, owners: list[User]) -> list[User]:
    """Whose part this person may hand over: their own first, and an admin everybody's."""
    found = owners if may(request.membership, "assistant.govern") else [one for one in owners if one == request.user]
    return sorted(found, key=lambda one: one != request.user)


def _may_ask(assistant: Assistant, asked: VettingRequest | None) -> bool:
    """Whether there is anything to ask for."""
    if assistant.archived or assistant.scope == Assistant.Scope.PERSONAL:
        return False
    if asked is not None:
        return asked.version_id != assistant.latest_id
    return assistant.scope == Assistant.Scope.PUBLISHED or assistant.has_draft or assistant.vetted_until is not None


def _defaults(request: WorkspaceRequest, assistant: Assistant) -> dict[str, Any]:
    """For admins: of which spaces it is the default, and of which it could be."""
    if not may(request.membership, "assistant.govern") or assistant.archived:
        return {}
    of = {row.space_id for row in SpaceDefault.objects.filter(assistant=assistant)}
    spaces = list(Space.objects.filter(workspace=request.workspace))
    return {
        "default_of": [space for space in spaces if space.pk in of],
        "could_be_default": assistant.scope == Assistant.Scope.WORKSPACE and not assistant.is_default,
        "could_be_default_of": [space for space in spaces if space.pk not in of],
    }


# ---- Each step: parse, call the verb, say what was done ----------------------------------------------------------


def _publish(request: WorkspaceRequest, row: Assistant) -> str:
    lifecycle.publish(row, request.user)
    return "Published. Whoever may read all that it needs finds it in the gallery."


def _unpublish(request: WorkspaceRequest, row: Assistant) -> str:
    lifecycle.unpublish(row, request.user)
    return "Not published any more: only its owners see it."


def _request_vetting(request: WorkspaceRequest, row: Assistant) -> str:
    made = lifecycle.request_vetting(row, request.user, request.POST.get("note", ""))
    return f"Asked: an admin looks at version {made.version.number}. You are told what they decide."


def _withdraw(request: WorkspaceRequest, row: Assistant) -> str:
    lifecycle.withdraw(_request(request, row), request.user)
    return "Your request is withdrawn."


def _approve(request: WorkspaceRequest, row: Assistant) -> str:
    done = lifecycle.approve(_request(request, row), request.user, request.POST.get("comment", ""))
    return f"Vetted: version {done.version.number} is offered to everyone."


def _ask_changes(request: WorkspaceRequest, row: Assistant) -> str:
    lifecycle.ask_changes(_request(request, row), request.user, request.POST.get("comment", ""))
    return "Its owners are told what to change."


def _decline(request: WorkspaceRequest, row: Assistant) -> str:
    lifecycle.decline(_request(request, row), request.user, request.POST.get("comment", ""))
    return "Declined. Its owners are told why."


def _vet(request: WorkspaceRequest, row: Assistant) -> str:
    seen = request.POST.get("version", "")
    lifecycle.vet(row, request.user, int(seen) if seen.isdecimal() else None, request.POST.get("comment", ""))
    return "Vetted: it is offered to everyone."


def _unvet(request: WorkspaceRequest, row: Assistant) -> str:
    lifecycle.unvet(row, request.user, request.POST.get("comment", ""))
    return "The vetting is taken back; it is still published."


def _hide(request: WorkspaceRequest, row: Assistant) -> str:
    lifecycle.hide(row, request.user)
    return "Hidden: it is in no list any more, and answers whoever knows it."


def _unhide(request: WorkspaceRequest, row: Assistant) -> str:
    lifecycle.unhide(row, request.user)
    return "It is in the gallery again."


def _archive(request: WorkspaceRequest, row: Assistant) -> str:
    lifecycle.archive(row, request.user)
    return "Archived. Nobody finds it any more; its answers are kept."


def _restore(request: WorkspaceRequest, row: Assistant) -> str:
    lifecycle.restore(row, request.user)
    return "It is back, as its owners' own."


def _take_over(request: WorkspaceRequest, row: Assistant) -> str:
    lifecycle.take_over(row, request.user)
    return "You own it now."


def _add_owner(request: WorkspaceRequest, row: Assistant) -> str:
    owner = by_address(request)
    lifecycle.add_owner(row, request.user, owner)
    return f"{owner} owns it, too."


def _remove_owner(request: WorkspaceRequest, row: Assistant) -> str:
    owner = _owner(request, row, "user")
    lifecycle.remove_owner(row, request.user, owner)
    return f"{owner} does not own it any more."


def _hand_over(request: WorkspaceRequest, row: Assistant) -> str:
    """From oneself, or, for an admin, from the owner that they chose."""
    taker = by_address(request)
    lifecycle.hand_over(request.workspace, _owner(request, row, "from"), taker, request.user, row)
    return f"{taker} owns it now."


def _default(request: WorkspaceRequest, row: Assistant) -> str:
    """Of the workspace, or of the space that was chosen."""
    space = _space(request)
    if space is None:
        lifecycle.set_default(request.workspace, row, request.user)
        return "It answers where no assistant was chosen."
    lifecycle.set_space_default(space, row, request.user)
    return f"It answers people of {space} where no assistant was chosen."


def _no_default(request: WorkspaceRequest, row: Assistant) -> str:
    space = _space(request)
    if space is None:
        if row.is_default:
            lifecycle.set_default(request.workspace, None, request.user)
    elif SpaceDefault.objects.filter(space=space, assistant=row).exists():
        lifecycle.set_space_default(space, None, request.user)
    return "It answers only where it is chosen."


DEEDS: dict[str, Deed] = {
    "publish": _publish,
    "unpublish": _unpublish,
    "request_vetting": _request_vetting,
    "withdraw": _withdraw,
    "approve": _approve,
    "ask_changes": _ask_changes,
    "decline": _decline,
    "vet": _vet,
    "unvet": _unvet,
    "hide": _hide,
    "unhide": _unhide,
    "archive": _archive,
    "restore": _restore,
    "take_over": _take_over,
    "add_owner": _add_owner,
    "remove_owner": _remove_owner,
    "hand_over": _hand_over,
    "default": _default,
    "no_default": _no_default,
}


def by_address(request: WorkspaceRequest) -> User:
    """Whoever was named by ``email``. Raises ValidationError for somebody who is not here."""
    address = request.POST.get("email", "").strip()
    here = User.objects.filter(memberships__workspace=request.workspace, memberships__active=True)
    found = here.filter(email__iexact=address).first()
    if found is None:
        raise ValidationError(f"Nobody in {request.workspace} has the address “{address[:80]}”.")
    return found


def _owner(request: WorkspaceRequest, row: Assistant, name: str) -> User:
    key = request.POST.get(name, "")
    return get_object_or_404(row.owners, pk=int(key) if key.isdecimal() else 0)


def _request(request: WorkspaceRequest, row: Assistant) -> VettingRequest:
    return get_object_or_404(requests_for(request.membership), pk=_key(request, "request"), assistant=row)


def _space(request: WorkspaceRequest) -> Space | None:
    if not request.POST.get("space"):
        return None
    return get_object_or_404(Space, pk=_key(request, "space"), workspace=request.workspace)


def _key(request: WorkspaceRequest, name: str) -> UUID:
    try:
        return UUID(request.POST.get(name, ""))
    except ValueError:
        raise Http404 from None
