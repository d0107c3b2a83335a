"""What tests of answers share: a workspace with a model behind loopback HTTP, documents, and an index that is told what to find."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from assistants import lifecycle
from assistants.api.event_shapes import DATA
from assistants.following import follow
from assistants.models import Assistant
from assistants.runs.log import Event
from datasources.models import Document, Node
from datasources.retrieval.fusing import QueryKind
from datasources.retrieval.joining import FoundPassage, Part
from datasources.retrieval.judging import Judgement
from datasources.retrieval.search import Results
from datasources.retrieval.types import Filter
from portal.credentials import create_credential
from portal.models import Credential, Membership, Workspace


@dataclass
class ScriptedIndex:
    """Stands in for the index: finds ``nodes``, whatever is asked. Access is still checked in SQL, as ever."""

    nodes: list[Node] = field(default_factory=list)
    relevant: bool = True
    queries: list[str] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    delay: float = 0.0

    async def search(
        self, handle: Any, embedder: Any, space: str, query: str, filter: Filter, limit: int = 8, **more: Any
    ) -> Results:
        self.queries.append(query)
        self.filters.append(filter)
        await asyncio.sleep(self.delay)
        kind: QueryKind = "question"
        passages = tuple([await asyncio.to_thread(found, node) for node in self.nodes])
        return Results(passages[:limit], Judgement(self.relevant, 0.9, 0.7, 0.8, 0.9), kind)


def found(node: Node, start: int = 0, end: int | None = None) -> FoundPassage:
    from django.db import connection

    text = Document.objects.get(node=node.pk).text
    connection.close()
    end = len(text) if end is None else end
    part = Part(uuid4(), 0, start, end, "hash")
    return FoundPassage(node.pk, node.source_id, node.title, "", text[start:end], start, end, 0.9, (part,))


def model(workspace: Workspace, base_url: str, *, default: bool = True) -> Credential:
    """A credential for the loopback vendor; the workspace's default model unless told otherwise."""
    made = create_credential(workspace=workspace, by=None, kind="openai_compatible", base_url=base_url, api_key="")
    if default:
        workspace.default_credential, workspace.default_model = made, "test-model"
        workspace.save()
    return made


def assistant(membership: Membership, handle: str = "helper", **fields: Any) -> Assistant:
    return lifecycle.create_assistant(workspace=membership.workspace, by=membership.user, handle=handle, **fields)


async def all_events(membership: Membership, answer: UUID, after: int = 0) -> list[Event]:
    async with asyncio.timeout(20):
        return [_as_described(event) async for event in follow(membership, answer, after)]


def _as_described(event: Event) -> Event:
    """What integrations are told of an event holds for every one that a test sees."""
    fields = DATA[event.type]().fields
    always = {name for name, field in fields.items() if field.required}
    assert always <= event.data.keys() <= fields.keys(), event
    return event


def text_of(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.type == "token")


def types_of(events: list[Event]) -> list[str]:
    return [event.type for event in events]
