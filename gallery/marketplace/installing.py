"""Installing a template: its slots filled, an assistant made of it, the install counted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from assistants import lifecycle
from assistants.acting import membership_in
from assistants.drafts import checked_knowledge, free_handle
from assistants.errors import Refused
from assistants.models import Assistant, AssistantVersion
from datasources.models import Node
from gallery.marketplace import slots
from gallery.marketplace.blueprint import Blueprint, of_version
from gallery.models import Installation, Template
from portal import audit
from portal.models import Membership, User, Workspace

Entries = list[dict[str, Any]]
"""Knowledge as versions carry it: ``[{"data_source", "parents_in", "parents_not_in"}]``."""


@transaction.atomic
def install(
    template: Template,
    *,
    workspace: Workspace,
    by: User,
    handle: str = "",
    name: str = "",
    texts: Mapping[str, str] | None = None,
    knowledge: Mapping[str, Entries] | None = None,
) -> Assistant:
    """A personal assistant of ``by`` made of what people install of this template.

    ``texts`` and ``knowledge``: what fills the slots, by their names. Without knowledge it answers from no sources until its
    owner gives it some. ``handle`` empty is a free one near the name. Raises Refused, and ValidationError by slot or field.
    """
    membership = membership_in(workspace, by)
    template = Template.objects.on_shelf(workspace).select_related("latest").filter(pk=template.pk).first() or _gone()
    version = template.latest
    assert version is not None
    blueprint = of_version(template, version)
    filled = checked_texts(blueprint, texts or {})
    reads = merged(membership, blueprint, knowledge or {})
    fields = version_fields(blueprint, filled) | {"knowledge": reads}
    if name.strip():
        fields["name"] = name.strip()
    made = lifecycle.create_assistant(
        workspace=workspace,
        by=by,
        handle=handle.strip() or free_handle(workspace, fields["name"]),
        stage=blueprint.stage,
        note=f"Installed from the template {version.name}"[:200],
        **fields,
    )
    made.template, made.template_version = template.pk, version.number
    made.save(update_fields=["template", "template_version"])
    Installation.objects.create(template=template, assistant=made, version=version, filled=filled, by=by)
    Template.objects.filter(pk=template.pk).update(installs=F("installs") + 1)
    told = {"template": version.name, "version": version.number}
    audit.record("template.install", workspace=workspace, actor=by, target=made, after=told)
    return made


def _gone() -> Template:
    raise Refused("not_found", "There is no such template any more.")


# ---- Slots -------------------------------------------------------------------------------------------------------


def checked_texts(blueprint: Blueprint, texts: Mapping[str, str]) -> dict[str, str]:
    """What fills its text slots, one line each. Raises ValidationError by slot."""
    wrong: dict[str, str] = {}
    known = {slot.name for slot in blueprint.texts}
    for name in texts:
        if name not in known:
            wrong[str(name)] = "This template has no such slot."
    filled = {}
    for slot in blueprint.texts:
        value = " ".join(str(texts.get(slot.name) or "").split())
        filled[slot.name] = value
        if not value:
            wrong[slot.name] = f"Fill in: {slot.label}."
        elif len(value) > slots.LONGEST_FILL:
            wrong[slot.name] = f"At most {slots.LONGEST_FILL} characters."
        elif "{{" in value or "}}" in value:
            wrong[slot.name] = "Leave out the braces."
    if wrong:
        raise ValidationError(wrong)
    return filled


def merged(membership: Membership, blueprint: Blueprint, knowledge: Mapping[str, Entries]) -> Entries:
    """What its knowledge slots were filled with, as one assistant's knowledge: each source once. Raises ValidationError by slot."""
    known = {slot.name for slot in blueprint.knowledge}
    if strange := set(knowledge) - known:
        raise ValidationError({str(name): "This template has no such slot." for name in strange})
    parts: dict[str, Entries] = {}
    for slot in blueprint.knowledge:
        try:
            entries = checked_knowledge(membership, knowledge.get(slot.name) or [])
        except ValidationError as error:
            raise ValidationError({slot.name: error.messages}) from error
        for entry in entries:
            parts.setdefault(entry["data_source"], []).append(entry)
    return [one[0] if len(one) == 1 else _union(source, one) for source, one in parts.items()]


def _union(source: str, entries: Entries) -> dict[str, Any]:
    """What several slots take of one source. What one leaves out stays out unless another takes it, or something below it."""
    whole = any(entry["parents_in"] is None for entry in entries)
    inside = list(dict.fromkeys(key for entry in entries for key in entry["parents_in"] or ()))
    outside = list(dict.fromkeys(key for entry in entries for key in entry["parents_not_in"]))
    ids = [UUID(key) for key in {*inside, *outside}]
    chains = {str(pk): [str(key) for key in above] for pk, above in _chains(ids)}
    kept = [key for key in outside if not any(_takes(entry, key, chains) for entry in entries)]
    return {"data_source": source, "parents_in": None if whole else inside, "parents_not_in": kept}


def _chains(ids: Iterable[UUID]) -> Iterable[tuple[UUID, list[UUID]]]:
    return Node.objects.filter(pk__in=list(ids)).values_list("pk", "parents") if ids else []


def _takes(entry: Mapping[str, Any], key: str, chains: Mapping[str, list[str]]) -> bool:
    """Whether this entry takes the node, or a node below it."""
    above = chains.get(key, [key])
    if set(above) & set(entry["parents_not_in"]):
        return False
    if entry["parents_in"] is None or set(above) & set(entry["parents_in"]):
        return True
    return any(key in chains.get(one, ()) for one in entry["parents_in"])


# ---- What comes of it --------------------------------------------------------------------------------------------


def version_fields(blueprint: Blueprint, texts: Mapping[str, str]) -> dict[str, Any]:
    """What ``lifecycle`` takes, but for knowledge, with the text slots filled."""
    starters = [slots.filled(starter, texts)[:200] for starter in blueprint.starters]
    return {
        "name": slots.filled(blueprint.name, texts)[:80],
        "description": slots.filled(blueprint.description, texts)[:300],
        "emoji": blueprint.emoji,
        "colour": blueprint.colour,
        "instructions": slots.filled(blueprint.instructions, texts),
        "temperature": blueprint.temperature,
        "retrieval": blueprint.retrieval,
        "queries_tables": blueprint.queries_tables,
        "last_days": blueprint.last_days,
        "starters": starters,
        "tags": list(blueprint.tags),
    }


def as_version(blueprint: Blueprint, texts: Mapping[str, str], knowledge: Entries | None = None) -> AssistantVersion:
    """The version that an install would make, not saved: for previews and comparisons."""
    return AssistantVersion(**version_fields(blueprint, texts), knowledge=knowledge or [])


def read_entries(text: str) -> Entries:
    """What a form carries from step to step, as it left. Raises ValidationError."""
    try:
        entries = json.loads(text or "[]")
    except ValueError:
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValidationError("The ticks did not arrive whole. Go back and tick again.")
    return entries
