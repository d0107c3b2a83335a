"""One's own saved prompts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from assistants import saved_prompts as verbs
from assistants.api.base import AssistantsAPI
from assistants.models import SavedPrompt


class PromptShape(serializers.ModelSerializer[SavedPrompt]):
    class Meta:
        model = SavedPrompt
        fields = ["id", "name", "text", "created", "updated"]
        read_only_fields = fields


class PromptRequest(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60, help_text="One's own, once; upper and lower case are the same.")
    text = serializers.CharField(max_length=SavedPrompt.LONGEST)


class PromptChange(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60, required=False)
    text = serializers.CharField(max_length=SavedPrompt.LONGEST, required=False)


class Prompts(AssistantsAPI):
    access = {"GET": "prompt.view", "POST": "prompt.manage"}

    @extend_schema(
        operation_id="me_prompts_list",
        responses=PromptShape(many=True),
        parameters=[OpenApiParameter("q", str, description="Words in the name.")],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What the caller saved in this workspace, newest first. Nobody else's, not even for an admin."""
        rows = verbs.prompts_of(self.membership, request.query_params.get("q", ""))
        return self.listed(PromptShape, rows, ordering=["-created", "pk"])

    @extend_schema(operation_id="me_prompts_save", request=PromptRequest, responses={201: PromptShape})
    def post(self, request: Request, slug: str) -> Response:
        """409 with the code ``name_taken`` where the name is in use."""
        made = verbs.save_prompt(self.membership, **self.parsed(PromptRequest))
        return self.shown(PromptShape, made, status.HTTP_201_CREATED)


class OnePrompt(AssistantsAPI):
    access = {"GET": "prompt.view", "PATCH": "prompt.manage", "DELETE": "prompt.manage"}

    def _row(self, pk: UUID) -> SavedPrompt:
        return get_object_or_404(SavedPrompt, pk=pk, membership=self.membership)

    @extend_schema(operation_id="me_prompts_get", responses=PromptShape)
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        return self.shown(PromptShape, self._row(pk))

    @extend_schema(operation_id="me_prompts_change", request=PromptChange, responses=PromptShape)
    def patch(self, request: Request, slug: str, pk: UUID) -> Response:
        return self.shown(PromptShape, verbs.change_prompt(self._row(pk), **self.parsed(PromptChange)))

    @extend_schema(operation_id="me_prompts_delete", responses={204: None})
    def delete(self, request: Request, slug: str, pk: UUID) -> Response:
        verbs.delete_prompt(self._row(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)
