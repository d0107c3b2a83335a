"""Which model embeds the workspace's passages."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.base import WorkspaceAPI
from portal.api.fields import Within
from portal.models import Credential, Workspace
from portal.registry import registries


class EmbedderChange(serializers.Serializer[Any]):
    credential = Within(Credential, allow_null=True, help_text="Null, with an empty model: the model on this server.")
    model = serializers.CharField(max_length=120, allow_blank=True)


class EmbedderShape(serializers.Serializer[Any]):
    credential = serializers.UUIDField(allow_null=True)
    model = serializers.CharField(help_text="Empty: the model on this server.")
    documents = serializers.IntegerField(help_text="In the index; another model embeds them anew.")
    passages = serializers.IntegerField()
    tokens = serializers.IntegerField(help_text="In these passages, roughly.")


class EmbedderChosen(EmbedderShape):
    data_sources = serializers.IntegerField(
        help_text="How many are being embedded anew; their runs say how far they are."
    )


class TheEmbedder(WorkspaceAPI):
    access = {"GET": "workspace.manage", "PUT": "workspace.manage"}

    @extend_schema(operation_id="embedder_get", responses=EmbedderShape)
    def get(self, request: Request, slug: str) -> Response:
        """Which model embeds passages and questions, and how much another one would have to embed."""
        return Response(EmbedderShape(_told(self.workspace)).data)

    @extend_schema(operation_id="embedder_choose", request=EmbedderChange, responses={202: EmbedderChosen})
    def put(self, request: Request, slug: str) -> Response:
        """Choose another. It is tried first; then every data source is embedded anew, which a vendor charges for. Until a source's
        run has ended, questions find only what it has reached."""
        change = self.parsed(EmbedderChange)
        if registries.embedding is None:
            raise ValidationError({"model": "Nothing here embeds passages."})
        begun = registries.embedding.choose(self.workspace, change["credential"], change["model"], self.person)
        told = _told(Workspace.objects.get(pk=self.workspace.pk)) | {"data_sources": begun}
        return Response(EmbedderChosen(told).data, status=status.HTTP_202_ACCEPTED)


def _told(workspace: Workspace) -> dict[str, Any]:
    weight = registries.embedding.weight(workspace) if registries.embedding is not None else (0, 0, 0)
    now = {"credential": workspace.embedding_credential_id, "model": workspace.embedding_model}
    return now | dict(zip(("documents", "passages", "tokens"), weight, strict=True))
