"""The two collections that the index keeps of assistants: what each does, and what it answered well.

A point's id is its assistant's. Who may find it stands in the payload as it does of passages: ``readers`` are everyone or its
owners, ``parents`` are the sources that one has to be able to read. SQL is asked again about whatever is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from assistants.models import Assistant
from datasources import reading
from datasources.access import EVERYONE, readable_branches
from datasources.models import DataSource
from datasources.retrieval.types import Branch, Filter, Point, WorkspaceIndex
from datasources.retrieval.values import aside
from portal.models import Membership


def does_space(embedding: str) -> str:
    """The collection of what assistants do, beside the passages of this embedding space."""
    return aside("assistants", embedding)


def answered_space(embedding: str) -> str:
    """The collection of the means of the questions that assistants answered well."""
    return aside("answered", embedding)


def index_of(workspace: UUID) -> WorkspaceIndex:
    return reading.open_index().for_workspace(workspace)


def payload_of(assistant: Assistant) -> dict[str, Any]:
    """What a search filters by. ``assistant`` comes with its owners and its live version."""
    key = str(assistant.pk)
    named = [str(source) for source in assistant.reads] if assistant.scope == Assistant.Scope.PUBLISHED else []
    return {
        "source": str(assistant.workspace_id),
        "node": key,
        "parents": [key, *named],
        "readers": _readers(assistant),
        "tags": [],
        "timestamp": None,
    }


def _readers(assistant: Assistant) -> list[str]:
    if assistant.hidden:
        return []
    owners = [_owner(user.pk) for user in assistant.owners.all()]
    return owners if assistant.scope == Assistant.Scope.PERSONAL else [EVERYONE, *owners]


def _owner(user: int) -> str:
    return f"user:{user}"


def point_of(assistant: Assistant, vector: Sequence[float], digest: str) -> Point:
    """Its texts stay in SQL: the collection is searched by meaning alone."""
    name = assistant.live.name if assistant.live else assistant.handle
    payload = payload_of(assistant) | {
        "position": 0,
        "hash": digest,
        "title": name,
        "heading": "",
        "start": 0,
        "end": 0,
        "text": "",
    }
    return Point(assistant.pk, vector, name, payload)


def findable_by(membership: Membership) -> Filter:
    """What this person may find: theirs, and what is offered and reads nothing that they can't. Two queries, and those of
    mirrored access."""
    readable = {branch.source for branch in readable_branches(membership)}
    others = DataSource.objects.filter(workspace=membership.workspace_id).exclude(pk__in=readable)
    here = membership.workspace_id
    offered = Branch(here, None, tuple(others.order_by().values_list("pk", flat=True)), (EVERYONE,))
    return Filter((offered, Branch(here, readers=(_owner(membership.user_id),))))
