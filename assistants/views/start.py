"""New assistant: the ways to start one. Each ends in the builder's form, filled, with nothing saved yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_http_methods

from assistants.filing import conversations_of
from assistants.forms_builder import AssistantForm
from assistants.importing import MOST_BYTES, from_yaml
from assistants.views.assistants import usable
from assistants.views.builder import builder_page
from assistants.views.conversations import model_state
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import page
from portal.registry import registries

MOST_SHOWN = 6


@workspace_view("assistant.edit")
@require_GET
def start(request: WorkspaceRequest) -> HttpResponse:
    """``q`` looks for an assistant to copy; ``c`` for a conversation to make one of."""
    return _start_page(request)


def _start_page(request: WorkspaceRequest, errors: Sequence[str] = (), text: str = "") -> HttpResponse:
    membership = request.membership
    typed, asked = (request.GET.get(name, "").strip()[:80] for name in ("q", "c"))
    found = usable(membership)
    for word in typed.lstrip("@").split()[:6]:
        found = found.filter(Q(handle__icontains=word) | Q(live__name__icontains=word))
    context: dict[str, Any] = {
        "q": typed,
        "c": asked,
        "assistants": list(found.select_related("live")[:MOST_SHOWN]),
        "conversations": list(conversations_of(membership, asked)[:MOST_SHOWN]),
        "panels": [(p.template, p.context(request, None)) for p in registries.panel("assistant_start")],
        "errors": errors,
        "text": text,
        **model_state(membership),
    }
    partial = "conversations" if "c" in request.GET else "assistants"
    return page(request, "assistants/start.html", context, partial=partial, status=422 if errors else 200)


@workspace_view("assistant.edit")
@require_http_methods(["GET", "HEAD", "POST"])
def import_file(request: WorkspaceRequest) -> HttpResponse:
    """A YAML file, chosen or pasted, as a filled form to look at: what it names and is not here is listed above it. Whoever opens
    the address again starts again."""
    if request.method != "POST":
        return redirect("assistant_start", request.workspace.slug)
    file = request.FILES.get("file")
    text = file.read(MOST_BYTES + 1) if file else request.POST.get("yaml", "")
    if not text.strip():
        return _start_page(request, ["Choose a file, or paste what it holds."])
    try:
        draft = from_yaml(request.membership, text)
    except ValidationError as error:
        return _start_page(request, _told(error), "" if file else str(text)[:MOST_BYTES])
    notes = [f"This is @{draft.handle} as its file has it. Nothing is saved yet.", *draft.notes]
    return builder_page(request, AssistantForm.for_draft(request.membership, draft), None, notes=notes)


def _told(error: ValidationError) -> list[str]:
    """What is wrong with the file, a line for each field."""
    if not hasattr(error, "error_dict"):
        return [str(message) for message in error.messages]
    return [f"{field}: {' '.join(words)}" for field, words in error.message_dict.items()]
