"""Vendors' keys, and the models that they offer. A key goes in and never comes out."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from portal import credentials
from portal.api.base import WorkspaceAPI
from portal.models import Credential
from portal.spending.offers import models_for


class CredentialShape(serializers.ModelSerializer[Credential]):
    class Meta:
        model = Credential
        fields = [
            "id",
            "kind",
            "name",
            "base_url",
            "key_hint",
            "checked",
            "check_ok",
            "check_message",
            "created",
        ]
        read_only_fields = fields


class CredentialRequest(serializers.Serializer[Any]):
    kind = serializers.CharField(max_length=40)
    name = serializers.CharField(max_length=80, required=False, allow_blank=True)
    base_url = serializers.CharField(max_length=500, required=False, allow_blank=True)
    api_key = serializers.CharField(max_length=4000, required=False, allow_blank=True, write_only=True)


class CredentialChange(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80, required=False)
    base_url = serializers.CharField(max_length=500, required=False, allow_blank=True)
    api_key = serializers.CharField(max_length=4000, required=False, write_only=True)


class ModelShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    kind = serializers.ChoiceField(["chat", "embedding"])
    context_tokens = serializers.IntegerField(allow_null=True)
    credential = serializers.UUIDField()
    credential_name = serializers.CharField()


class ModelList(serializers.Serializer[Any]):
    results = ModelShape(many=True)


class Credentials(WorkspaceAPI):
    access = {"GET": "credential.manage", "POST": "credential.manage"}

    @extend_schema(operation_id="credentials_list", responses=CredentialShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.listed(CredentialShape, self.workspace.credentials.all())

    @extend_schema(operation_id="credentials_create", request=CredentialRequest, responses={201: CredentialShape})
    def post(self, request: Request, slug: str) -> Response:
        """Keep a key, encrypted. It is not tried yet: see ``…/test/``."""
        row = credentials.create_credential(workspace=self.workspace, by=self.person, **self.parsed(CredentialRequest))
        return self.shown(CredentialShape, row, status.HTTP_201_CREATED)


class OneCredential(WorkspaceAPI):
    access = {"GET": "credential.manage", "PATCH": "credential.manage", "DELETE": "credential.manage"}

    def _row(self, pk: Any) -> Credential:
        return get_object_or_404(self.workspace.credentials.select_related("workspace"), pk=pk)

    @extend_schema(operation_id="credentials_get", responses=CredentialShape)
    def get(self, request: Request, slug: str, pk: str) -> Response:
        return self.shown(CredentialShape, self._row(pk))

    @extend_schema(operation_id="credentials_change", request=CredentialChange, responses=CredentialShape)
    def patch(self, request: Request, slug: str, pk: str) -> Response:
        """Another ``base_url`` needs ``api_key`` again."""
        row = credentials.update_credential(self._row(pk), by=self.person, **self.parsed(CredentialChange))
        return self.shown(CredentialShape, row)

    @extend_schema(operation_id="credentials_remove", responses={204: None})
    def delete(self, request: Request, slug: str, pk: str) -> Response:
        """Forget the key. Assistants that used it fall back to the workspace's default model."""
        credentials.remove_credential(self._row(pk), by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class CredentialTest(WorkspaceAPI):
    access = {"POST": "credential.manage"}

    @extend_schema(operation_id="credentials_test", request=None, responses=CredentialShape)
    def post(self, request: Request, slug: str, pk: str) -> Response:
        """Ask the vendor what this key offers. 200 also for a key that it refuses: read ``check_ok`` and ``check_message``."""
        row = get_object_or_404(self.workspace.credentials.all(), pk=pk)
        return self.shown(CredentialShape, credentials.check_credential(row, by=self.person))


class Models(WorkspaceAPI):
    access = "model.view"
    pagination_class = None

    @extend_schema(operation_id="models_list", responses=ModelList)
    def get(self, request: Request, slug: str) -> Response:
        """What the workspace's credentials offer to the caller, as their vendors listed it at the last test."""
        found = [
            {"label": "", "context_tokens": None, **model, "credential": row.pk, "credential_name": row.name}
            for kind in ("chat", "embedding")
            for row, models in models_for(self.membership, kind)
            for model in models
        ]
        return Response(ModelList({"results": found}).data)
