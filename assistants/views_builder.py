"""The builder: a form in short sections; each button does one step of the assistant's life."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from assistants import lifecycle
from assistants.errors import Refused
from assistants.forms_builder import AssistantForm
from assistants.models import Assistant, AssistantVersion, Message
from assistants.states import STEPS, WITHOUT_SAVING, state_of
from assistants.views_conversations import model_state
from datasources.models import DataSource
from datasources.picking import picker, read_choice
from datasources.retrieval.types import Branch
from portal.access import WorkspaceRequest, may, workspace_view
from portal.pages import sentence

EMPTY = AssistantVersion(name="", emoji="", colour="")


@workspace_view("assistant.edit")
def new(request: WorkspaceRequest) -> HttpResponse:
    form = AssistantForm(request.POST or None, membership=request.membership)
    if request.method == "POST" and form.is_valid():
        try:
            assistant = lifecycle.create_assistant(
                workspace=request.workspace,
                by=request.user,
                handle=form.cleaned_data["handle"],
                stage=form.cleaned_data["stage"],
                **form.version_fields,
            )
        except ValidationError as error:
            form.add_error(None, sentence(error))
        else:
            messages.success(request, "Saved. It is yours alone until you publish it.")
            return redirect("assistant_edit", request.workspace.slug, assistant.handle)
    return _page(request, form, None)


@workspace_view("assistant.edit")
def edit(request: WorkspaceRequest, handle: str) -> HttpResponse:
    editable = Assistant.objects.editable_by(request.membership).select_related("live", "latest__credential")
    assistant = get_object_or_404(editable, handle__iexact=handle)
    if request.method != "POST":
        version = assistant.latest or assistant.live or EMPTY
        return _page(request, AssistantForm.for_version(request.membership, assistant, version), assistant)
    step = request.POST.get("do", "save")
    if step == "roll_back":
        return _roll_back(request, assistant)
    form = AssistantForm(request.POST, membership=request.membership, assistant=assistant)
    if step not in WITHOUT_SAVING and not form.is_valid():
        return _page(request, form, assistant)
    try:
        if step not in WITHOUT_SAVING:
            assistant = _save(request, assistant, form)
        words = _take(request, assistant, step)
    except Refused as error:
        form.add_error(None, str(error))
        return _page(request, form, assistant)
    except ValidationError as error:
        form.add_error(None, sentence(error))
        return _page(request, form, assistant)
    messages.success(request, words)
    if step == "archive":
        return redirect("assistants", request.workspace.slug)
    return redirect("assistant_edit", request.workspace.slug, assistant.handle)


def _roll_back(request: WorkspaceRequest, assistant: Assistant) -> HttpResponse:
    try:
        version = assistant.versions.filter(pk=UUID(request.POST.get("version", ""))).first()
    except ValueError:
        version = None
    if version is None:
        raise Http404
    try:
        made = lifecycle.roll_back(assistant, request.user, version)
    except (Refused, ValidationError) as error:
        messages.error(request, sentence(error) if isinstance(error, ValidationError) else str(error))
    else:
        messages.success(request, f"Version {made.number} is what version {version.number} was.")
    return redirect("assistant", request.workspace.slug, assistant.handle)


def _save(request: WorkspaceRequest, assistant: Assistant, form: AssistantForm) -> Assistant:
    lifecycle.save_version(assistant, request.user, **form.version_fields)
    if form.cleaned_data["stage"] != assistant.stage:
        lifecycle.set_stage(assistant, request.user, form.cleaned_data["stage"])
    if form.cleaned_data["handle"] != assistant.handle:
        lifecycle.rename_handle(assistant, request.user, form.cleaned_data["handle"])
    assistant.refresh_from_db()
    return assistant


def _take(request: WorkspaceRequest, assistant: Assistant, step: str) -> str:
    if step not in STEPS:
        return "Saved."
    verb, words = STEPS[step]
    verb(assistant, request.user)
    return words


def _sources(request: WorkspaceRequest) -> list[DataSource]:
    return list(
        DataSource.objects.visible_to(request.membership).exclude(
            state__in=[DataSource.State.DELETING, DataSource.State.DRAFT]
        )
    )


def _ticked(form: AssistantForm) -> list[dict[str, Any]]:
    """What the tree shows as chosen: as it was sent, where a form comes back with errors."""
    value = form["knowledge"].value()
    if isinstance(value, str):
        try:
            return [entry_of(branch) for branch in read_choice(value)]
        except ValidationError:
            return []
    return value or []


def entry_of(branch: Branch) -> dict[str, Any]:
    """A branch as versions and pickers carry it."""
    return {
        "data_source": str(branch.source),
        "parents_in": None if branch.parents_in is None else [str(key) for key in branch.parents_in],
        "parents_not_in": [str(key) for key in branch.parents_not_in],
    }


def _page(request: WorkspaceRequest, form: AssistantForm, assistant: Assistant | None) -> HttpResponse:
    version = (assistant.latest or assistant.live) if assistant else None
    context = {
        "form": form,
        "assistant": assistant,
        "version": version or EMPTY,
        "state": state_of(assistant, request.membership),
        "picker": picker(request.membership, _sources(request), _ticked(form), name="knowledge"),
        "may_connect": may(request.membership, "datasource.create"),
        "answers": Message.objects.filter(assistant=assistant).count() if assistant else 0,
        "may_vet": may(request.membership, "assistant.vet"),
        "connect_url": reverse("data_new", args=[request.workspace.slug]),
        **model_state(request.membership),
    }
    return render(request, "assistants/builder.html", context, status=422 if form.errors else 200)
