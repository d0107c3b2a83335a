"""While an assistant is being made: a free handle, what the draft would need, and drafts made of what is there. Nothing is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from assistants.api.assistant_shapes import AssistantFields, KnowledgePart
from assistants.api.assistants import AssistantAPI
from assistants.api.base import AssistantsAPI
from assistants.api.conversations import ConversationAPI
from assistants.api.lifecycle import NeedShape
from assistants.drafts import FIELDS, checked_handle, free_handle
from assistants.models import Assistant, AssistantVersion
from assistants.needs import as_data, spaces_needed
from assistants.reads import readable_part
from assistants.starting import Draft, copy_of, from_conversation


class HandleShape(serializers.Serializer[Any]):
    """``words``: why it can't be had, for a person. ``suggestion``: the nearest that can; itself where it is free."""

    handle = serializers.CharField()
    free = serializers.BooleanField()
    words = serializers.CharField(allow_blank=True)
    suggestion = serializers.CharField()


class Handles(AssistantAPI):
    access = "assistant.edit"

    @extend_schema(
        operation_id="assistants_handle",
        responses=HandleShape,
        parameters=[
            OpenApiParameter("handle", str, required=True, description="With or without its @; or a name."),
            OpenApiParameter("assistant", str, description="The handle of one that may keep its own."),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Whether a handle can be had."""
        typed = request.query_params.get("handle", "").replace("\x00", "").strip().lower().removeprefix("@")[:200]
        if not typed:
            raise ValidationError({"handle": "Say which."})
        known = request.query_params.get("assistant", "").replace("\x00", "").removeprefix("@")
        editable = Assistant.objects.editable_by(self.membership)
        current = editable.filter(handle__iexact=known).first() if known else None
        words, found = "", typed
        try:
            found = checked_handle(self.workspace, typed, current)
        except ValidationError as error:
            words, found = error.messages[0], free_handle(self.workspace, typed)
        told = {"handle": typed, "free": not words, "words": words, "suggestion": found}
        return Response(HandleShape(told).data)


class NeedsRequest(serializers.Serializer[Any]):
    knowledge = KnowledgePart(
        many=True, allow_null=True, help_text="Null: all that whoever asks may read, which needs no space."
    )


class NeedsOfDraft(AssistantsAPI):
    access = {"POST": "assistant.edit"}

    @extend_schema(operation_id="assistants_needs_of_draft", request=NeedsRequest, responses=NeedShape(many=True))
    def post(self, request: Request, slug: str) -> Response:
        """The spaces that a person would have to be in, for knowledge that is not saved: one of each entry. Parts that the
        caller may not choose are passed over."""
        entries = self.parsed(NeedsRequest)["knowledge"] or []
        kept, _left_out = readable_part(self.membership, entries)
        return Response(as_data(spaces_needed(AssistantVersion(knowledge=kept)), self.membership))


# ---- Drafts made of what is there --------------------------------------------------------------------------------


class BegunShape(serializers.Serializer[Draft]):
    """As ``POST assistants/`` takes it, with the handle and what ``fields`` has, once a person has looked at it.

    ``notes``: a sentence for each thing that did not come along.
    """

    handle = serializers.CharField()
    fields: Any = serializers.SerializerMethodField("sent")
    notes = serializers.ListField(child=serializers.CharField())

    @extend_schema_field(AssistantFields)
    def sent(self, draft: Draft) -> Any:
        return as_sent(draft)


def as_sent(draft: Draft) -> Mapping[str, Any]:
    """A draft's fields as they are sent to make an assistant of it: rows by their ids."""
    fields = {name: draft.fields[name] for name in FIELDS if name in draft.fields}
    if fields.pop("reads_all", False):
        fields["knowledge"] = None
    for name in ("credential", "picture"):
        if name in fields:
            fields[name] = str(fields[name].pk) if fields[name] else None
    return fields | {"stage": draft.stage, "shows_instructions": draft.shows_instructions}


class Copy(AssistantAPI):
    access = {"POST": "assistant.edit"}

    @extend_schema(operation_id="assistants_copy", request=None, responses=BegunShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """A draft of one's own with what the caller sees of an assistant. Nothing is saved: send it to ``assistants/``."""
        seen = Assistant.objects.visible_to(self.membership).select_related(
            "workspace", "live__credential", "live__picture", "latest__credential", "latest__picture"
        )
        return Response(BegunShape(copy_of(self.membership, get_object_or_404(seen, handle__iexact=handle))).data)


class OfConversation(ConversationAPI):
    access = {"POST": "assistant.edit"}

    @extend_schema(operation_id="conversations_assistant_draft", request=None, responses=BegunShape)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """A draft for questions like those of a conversation, reading the folders that its answers cited."""
        return Response(BegunShape(from_conversation(self.membership, get_object_or_404(self.rows(), pk=pk))).data)
