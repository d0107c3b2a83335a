"""Offering an assistant as a template, and taking what a newer version of its own template has."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from assistants.errors import Refused
from assistants.models import Assistant
from gallery.forms import OfferForm, label_of
from gallery.marketplace import offering, updating
from gallery.marketplace.blueprint import Blueprint
from gallery.marketplace.checking import Finding, check
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import sentence


@workspace_view("template.offer")
def offer(request: WorkspaceRequest, handle: str) -> HttpResponse:
    """The texts to look over; what may be the company's own is asked about, one by one, before it goes to the admins."""
    assistant = _own(request, handle)
    draft = offering.drafted(assistant)
    if request.method != "POST":
        form = OfferForm.of(draft)
        return _offer_page(request, assistant, form, check(request.membership, draft))
    form = OfferForm(request.POST, draft=draft)
    if not form.is_valid():
        return _offer_page(request, assistant, form, [])
    blueprint: Blueprint = form.blueprint
    if request.POST.get("do") != "offer":
        return _offer_page(request, assistant, form, check(request.membership, blueprint), checked=True)
    try:
        made = offering.offer(
            assistant,
            request.user,
            blueprint,
            confirmed=request.POST.getlist("confirmed"),
            everywhere=form.cleaned_data["everywhere"],
        )
    except offering.Unconfirmed as error:
        form.add_error(None, str(error))
        return _offer_page(request, assistant, form, check(request.membership, blueprint))
    except Refused as error:
        form.add_error(None, str(error))
        return _offer_page(request, assistant, form, [])
    messages.success(request, "Offered. An admin looks at it, and you are told what they say.")
    return redirect("template", request.workspace.slug, made.pk)


def _own(request: WorkspaceRequest, handle: str) -> Assistant:
    """One that this person owns; of others' this page does not exist."""
    rows = Assistant.objects.visible_to(request.membership).filter(owners=request.user)
    return get_object_or_404(rows.select_related("live", "latest", "workspace"), handle__iexact=handle)


def _offer_page(
    request: WorkspaceRequest, assistant: Assistant, form: OfferForm, findings: list[Finding], *, checked: bool = False
) -> HttpResponse:
    confirmed = set(request.POST.getlist("confirmed"))
    context: dict[str, Any] = {
        "assistant": assistant,
        "version": assistant.latest or assistant.live,
        "form": form,
        "findings": [(one, one.id in confirmed, label_of(one.where)) for one in findings],
        "checked": checked,
        "before": offering.last_offer(assistant),
    }
    return render(request, "gallery/templates/offer.html", context, status=422 if form.errors else 200)


@workspace_view("template.install")
def update(request: WorkspaceRequest, handle: str) -> HttpResponse:
    """What the newer version of its template would change, part by part. What its owners changed is left to them."""
    editable = Assistant.objects.editable_by(request.membership).exclude(template=None)
    rows = editable.select_related("latest__credential", "live__credential", "workspace")
    assistant = get_object_or_404(rows, handle__iexact=handle)
    texts = {name.removeprefix("text-"): str(value) for name, value in request.POST.items() if name.startswith("text-")}
    found = updating.update_of(assistant, texts)
    if request.method != "POST":
        return _update_page(request, assistant, found)
    keeps = request.POST.get("do") == "keep"
    try:
        version = updating.take(assistant, request.user, [] if keeps else request.POST.getlist("take"), texts)
    except Refused as error:
        messages.error(request, str(error))
    except ValidationError as error:
        return _update_page(request, assistant, found, texts, sentence(error))
    else:
        words = (
            "Kept as it is." if keeps or not request.POST.getlist("take") else f"Taken, as version {version.number}."
        )
        messages.success(request, words)
    return redirect("assistant", request.workspace.slug, assistant.handle)


def _update_page(
    request: WorkspaceRequest,
    assistant: Assistant,
    found: updating.Update | None,
    texts: dict[str, str] | None = None,
    error: str = "",
) -> HttpResponse:
    if request.method == "POST" and found is None:
        raise Http404
    context = {
        "assistant": assistant,
        "version": assistant.latest or assistant.live,
        "update": found,
        "asked": [(slot, (texts or {}).get(slot.name, "")) for slot in found.asked] if found else [],
        "error": error,
        "waits": assistant.scope == Assistant.Scope.WORKSPACE,
    }
    return render(request, "gallery/templates/update.html", context, status=422 if error else 200)
