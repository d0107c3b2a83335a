"""Trying an assistant from the form as it stands: nothing is saved, nothing counts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_POST

from assistants.answering.spec import Said
from assistants.conversations import stop_trial, try_draft
from assistants.errors import Refused
from assistants.following import follow, sse
from assistants.forms_builder import AssistantForm
from assistants.models import Assistant
from assistants.views.answers import event_stream
from portal.access import WorkspaceRequest, async_workspace_view, workspace_view
from portal.models import Membership
from portal.threads import in_database

MOST_TURNS = 40
Draft = tuple[dict[str, Any], UUID | None]
"""Fields of a version, checked, and the assistant that they are a draft of."""


@async_workspace_view("assistant.edit")
async def start(request: WorkspaceRequest) -> HttpResponseBase:
    """The builder's form with ``content`` and ``history``; answers with the events of the trial, whose id is in X-Trial."""
    return await answered(request, partial(_draft, request.membership, request.POST))


async def answered(request: WorkspaceRequest, draft: Callable[[], Draft]) -> HttpResponseBase:
    """To what is posted with a form, from what the form makes: ``draft``, which is called in a thread and may raise Refused."""
    if request.method != "POST":
        return HttpResponse(status=405)
    try:
        history = _history(request.POST.get("history", "[]"))
        fields, of = await in_database(draft)
        trial = await try_draft(request.membership, fields, request.POST.get("content", ""), history, of=of)
    except Refused as error:
        return _no(str(error), error.status)
    response = event_stream(sse(follow(request.membership, trial)))
    response["X-Trial"] = str(trial)
    return response


def _no(words: str, status: int = 400) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")


def _draft(membership: Membership, posted: Any) -> Draft:
    """What the form makes of a version, and of which assistant. A field that is wrong ends the trial with its own words."""
    known = posted.get("assistant", "")
    editable = Assistant.objects.editable_by(membership).select_related("latest__credential")
    assistant = editable.filter(handle__iexact=known).first() if known else None
    form = AssistantForm(posted, membership=membership, assistant=assistant, trial=True)
    if form.is_valid():
        return form.version_fields, assistant.pk if assistant else None
    field, errors = next(iter(form.errors.items()))
    label = form.fields[field].label if field in form.fields else ""
    raise Refused("invalid", f"{label}: {errors[0]}" if label else str(errors[0]))


def _history(text: str) -> tuple[Said, ...]:
    try:
        turns = msgspec.json.decode(text, type=list[dict[str, str]])
        return tuple(Said("user" if t["role"] == "user" else "assistant", t["text"]) for t in turns[-MOST_TURNS:])
    except (msgspec.DecodeError, KeyError) as error:
        raise Refused("invalid", "The trial's conversation could not be read. Start over.") from error


@workspace_view("assistant.edit")
@require_POST
def stop(request: WorkspaceRequest, trial: UUID) -> HttpResponse:
    return JsonResponse({"stopped": stop_trial(request.membership, trial)})
