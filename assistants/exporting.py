"""An assistant as a YAML file: to keep, to look over in a review, to bring back or to another workspace.

Inside a workspace the way out and back changes nothing. Knowledge is written by the names and paths that people know, with the
ids beside them; what a file names and this workspace does not have is told, never guessed.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from assistants.drafts import FIELDS
from assistants.models import Assistant, AssistantVersion
from assistants.reads import sees_instructions
from datasources.models import DataSource, Node
from portal import plain_yaml
from portal.models import Membership

FORMAT = "atrium-assistant/1"
"""Stands at the head of each file."""
PLAIN = (
    *("name", "description", "emoji", "colour", "instructions", "temperature", "retrieval", "queries_tables"),
    *("tags_all", "tags_none", "last_days", "starters", "tags"),
)
"""Fields that stand in the file as they are."""


def to_yaml(membership: Membership, assistant: Assistant, version: AssistantVersion) -> str:
    """The version as this person sees it: no instructions where they may not see them, no name of what they may not read."""
    shown = {name: getattr(version, name) for name in FIELDS}
    if not sees_instructions(membership, assistant):
        del shown["instructions"]
    data: dict[str, Any] = {
        "format": FORMAT,
        "handle": assistant.handle,
        "stage": str(assistant.stage),
        "shows_instructions": assistant.shows_instructions,
    }
    data |= {name: _plain(shown[name]) for name in PLAIN if name in shown}
    if version.model:
        data["model"] = {"name": version.model}
        if version.credential:
            data["model"] |= {"credential": version.credential.name, "id": str(version.credential.pk)}
    for name in ("since", "until"):
        if moment := shown[name]:
            data[name] = moment.isoformat()
    if version.picture_id:
        data["picture"] = str(version.picture_id)
    data["knowledge"] = "all" if version.reads_all else _knowledge(membership, version)
    return plain_yaml.write(data)


def _plain(value: Any) -> Any:
    # A choice is a text that knows its label; the file has the text alone.
    return list(value) if isinstance(value, list | tuple) else str(value) if isinstance(value, str) else value


def _knowledge(membership: Membership, version: AssistantVersion) -> list[dict[str, Any]]:
    """Two queries and those of visibility."""
    rows = version.knowledge
    sources = {UUID(str(row["data_source"])) for row in rows}
    nodes = {UUID(str(n)) for row in rows for key in ("parents_in", "parents_not_in") for n in row.get(key) or ()}
    named: dict[UUID, str] = dict(
        DataSource.objects.visible_to(membership).filter(pk__in=sources).values_list("pk", "name")
    )
    named |= dict(Node.objects.browsable_by(membership).filter(pk__in=nodes).values_list("pk", "path"))

    def one(key: Any, word: str) -> dict[str, str]:
        name = named.get(UUID(str(key)))
        return {word: name, "id": str(key)} if name is not None else {"id": str(key)}

    listed = []
    for row in rows:
        inside = row.get("parents_in")
        entry: dict[str, Any] = {
            **one(row["data_source"], "source"),
            "parts": "all" if inside is None else [one(n, "path") for n in inside],
        }
        if row.get("parents_not_in"):
            entry["without"] = [one(n, "path") for n in row["parents_not_in"]]
        listed.append(entry)
    return listed


def file_name(assistant: Assistant, version: AssistantVersion) -> str:
    return f"{assistant.handle}-v{version.number}.yaml"
