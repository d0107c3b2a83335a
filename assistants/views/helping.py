"""What helps while an assistant is being built: advice beside its fields, and drafts by the model. Nothing here saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST

from assistants.advice import Draft, advise
from assistants.differences import Line, line_diff
from assistants.errors import Refused
from assistants.models import Assistant
from assistants.writing import Texts, write
from datasources.picking import read_choice
from datasources.retrieval.types import Branch
from portal.access import WorkspaceRequest, async_workspace_view, workspace_view
from portal.providers.errors import ProviderError
from portal.threads import in_database

PLACES = ("description", "instructions", "knowledge", "model", "starters")
"""Where advice stands in the form: an element with the id ``advice-<place>``."""


@workspace_view("assistant.edit")
@require_POST
def advice(request: WorkspaceRequest) -> HttpResponse:
    """The builder's form as it stands; answers with every place anew, for htmx to put in."""
    known = request.POST.get("assistant", "")
    editable = Assistant.objects.editable_by(request.membership)
    assistant = editable.filter(handle__iexact=known).first() if known else None
    said = advise(request.membership, draft_in(request.POST), assistant)
    places = {place: [one for one in said if one.field == place] for place in PLACES}
    return render(request, "assistants/_advice.html", {"places": places})


def draft_in(posted: QueryDict) -> Draft:
    """What the form holds, however far it is filled in: what is wrong with it is for saving to say."""
    credential, _, model = posted.get("model", "").partition("|")
    return Draft(
        name=posted.get("name", "")[:200],
        description=posted.get("description", "")[:2000],
        instructions=posted.get("instructions", "")[:50_000],
        starters=_lines(posted.get("starters", "")),
        branches=_branches(posted),
        credential=_uuid(credential),
        model=model[:120],
    )


def _branches(posted: QueryDict) -> tuple[Branch, ...] | None:
    if posted.get("retrieval") == "none" or posted.get("searches") == "none":
        return ()
    if posted.get("searches") == "all":
        return None
    try:
        return tuple(read_choice(posted.get("knowledge", "")))
    except ValidationError:
        return ()


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# ---- Help me write this ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a draft beside what stands in the form. ``value``: as the form takes it."""

    field: str
    label: str
    before: str
    value: str

    @property
    def lines(self) -> tuple[Line, ...]:
        return line_diff(self.before, self.value)


LABELS = {
    "name": "Name",
    "description": "What it does, in one line",
    "instructions": "Instructions",
    "starters": "Starter questions",
}


@async_workspace_view("assistant.edit")
async def drafted(request: WorkspaceRequest) -> HttpResponseBase:
    """``wish`` and the builder's form; answers with what the model would change, to be accepted part by part."""
    if request.method != "POST":
        return HttpResponse(status=405)
    posted = request.POST
    present = Texts(
        posted.get("name", "").strip(),
        posted.get("description", "").strip(),
        posted.get("instructions", "").strip(),
        _lines(posted.get("starters", "")),
    )
    context: dict[str, Any]
    try:
        found = await write(request.membership, posted.get("wish", ""), present)
        context = {"parts": parts_of(present, found)}
    except (Refused, ProviderError) as error:
        context = {"error": str(error)}
    return await in_database(render, request, "assistants/_drafted.html", context)


def parts_of(present: Texts, found: Texts) -> list[Part]:
    """What the draft has otherwise than the form."""
    sides = [(field, _said(present, field), _said(found, field)) for field in LABELS]
    return [Part(field, LABELS[field], before, after) for field, before, after in sides if after and before != after]


def _said(texts: Texts, field: str) -> str:
    value = getattr(texts, field)
    return "\n".join(value) if field == "starters" else value.replace("\r\n", "\n")
