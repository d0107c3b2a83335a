"""Installing a template in three steps: fill its slots, look at what comes of it, done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from assistants.drafts import checked_fields, checked_handle, free_handle
from assistants.errors import Refused
from assistants.reads import what_it_reads
from assistants.rendering import answer_html
from assistants.views.builder import entry_of
from assistants.views.trial import Draft, answered
from datasources.models import DataSource
from datasources.picking import Picker, picker, read_choice
from gallery.marketplace import installing
from gallery.marketplace.blueprint import Blueprint, of_version
from gallery.marketplace.slots import Slot
from gallery.models import Template
from portal.access import WorkspaceRequest, async_workspace_view, may, workspace_view
from portal.models import Membership
from portal.pages import sentence

STEPS = ("Fill in", "Look at it", "Done")
MOST_STARTERS_SHOWN = 4


@dataclass(slots=True)
class Filled:
    """What was entered so far, and what is wrong with it by slot or field."""

    texts: dict[str, str] = field(default_factory=dict)
    knowledge: dict[str, installing.Entries] = field(default_factory=dict)
    skip: bool = False
    name: str = ""
    handle: str = ""
    wrong: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A slot as the page asks for it."""

    slot: Slot
    value: str = ""
    error: str = ""
    picker: Picker | None = None
    carried: str = "[]"


