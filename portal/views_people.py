"""Who is in the workspace: members, roles, invitations."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import inviting, members, people, profile
from portal.access import WorkspaceRequest, may, workspace_view
from portal.models import ApiKey, Invitation, Membership, Role, Space
from portal.pages import done, is_fragment, page, paged, sentence

TEMPLATE = "portal/people.html"
MOST_AT_ONCE = 200


@workspace_view("people.view")
@require_GET
def people_page(request: WorkspaceRequest) -> HttpResponse:
    return _show(request)


@workspace_view("people.view")
@require_GET
def portrait(request: WorkspaceRequest, key: UUID) -> HttpResponse:
    """The picture of somebody here."""
    return profile.portrait(request.workspace, key)


def _show(request: WorkspaceRequest, status: int = 200, **more: Any) -> HttpResponse:
    text = request.GET.get("q", "").strip()
    shows_left = request.GET.get("left") == "1" and may(request.membership, "people.manage")
    role, seen = request.GET.get("role", ""), request.GET.get("seen", "")
    here = Membership.objects.filter(workspace=request.workspace, active=not shows_left).select_related("user")
    found = members.found(here, text=text, role=role, seen_when=seen)
    spaces = Space.objects.governed_by(request.membership).filter(kind=Space.Kind.RESTRICTED)
    found = found.prefetch_related(Prefetch("user__spaces", queryset=spaces, to_attr="in_spaces"))
    manages = may(request.membership, "people.manage")
    context = {
        "people": paged(request, found.order_by("user__name", "user__email")),
        "text": text,
        "role": role,
        "seen": seen,
        "seen_choices": members.SEEN.items(),
        "narrowed": bool(text or role or seen),
        "kept": _kept(request),
        "shows_left": shows_left,
        "manages": manages,
        "roles": Role.choices,
        "invitations": _open_invitations(request) if manages else [],
        "restricted": _restricted(request) if manages and not is_fragment(request) else [],
        **more,
    }
    return page(request, TEMPLATE, context, partial="people", status=status)


def _kept(request: WorkspaceRequest) -> str:
    """What the other pages of the list narrow by, too."""
    same = {name: request.GET[name] for name in ("q", "role", "seen", "left") if request.GET.get(name)}
    return f"{urlencode(same)}&" if same else ""


def _open_invitations(request: WorkspaceRequest) -> list[Invitation]:
    open_ones = Invitation.objects.filter(workspace=request.workspace, accepted=None, revoked=None)
    return list(
        open_ones.filter(expires__gt=timezone.now())
        .select_related("invited_by")
        .prefetch_related("spaces")
        .order_by("-created")[:200]
    )


def _typed_addresses(text: str) -> tuple[list[str], list[str]]:
    """Addresses in what was typed or pasted, "Cleo Doe <cleo@example.com>" too, and entries that hold none."""
    addresses: dict[str, None] = {}
    others = []
    for entry in re.split(r"[,;\r\n]+", text):
        found = [word.lower() for word in re.split(r"[\s<>]+", entry) if "@" in word]
        addresses |= dict.fromkeys(found)
        if entry.strip() and not found:
            others.append(entry.strip()[:80])
    return list(addresses), others


@workspace_view("people.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: WorkspaceRequest) -> HttpResponse:
    """One address or many; each is answered for itself. The links are shown this once. A page of its own without scripts."""
    if request.method != "POST":
        return page(request, "portal/invite.html", {"restricted": _restricted(request)}, partial="form")
    addresses, others = _typed_addresses(request.POST.get("emails", ""))
    about, problem = _about(request, addresses)
    if problem:
        again = {"problem": problem, "typed": request.POST.get("emails", "")}
        if not is_fragment(request):
            return page(request, "portal/invite.html", {**again, "restricted": _restricted(request)}, status=422)
        return _show(request, status=422, **again)
    sent: list[tuple[Invitation, str]] = []
    refused = [(other, "This is not an e-mail address.") for other in others]
    for address in addresses:
        try:
            made = inviting.invite(workspace=request.workspace, email=address, by=request.user, mail=False, **about)
            sent.append(made)
        except ValidationError as error:
            refused.append((address, sentence(error)))
    return _show(request, refused=refused, **_mailed(sent))


def _about(request: WorkspaceRequest, addresses: list[str]) -> tuple[dict[str, Any], str]:
    """What all of them are invited to, and what is wrong with it in words, if anything is."""
    role, name = request.POST.get("role", Role.MEMBER), request.POST.get("name", "").strip()
    asked = set(request.POST.getlist("spaces"))
    spaces = [space for space in _restricted(request) if str(space.pk) in asked]
    about = {"role": role, "name": name, "spaces": spaces or None}
    if not addresses:
        return about, "Enter at least one e-mail address."
    if len(addresses) > MOST_AT_ONCE:
        return about, f"Up to {MOST_AT_ONCE} addresses at once."
    if role not in Role.values:
        return about, "Choose one of the roles."
    if name and len(addresses) > 1:
        return about, "A name is for one person. Leave it empty, or import a file with a name for each."
    return about, ""


def _restricted(request: WorkspaceRequest) -> list[Space]:
    return list(Space.objects.filter(workspace=request.workspace, kind=Space.Kind.RESTRICTED))


def _mailed(sent: list[tuple[Invitation, str]]) -> dict[str, Any]:
    """Mail them, and show which were: the links of the others are all that there is."""
    failed = {one.pk for one in inviting.mail_invitations(sent)}
    return {
        "sent": [one for one in sent if one[0].pk not in failed],
        "unsent": [one for one in sent if one[0].pk in failed],
    }


@workspace_view("people.manage")
@require_POST
def change_invitation(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Withdraw it, or make a new link (the old one then stops working)."""
    rows = Invitation.objects.select_related("workspace")
    found = get_object_or_404(rows, pk=pk, workspace=request.workspace, accepted=None, revoked=None)
    if request.POST.get("action") == "renew":
        try:
            sent = inviting.renew_invitation(found, by=request.user, mail=False)
        except ValidationError as error:
            return _show(request, status=422, problem=sentence(error))
        return _show(request, **_mailed([sent]))
    inviting.revoke_invitation(found, by=request.user)
    return _after(request, f"The invitation of {found.email} is withdrawn; its link does not work any more.")


