"""Trying what is not saved, or an old version without going back to it. Nothing is kept, and it counts nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from assistants.answering.spec import Said
from assistants.api.assistant_shapes import AssistantFields
from assistants.api.assistants import AssistantAPI
from assistants.api.base import StreamingAPI
from assistants.api.event_shapes import EventShape
from assistants.api.shapes import CitationShape, ErrorShape, TableResultShape
from assistants.conversations import stop_trial, try_draft
from assistants.drafts import FIELDS, checked_fields, must_be_offered, over
from assistants.errors import Refused
from assistants.following import follow
from assistants.models import AssistantVersion, Message
from assistants.runs.log import Event

MOST_TURNS = 40


class Turn(serializers.Serializer[Any]):
    role = serializers.ChoiceField(["user", "assistant"])
    text = serializers.CharField(trim_whitespace=False)


class TrialFields(AssistantFields):
    """What a version is made of. What is about the assistant itself, such as its stage, changes no answer."""


class AskedOfTrial(serializers.Serializer[Any]):
    content = serializers.CharField(trim_whitespace=False, help_text="The question.")
    history = Turn(  # type: ignore[call-arg]  # max_length is the list's
        many=True, required=False, max_length=MOST_TURNS, help_text="What was said before, oldest first."
    )


class TrialRequest(AskedOfTrial):
    """``fields`` alone are a draft; with ``assistant`` they go over its latest version, or over the one that is named."""

    fields = TrialFields(required=False)  # type: ignore[assignment]
    assistant = serializers.CharField(
        required=False, max_length=41, help_text="The handle of one that the caller may change."
    )
    version = serializers.IntegerField(required=False, min_value=1, help_text="Of the assistant; left out, its latest.")

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if "version" in given and "assistant" not in given:
            raise serializers.ValidationError({"version": "Say of which assistant."})
        return given


class TrialShape(serializers.Serializer[Any]):
    """A finished trial. ``note``: a sentence where the caller may read only part of what was searched, or it was cut short."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField([s for s in Message.Status.values if s not in Message.OPEN])
    content = serializers.CharField(allow_blank=True)
    error = ErrorShape(allow_null=True)
    note = serializers.CharField(allow_blank=True)
    found = serializers.BooleanField(allow_null=True)
    model = serializers.CharField(allow_blank=True)
    citations = CitationShape(many=True)
    read = CitationShape(many=True, help_text="Passages that it was written from and does not cite.")
    tables = TableResultShape(many=True)


ANSWER = {
    (200, "application/json"): TrialShape,
    (200, "text/event-stream"): OpenApiResponse(
        EventShape, "The answer's events as they happen, as of messages. The header `X-Trial` is its id."
    ),
}


class TryingAPI(StreamingAPI):
    async def tried(
        self, request: Request, given: Mapping[str, Any], fields: Mapping[str, Any], of: UUID | None = None
    ) -> HttpResponseBase:
        """The answer to ``given["content"]`` from a version's fields, finished or as events. ``of``: whose draft they are."""
        history = [Said(turn["role"], turn["text"]) for turn in given.get("history", ())]
        trial = await try_draft(self.membership, fields, given["content"], history, of=of)
        response: HttpResponseBase
        if self.wants_events(request):
            response = self.events(trial)
        else:
            told = finished(trial, [event async for event in follow(self.membership, trial)])
            response = Response(TrialShape(told).data)
        response["X-Trial"] = str(trial)
        return response


class Trials(TryingAPI, AssistantAPI):
    access = {"POST": "assistant.edit"}

    @extend_schema(operation_id="assistants_try", request=TrialRequest, responses=ANSWER)
    async def post(self, request: Request, slug: str) -> HttpResponseBase:
        """Ask what is not saved. The finished answer or, with ``Accept: text/event-stream``, its events as they happen."""
        given, fields, of = await sync_to_async(self._draft)()
        return await self.tried(request, given, fields, of)

    def _draft(self) -> tuple[dict[str, Any], dict[str, Any], UUID | None]:
        """What was sent, the fields that answer, and the assistant whose draft they are."""
        given = self.parsed(TrialRequest)
        version = self._version(given["assistant"], given.get("version")) if "assistant" in given else None
        fields = {name: value for name, value in given.get("fields", {}).items() if name in FIELDS}
        if version is None:
            fields.setdefault("knowledge", None)
        checked = checked_fields(self.membership, over(version, fields), version.knowledge if version else None)
        must_be_offered(self.membership, checked, version)
        return given, checked, version.assistant_id if version else None

    def _version(self, handle: str, number: int | None) -> AssistantVersion:
        row = self.to_change(handle)
        if number is None and row.latest is not None:
            return row.latest
        return get_object_or_404(row.versions.select_related("credential", "picture"), number=number)


def finished(trial: UUID, events: Iterable[Event]) -> dict[str, Any]:
    """A trial's events, gathered as ``TrialShape`` shows them. Raises Refused where a budget had no room for it."""
    text: list[str] = []
    sources: dict[int, Mapping[str, Any]] = {}
    cited: set[int] = set()
    tables: list[Mapping[str, Any]] = []
    begun: Mapping[str, Any] = {}
    end: Mapping[str, Any] = {"status": "interrupted"}
    for event in events:
        if event.type == "started":
            begun = event.data
        elif event.type == "token":
            text.append(event.data["text"])
        elif event.type == "passages":
            sources = {source["n"]: source for source in event.data["passages"]}
        elif event.type == "citation":
            cited.add(event.data["n"])
        elif event.type == "table":
            tables.append(event.data)
        elif event.is_last:
            end = event.data
    if end.get("code") == "budget":
        raise Refused("budget", end["detail"])
    return {
        "id": trial,
        "status": end["status"],
        "content": "".join(text),
        "error": {"code": end["code"], "detail": end["detail"]} if "code" in end else None,
        "note": " ".join(note for note in (begun.get("note"), end.get("note")) if note),
        "found": end.get("found"),
        "model": f"{begun['vendor']}/{begun['model']}" if begun else "",
        "citations": [source for n, source in sources.items() if n in cited],
        "read": [source for n, source in sources.items() if n not in cited],
        "tables": tables,
    }


class StoppedShape(serializers.Serializer[Any]):
    stopped = serializers.BooleanField(help_text="Whether there was such a trial of the caller's.")


class StopTrial(AssistantAPI):
    access = {"POST": "assistant.edit"}

    @extend_schema(operation_id="assistants_stop_trial", request=None, responses={202: StoppedShape})
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """End a trial of the caller's own. Harmless when it has ended, or is none of theirs."""
        return Response({"stopped": stop_trial(self.membership, pk)}, status=status.HTTP_202_ACCEPTED)
