"""One's saved prompts, under Me: add, change, delete; and what the composer offers after ``/``."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from assistants import saved_prompts as verbs
from assistants.errors import Refused
from assistants.models import SavedPrompt
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import done, page

MOST_OFFERED = 8


class PromptForm(forms.Form):
    name = forms.CharField(
        max_length=60,
        label="Name",
        help_text="What you type after /.",
        widget=forms.TextInput(attrs={"placeholder": "weekly summary", "autocomplete": "off"}),
    )
    text = forms.CharField(max_length=SavedPrompt.LONGEST, label="Prompt", widget=forms.Textarea(attrs={"rows": 5}))


@workspace_view("prompt.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def prompts(request: WorkspaceRequest) -> HttpResponse:
    """The list, and a form for one more."""
    form = PromptForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = verbs.save_prompt(request.membership, **form.cleaned_data)
        except Refused as error:
            form.add_error("name", str(error))
        else:
            return done(request, f"Saved. Type /{made} at the beginning of a question.", _list(request))
    return _page(request, form)


@workspace_view("prompt.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def prompt(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """One, to be changed."""
    row = _own(request, pk)
    form = PromptForm(request.POST or None, initial={"name": row.name, "text": row.text})
    if request.method == "POST" and form.is_valid():
        try:
            verbs.change_prompt(row, **form.cleaned_data)
        except Refused as error:
            form.add_error("name", str(error))
        else:
            return done(request, "Saved.", _list(request))
    return _page(request, form, row)


@workspace_view("prompt.manage")
@require_POST
def delete(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    row = _own(request, pk)
    verbs.delete_prompt(row)
    return done(request, f"“{row}” is deleted.", _list(request))


@workspace_view("prompt.view")
@require_GET
def suggest(request: WorkspaceRequest) -> HttpResponse:
    """For the composer: those whose name fits what was typed. ``none``: there is nothing saved at all."""
    typed = request.GET.get("q", "").strip()[:60]
    found = list(verbs.prompts_of(request.membership, typed)[:MOST_OFFERED])
    none = not found and not (typed and verbs.prompts_of(request.membership).exists())
    results = [{"name": row.name, "text": row.text} for row in found]
    return JsonResponse({"results": results, "none": none, "page": _list(request)})


def _own(request: WorkspaceRequest, pk: UUID) -> SavedPrompt:
    return get_object_or_404(SavedPrompt, pk=pk, membership=request.membership)


def _list(request: WorkspaceRequest) -> str:
    return reverse("prompts", args=[request.workspace.slug])


def _page(request: WorkspaceRequest, form: PromptForm, changed: SavedPrompt | None = None) -> HttpResponse:
    context: dict[str, Any] = {
        "prompts": list(verbs.prompts_of(request.membership)),
        "form": form,
        "changed": changed,
        "tab": "prompts",
    }
    return page(request, "assistants/prompts.html", context, status=422 if form.errors else 200)
