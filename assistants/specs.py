"""From what a version (or a draft that is being tried) is made of to the spec that answers. One way for both, so that a trial
answers as the saved assistant will."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from assistants.answering import variables
from assistants.answering.spec import AssistantSpec
from assistants.models import AssistantVersion
from portal.languages import in_english
from portal.models import Credential, Membership, Space
from portal.providers.types import ChatModel

BUILT_IN = "Atrium"
_MOST_TEAMS = 5
FIELDS = ("name", "instructions", "temperature", "queries_tables", "retrieval", "credential", "model")


def fields_of(version: AssistantVersion | None) -> dict[str, Any]:
    """What a spec needs of a version; without one, of the built-in assistant."""
    return {"name": BUILT_IN} if version is None else {name: getattr(version, name) for name in FIELDS}


def spec_of(
    asker: Membership,
    fields: Mapping[str, Any],
    chat: ChatModel,
    paid_by: Credential | None,
    version: AssistantVersion | None = None,
) -> AssistantSpec:
    """One query more where the instructions name the reader's team."""
    return AssistantSpec(
        name=fields.get("name") or "Draft",
        chat=chat,
        instructions=instructions_for(asker, fields.get("instructions") or ""),
        temperature=fields.get("temperature"),
        context_tokens=_window(paid_by, chat.model),
        assistant=version.assistant_id if version else None,
        version=version.pk if version else None,
        queries_tables=fields.get("queries_tables", True),
        retrieval=fields.get("retrieval") or AssistantVersion.Retrieval.SEARCH.value,
        language=in_english(asker.user.language),
    )


def instructions_for(asker: Membership, text: str) -> str:
    """The instructions with what is known of whoever asks in place of their variables."""
    used = variables.used_in(text)
    values = {
        "reader.name": asker.user.name or asker.user.get_short_name(),
        "reader.role": asker.get_role_display().lower(),
        "reader.language": in_english(asker.user.language) or "the language of the question",
        "date": timezone.localdate().isoformat(),
        "workspace": asker.workspace.name,
    }
    if "reader.team" in used:
        values["reader.team"] = _team(asker)
    return variables.filled(text, values)


def _team(asker: Membership) -> str:
    names = Space.objects.of_member(asker).filter(kind=Space.Kind.RESTRICTED).order_by("name")
    return ", ".join(names.values_list("name", flat=True)[:_MOST_TEAMS]) or "no team"


def _window(credential: Credential | None, model: str) -> int | None:
    offered = credential.offered if credential else []
    return next((m.get("context_tokens") for m in offered if m.get("name") == model), None)
