"""The builder: a form in short sections; each button does one step of the assistant's life."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from assistants import lifecycle
from assistants.answering.variables import KNOWN
from assistants.changing import change_assistant
from assistants.errors import Refused
from assistants.forms_builder import AssistantForm
from assistants.models import Assistant, AssistantVersion, Conversation, Message, Picture
from assistants.needs import in_words, spaces_needed
from assistants.starting import Draft, copy_of, from_conversation
from assistants.states import STEPS, WITHOUT_SAVING, state_of
from assistants.views.conversations import model_state
from datasources.models import DataSource
from datasources.picking import picker, read_choice
from datasources.retrieval.types import Branch
from portal.access import WorkspaceRequest, may, workspace_view
from portal.pages import sentence

EMPTY = AssistantVersion(name="", emoji="", colour="")
LONGEST_WISH = 2000
MOST_COUNTED = 1000


@workspace_view("assistant.edit")
def new(request: WorkspaceRequest) -> HttpResponse:
    """A blank form; what it was filled from elsewhere is saved here, too."""
    if request.method != "POST":
        # Where no model can make a draft of the sentence, it says at least what the assistant does.
        wish = request.GET.get("wish", "") if model_state(request.membership)["no_model"] else ""
        return builder_page(
            request, AssistantForm(membership=request.membership, initial={"description": wish[:300]}), None
        )
    form = AssistantForm(request.POST, request.FILES, membership=request.membership)
    if form.is_valid():
        try:
            assistant = lifecycle.create_assistant(
                workspace=request.workspace,
                by=request.user,
                handle=form.cleaned_data["handle"],
                stage=form.cleaned_data["stage"],
                shows_instructions=form.cleaned_data["shows_instructions"],
                note=form.cleaned_data["note"],
                **form.version_fields,
            )
        except ValidationError as error:
            form.add_error(None, sentence(error))
        else:
            messages.success(request, "Saved. It is yours alone until you publish it.")
            return redirect("assistant_edit", request.workspace.slug, assistant.handle)
    return builder_page(request, form, None)


@workspace_view("assistant.edit")
@require_GET
def copy(request: WorkspaceRequest, handle: str) -> HttpResponse:
    """The form filled with what this person sees of an assistant."""
    seen = Assistant.objects.visible_to(request.membership).select_related(
        "workspace", "live__credential", "live__picture", "latest__credential", "latest__picture"
    )
    return _filled(request, copy_of(request.membership, get_object_or_404(seen, handle__iexact=handle)))


@workspace_view("assistant.edit")
@require_GET
def of_conversation(request: WorkspaceRequest, conversation: UUID) -> HttpResponse:
    """The form filled for questions like those of a conversation."""
    seen = Conversation.objects.visible_to(request.membership).select_related("workspace")
    return _filled(request, from_conversation(request.membership, get_object_or_404(seen, pk=conversation)))


def _filled(request: WorkspaceRequest, draft: Draft) -> HttpResponse:
    form = AssistantForm.for_draft(request.membership, draft)
    return builder_page(request, form, None, notes=draft.notes or ("Nothing is saved yet.",))


@workspace_view("assistant.edit")
def edit(request: WorkspaceRequest, handle: str) -> HttpResponse:
    editable = Assistant.objects.editable_by(request.membership).select_related("live", "latest__credential")
    assistant = get_object_or_404(editable, handle__iexact=handle)
    if request.method != "POST":
        return _opened(request, assistant)
    step = request.POST.get("do", "save")
    if step == "roll_back":
        return _roll_back(request, assistant)
    form = AssistantForm(request.POST, request.FILES, membership=request.membership, assistant=assistant)
    if step not in WITHOUT_SAVING:
        if words := _saved_meanwhile(request, assistant):
            form.add_error(None, words)
        if form.errors:
            return builder_page(request, form, assistant)
    try:
        if step not in WITHOUT_SAVING:
            assistant = _save(request, assistant, form)
        words = _take(request, assistant, step)
    except Refused as error:
        form.add_error(None, str(error))
        return builder_page(request, form, assistant)
    except ValidationError as error:
        form.add_error(None, sentence(error))
        return builder_page(request, form, assistant)
    messages.success(request, words)
    if step == "archive":
        return redirect("assistants", request.workspace.slug)
    if step == "request_vetting":
        return redirect("assistant_publishing", request.workspace.slug, assistant.handle)
    return redirect("assistant_edit", request.workspace.slug, assistant.handle)


def _opened(request: WorkspaceRequest, assistant: Assistant) -> HttpResponse:
    """The form with what the latest version has, or an older one that is to be tried."""
    version = assistant.latest or assistant.live or EMPTY
    older = request.GET.get("version", "")
    if not older:
        return builder_page(request, AssistantForm.for_version(request.membership, assistant, version), assistant)
    number = int(older) if older.isdecimal() and len(older) < 7 else 0
    version = get_object_or_404(assistant.versions.select_related("credential", "picture"), number=number)
    form = AssistantForm.for_version(request.membership, assistant, version)
    if version.pk == assistant.latest_id:
        return builder_page(request, form, assistant)
    note = (
        f"This is version {number}, to look at and to try. Nothing has changed; saving it makes it the newest version."
    )
    return builder_page(request, form, assistant, notes=(note,))


def _saved_meanwhile(request: WorkspaceRequest, assistant: Assistant) -> str:
    """Two people at one assistant: who saves second is told, rather than undoing in silence what the first one did."""
    based_on = request.POST.get("based_on", "")
    latest = assistant.latest
    if latest is None or not based_on.isdecimal() or int(based_on) >= latest.number:
        return ""
    return (
        f"{latest.created_by or 'Somebody'} saved version {latest.number} while you were at it. Look under Versions what "
        "changed; save again to put yours on top of it."
    )


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
    return redirect("assistant_versions", request.workspace.slug, assistant.handle)


def _save(request: WorkspaceRequest, assistant: Assistant, form: AssistantForm) -> Assistant:
    about = {name: form.cleaned_data[name] for name in ("note", "handle", "stage", "shows_instructions")}
    return change_assistant(assistant, request.user, form.version_fields, **about)


def _take(request: WorkspaceRequest, assistant: Assistant, step: str) -> str:
    if step not in STEPS:
        return "Saved."
    verb, words = STEPS[step]
    verb(assistant, request.user)
    return words


@workspace_view("assistant.edit")
@require_POST
def needs(request: WorkspaceRequest) -> HttpResponse:
    """Which spaces people would have to be in, for the knowledge that is ticked at the moment."""
    try:
        branches = read_choice(request.POST.get("knowledge", "")) if request.POST.get("searches") == "chosen" else []
    except ValidationError:
        branches = []
    if request.POST.get("retrieval") == "none":
        branches = []
    return render(
        request, "assistants/_builder_needs.html", {"needs": _needs(request, [entry_of(b) for b in branches])}
    )


def _needs(request: WorkspaceRequest, entries: Iterable[dict[str, Any]]) -> list[str]:
    sources = set(DataSource.objects.visible_to(request.membership).values_list("pk", flat=True))
    draft = AssistantVersion(knowledge=[entry for entry in entries if UUID(entry["data_source"]) in sources])
    return in_words(spaces_needed(draft), request.membership)


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


def builder_page(
    request: WorkspaceRequest, form: AssistantForm, assistant: Assistant | None, notes: Iterable[str] = ()
) -> HttpResponse:
    """``notes``: what a person should know of what the form was filled from; then it counts as not saved."""
    version = (assistant.latest or assistant.live) if assistant else None
    ticked = _ticked(form)
    notes = list(notes)
    context = {
        "form": form,
        "assistant": assistant,
        "version": version or EMPTY,
        "picture": _picture_of(request, form),
        "notes": notes,
        "dirty": bool(notes or form.errors),
        "wish": request.GET.get("wish", "")[:LONGEST_WISH],
        "variables": KNOWN,
        "state": state_of(assistant, request.membership),
        "picker": picker(request.membership, _sources(request), ticked, name="knowledge"),
        "needs": _needs(request, ticked) if form["searches"].value() == "chosen" else [],
        "may_connect": may(request.membership, "datasource.create"),
        # For a sentence: beyond this it is "or more", so that a busy assistant's form opens as fast as any.
        "answers": Message.objects.filter(assistant=assistant)[:MOST_COUNTED].count() if assistant else 0,
        "most_counted": MOST_COUNTED,
        "may_vet": may(request.membership, "assistant.vet"),
        "connect_url": reverse("data_new", args=[request.workspace.slug]),
        **model_state(request.membership),
    }
    return render(request, "assistants/builder.html", context, status=422 if form.errors else 200)


def _picture_of(request: WorkspaceRequest, form: AssistantForm) -> str:
    """The id of the picture that the form has, if it is one that this person may see."""
    try:
        key = UUID(str(form["picture"].value() or ""))
    except ValueError:
        return ""
    return str(key) if Picture.objects.visible_to(request.membership).filter(pk=key).exists() else ""