@workspace_view("template.install")
def install(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """``step``: preview, back or install. Each step carries what was entered before; nothing is kept until the last."""
    template, blueprint = _to_install(request, pk)
    if request.method != "POST":
        # Which company it is nobody has to type.
        known = {slot.name: request.workspace.name for slot in blueprint.texts if slot.name == "company"}
        return _fill(request, template, blueprint, Filled(texts=known))
    entered = _read(request.POST, blueprint)
    step = request.POST.get("step", "preview")
    if step == "back":
        return _fill(request, template, blueprint, entered)
    _check(request.membership, blueprint, entered)
    if entered.wrong:
        return _fill(request, template, blueprint, entered)
    if step == "install":
        return _install(request, template, blueprint, entered)
    return _look(request, template, blueprint, entered)


@async_workspace_view("template.install")
async def try_out(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """A question to what would come of it, with the preview's form; nothing is saved. As the builder's trial answers."""
    return await answered(request, partial(_draft, request, pk))


def _draft(request: WorkspaceRequest, pk: UUID) -> Draft:
    _template, blueprint = _to_install(request, pk)
    entered = _read(request.POST, blueprint)
    _check(request.membership, blueprint, entered)
    if entered.wrong:
        raise Refused("invalid", next(iter(entered.wrong.values())))
    fields = installing.version_fields(blueprint, entered.texts)
    reads = installing.merged(request.membership, blueprint, entered.knowledge)
    try:
        return checked_fields(request.membership, fields | {"knowledge": reads}), None
    except ValidationError as error:
        raise Refused("invalid", sentence(error)) from error


def _to_install(request: WorkspaceRequest, pk: UUID) -> tuple[Template, Blueprint]:
    rows = Template.objects.on_shelf(request.workspace).select_related("latest")
    template = get_object_or_404(rows, pk=pk)
    assert template.latest is not None
    return template, of_version(template, template.latest)


def _read(posted: Mapping[str, str], blueprint: Blueprint) -> Filled:
    entered = Filled(skip="skip" in posted, name=posted.get("name", ""), handle=posted.get("handle", ""))
    entered.texts = {slot.name: posted.get(f"text-{slot.name}", "") for slot in blueprint.texts}
    for slot in blueprint.knowledge:
        try:
            branches = read_choice(posted.get(f"knowledge-{slot.name}", ""))
            entered.knowledge[slot.name] = [entry_of(branch) for branch in branches]
        except ValidationError as error:
            entered.wrong[slot.name] = sentence(error)
    return entered


def _check(membership: Membership, blueprint: Blueprint, entered: Filled) -> None:
    """Note what is wrong. Skipped knowledge is dropped, so that nothing comes along that the page did not show."""
    if entered.skip:
        entered.knowledge = {}
    elif blueprint.knowledge and not any(entered.knowledge.values()) and not entered.wrong:
        first = blueprint.knowledge[0].name
        entered.wrong[first] = "Tick what it reads, or leave its knowledge for later."
    try:
        entered.texts = installing.checked_texts(blueprint, entered.texts)
    except ValidationError as error:
        entered.wrong |= {name: " ".join(words) for name, words in error.message_dict.items()}
    try:
        installing.merged(membership, blueprint, entered.knowledge)
    except ValidationError as error:
        entered.wrong |= {name: " ".join(words) for name, words in error.message_dict.items()}


def _install(request: WorkspaceRequest, template: Template, blueprint: Blueprint, entered: Filled) -> HttpResponse:
    try:
        made = installing.install(
            template,
            workspace=request.workspace,
            by=request.user,
            handle=entered.handle,
            name=entered.name,
            texts=entered.texts,
            knowledge=entered.knowledge,
        )
    except Refused as error:
        messages.error(request, str(error))
        return redirect("templates", request.workspace.slug)
    except ValidationError as error:
        wrong = error.message_dict if hasattr(error, "error_dict") else {"handle": error.messages}
        entered.wrong = {name: " ".join(words) for name, words in wrong.items()}
        return _look(request, template, blueprint, entered)
    messages.success(request, f"Done: @{made.handle} is yours. Try it here; publish it when it is good.")
    return redirect("assistant_edit", request.workspace.slug, made.handle)


# ---- Pages -------------------------------------------------------------------------------------------------------


def _fill(request: WorkspaceRequest, template: Template, blueprint: Blueprint, entered: Filled) -> HttpResponse:
    membership = request.membership
    hidden = [DataSource.State.DELETING, DataSource.State.DRAFT]
    sources = list(DataSource.objects.visible_to(membership).exclude(state__in=hidden))
    asked = [_asked(membership, slot, sources, entered) for slot in blueprint.slots]
    context = _around(request, template, blueprint, entered, 1) | {
        "texts": [one for one in asked if one.picker is None],
        "knowledge": [one for one in asked if one.picker is not None],
        "sources": sources,
        "may_connect": may(membership, "datasource.create"),
        "connect_url": reverse("data_new", args=[request.workspace.slug]),
    }
    return render(request, "gallery/templates/fill.html", context, status=422 if entered.wrong else 200)


def _asked(membership: Membership, slot: Slot, sources: list[DataSource], entered: Filled) -> Asked:
    error = entered.wrong.get(slot.name, "")
    if slot.kind != "knowledge":
        return Asked(slot, entered.texts.get(slot.name, ""), error)
    ticked = entered.knowledge.get(slot.name, [])
    tree = picker(membership, sources, ticked, name=f"knowledge-{slot.name}")
    return Asked(slot, error=error, picker=tree, carried=json.dumps(ticked))


def _look(request: WorkspaceRequest, template: Template, blueprint: Blueprint, entered: Filled) -> HttpResponse:
    reads = installing.merged(request.membership, blueprint, entered.knowledge)
    version = installing.as_version(blueprint, entered.texts, reads)
    entered.name = entered.name.strip() or version.name
    entered.handle = entered.handle.strip().lower().removeprefix("@") or free_handle(request.workspace, entered.name)
    if "handle" not in entered.wrong:
        try:
            checked_handle(request.workspace, entered.handle)
        except ValidationError as error:
            entered.wrong["handle"] = sentence(error)
    carried = [
        Asked(slot, entered.texts.get(slot.name, ""), carried=json.dumps(entered.knowledge.get(slot.name, [])))
        for slot in blueprint.slots
    ]
    context = _around(request, template, blueprint, entered, 2) | {
        "carried": carried,
        "version": version,
        "instructions": answer_html(version.instructions, (), template.pk),
        "reads": what_it_reads(request.membership, version),
        "empty": [slot.label for slot in blueprint.knowledge if not entered.knowledge.get(slot.name)],
        "handle_url": reverse("assistant_handle", args=[request.workspace.slug]),
        "try_url": reverse("template_try", args=[request.workspace.slug, template.pk]),
        "stop_url": reverse("assistant_try", args=[request.workspace.slug]),
        "trial_starters": version.starters[:MOST_STARTERS_SHOWN],
        "trial_words": "It answers as it will once it is installed. Nothing is saved by it, and it counts as nobody’s use.",
        "trial_note": "Answers from what is shown here",
        "trial_else": "Install it, then ask in the builder.",
    }
    return render(request, "gallery/templates/look.html", context, status=422 if entered.wrong else 200)


def _around(
    request: WorkspaceRequest, template: Template, blueprint: Blueprint, entered: Filled, at: int
) -> dict[str, Any]:
    states = ["done" if number < at else "now" if number == at else "" for number in range(1, len(STEPS) + 1)]
    return {
        "template": template,
        "blueprint": blueprint,
        "entered": entered,
        "steps": [{"label": label, "state": state} for label, state in zip(STEPS, states, strict=True)],
    }