@workspace_view("people.manage")
@require_POST
def change_role(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    membership = _member(request, pk)
    role = request.POST.get("role", "")
    if role not in Role.values:
        return _show(request, status=422, problem="Choose one of the roles.")
    try:
        people.change_role(membership, role, by=request.user)
    except ValidationError as error:
        return _show(request, status=422, problem=sentence(error))
    return _after(request, f"{membership.user} is now {membership.get_role_display().lower()}.")


@workspace_view("people.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Ask with what it costs, then take the person out of the workspace."""
    membership = _member(request, pk)
    if request.method == "POST":
        try:
            heir = people.heir(request.workspace, request.POST.get("heir", ""))
            people.deactivate(membership, by=request.user, hand_over_to=heir)
        except ValidationError as error:
            return _show(request, status=422, problem=sentence(error))
        return _after(request, f"{membership.user} is no longer in {request.workspace}.")
    context = {
        "person": membership,
        "keys": ApiKey.objects.filter(membership=membership, revoked=None).count(),
        "spaces": Space.objects.filter(workspace=request.workspace, members=membership.user),
        "left_behind": people.left_behind(membership),
        "heirs": people.colleagues(membership),
    }
    return page(request, "portal/person_leave.html", context, partial="sheet")


@workspace_view("people.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def import_page(request: WorkspaceRequest) -> HttpResponse:
    """People from a CSV file: looked at first, line by line."""
    context = members.imported(request, request.workspace)
    status = 422 if "problem" in context else 200
    return page(request, "portal/people_import.html", context, status=status)


@workspace_view("people.manage")
@require_POST
def come_back(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    membership = _member(request, pk)
    people.reactivate(membership, by=request.user)
    return _after(request, f"{membership.user} is in {request.workspace} again.")


def _member(request: WorkspaceRequest, pk: UUID) -> Membership:
    return get_object_or_404(Membership.objects.select_related("user", "workspace"), pk=pk, workspace=request.workspace)


def _after(request: WorkspaceRequest, words: str) -> HttpResponse:
    if is_fragment(request):
        return _show(request, notice=words)
    return done(request, words, reverse("people", args=[request.workspace.slug]))
