"""Conversations: begin, list, read, rename, share, delete."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from assistants import conversations, filing
from assistants.api.base import AssistantsAPI
from assistants.api.shapes import ConversationDetail, ConversationShape, MessageShape, shown_to
from assistants.errors import Refused
from assistants.models import Assistant, Conversation
from portal.api.base import WorkspaceAPI
from portal.models import User


def assistant_named(view: WorkspaceAPI, handle: str | None) -> Assistant | None:
    """The assistant of this handle, with or without its @, that the caller may use. Raises ValidationError."""
    if not handle:
        return None
    found = Assistant.objects.visible_to(view.membership).filter(handle__iexact=handle.removeprefix("@")).first()
    if found is None:
        raise serializers.ValidationError({"assistant": f"There is no assistant {handle}, or it is not for you."})
    return found


class ConversationRequest(serializers.Serializer[Any]):
    assistant = serializers.CharField(required=False, allow_null=True, allow_blank=True, help_text="A handle.")
    title = serializers.CharField(required=False, max_length=200)


class ConversationChange(serializers.Serializer[Any]):
    title = serializers.CharField(required=False, max_length=200)
    pinned = serializers.BooleanField(required=False)
    archived = serializers.BooleanField(required=False)
    shared_with_workspace = serializers.BooleanField(required=False)
    shared_with = serializers.ListField(
        child=serializers.IntegerField(), required=False, help_text="Exactly these people, by id, read along."
    )


class Conversations(AssistantsAPI):
    access = {"GET": "conversation.view", "POST": "conversation.ask"}

    @extend_schema(
        operation_id="conversations_list",
        responses=ConversationShape(many=True),
        parameters=[
            OpenApiParameter("q", str, description="Words in titles and questions."),
            OpenApiParameter("archived", bool),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """One's own and those shared with one, newest first."""
        archived = request.query_params.get("archived", "").lower() in {"1", "true", "yes"}
        found = filing.conversations_of(self.membership, request.query_params.get("q", ""), archived=archived)
        return self.listed(
            ConversationShape,
            found.select_related("assistant", "owner").prefetch_related("shared_with"),
            ordering=["-updated", "pk"],
        )

    @extend_schema(
        operation_id="conversations_create", request=ConversationRequest, responses={201: ConversationDetail}
    )
    def post(self, request: Request, slug: str) -> Response:
        """An empty conversation. Ask in it with ``…/messages/``."""
        given = self.parsed(ConversationRequest)
        made = conversations.start_conversation(self.membership, assistant_named(self, given.get("assistant")))
        if title := given.get("title"):
            filing.rename(made, title)
        return self.shown(ConversationDetail, made, status.HTTP_201_CREATED, messages=[], shown={})


class ConversationAPI(AssistantsAPI):
    def rows(self) -> QuerySet[Conversation]:
        return Conversation.objects.visible_to(self.membership).select_related("assistant", "owner", "workspace")

    def mine(self, pk: UUID) -> Conversation:
        """To be changed: 404 where it can't be read, 403 where it is somebody else's."""
        found = get_object_or_404(self.rows(), pk=pk)
        if found.owner_id != self.membership.user_id:
            raise Refused("not_yours", "Only the person who began this conversation can do that.")
        return found


class OneConversation(ConversationAPI):
    access = {"GET": "conversation.view", "PATCH": "conversation.manage", "DELETE": "conversation.manage"}

    @extend_schema(operation_id="conversations_get", responses=ConversationDetail)
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """With the messages of the branch that is shown."""
        return self._shown(get_object_or_404(self.rows(), pk=pk))

    def _shown(self, row: Conversation) -> Response:
        messages = conversations.path_to(row)
        return self.shown(ConversationDetail, row, messages=messages, **shown_to(self.membership, messages))

    @extend_schema(operation_id="conversations_change", request=ConversationChange, responses=ConversationDetail)
    def patch(self, request: Request, slug: str, pk: UUID) -> Response:
        """Rename, pin, archive, share."""
        row, change = self.mine(pk), self.parsed(ConversationChange)
        if "title" in change:
            filing.rename(row, change["title"])
        if "pinned" in change:
            filing.pin(row, change["pinned"])
        if "archived" in change:
            filing.archive(row, change["archived"])
        if {"shared_with", "shared_with_workspace"} & change.keys():
            people = User.objects.filter(pk__in=change["shared_with"]) if "shared_with" in change else None
            conversations.share(self.membership, row, people=people, workspace=change.get("shared_with_workspace"))
        return self._shown(row)

    @extend_schema(operation_id="conversations_delete", responses={204: None})
    def delete(self, request: Request, slug: str, pk: UUID) -> Response:
        """It is gone, for everybody that it was shared with too."""
        conversations.delete_conversation(self.membership, self.mine(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


def messages_of(view: ConversationAPI, pk: UUID) -> Response:
    """All messages of all branches, oldest first; ``parent`` says which follows which."""
    row = get_object_or_404(view.rows(), pk=pk)
    rows = row.messages.select_related("author", "assistant", "version")
    return view.listed(
        MessageShape, rows, ordering=["created", "pk"], context=lambda page: shown_to(view.membership, page)
    )
