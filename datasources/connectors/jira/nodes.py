"""What Jira's objects are called here: ``project:10000`` holds ``issue:10234``. Ids outlive keys, which change with a move."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datasources.connectors.base import RemoteNode
from datasources.connectors.lines import moment

Json = dict[str, Any]
LISTED = (
    *("summary", "status", "issuetype", "priority", "labels", "components", "assignee", "reporter", "project"),
    *("created", "updated", "security"),
)
"""The fields that a listing asks for."""
_MOST_TAGS = 30


def project_node(site: str, told: Json) -> RemoteNode:
    """``told``: of the list of projects, or of an issue's field."""
    return RemoteNode(
        f"project:{told['id']}",
        "project",
        f"{told['name']} ({told['key']})",
        has_text=False,
        has_children=True,
        url=f"{site}/browse/{told['key']}",
        ordinal=str(told["name"]).casefold(),
    )


def issue_node(site: str, told: Json) -> RemoteNode:
    fields = told["fields"]
    return RemoteNode(
        f"issue:{told['id']}",
        "ticket",
        f"{told['key']} {fields.get('summary') or ''}".strip(),
        f"project:{fields['project']['id']}",
        str(fields.get("updated") or ""),
        url=f"{site}/browse/{told['key']}",
        author=person(fields.get("reporter")),
        created=moment(fields.get("created")),
        modified=moment(fields.get("updated")),
        tags=tuple(dict.fromkeys(_tags(fields)))[:_MOST_TAGS],
    )


def _tags(fields: Json) -> Iterator[str]:
    """Type, status, priority, labels, components, and who has it."""
    for name in ("issuetype", "status", "priority"):
        if value := (fields.get(name) or {}).get("name"):
            yield str(value)
    yield from (str(label) for label in fields.get("labels") or ())
    yield from (str(part.get("name") or "") for part in fields.get("components") or ())
    if who := person(fields.get("assignee")):
        yield who


def person(told: object) -> str:
    return str(told.get("displayName") or told.get("name") or "") if isinstance(told, dict) else ""


def secured(told: Json) -> str:
    """The name of its security level; empty where everyone in the project may see it."""
    level = told["fields"].get("security")
    return str(level.get("name") or "security level") if isinstance(level, dict) else ""
