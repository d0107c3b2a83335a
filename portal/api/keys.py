"""One's own API keys."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from portal import keys
from portal.api.base import WorkspaceAPI
from portal.models import ApiKey


class KeyShape(serializers.ModelSerializer[ApiKey]):
    class Meta:
        model = ApiKey
        fields = ["id", "name", "prefix", "scopes", "created", "expires", "revoked", "last_used"]
        read_only_fields = fields


class KeyMade(KeyShape):
    key = serializers.SerializerMethodField()

    class Meta(KeyShape.Meta):
        fields = [*KeyShape.Meta.fields, "key"]
        read_only_fields = fields

    def get_key(self, _row: ApiKey) -> str:
        """The key itself; shown only now."""
        return str(self.context["text"])


class KeyRequest(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=serializers.CharField(), help_text=f"Some of {', '.join(ApiKey.SCOPES)}.")
    expires = serializers.DateTimeField(required=False, allow_null=True)


class Keys(WorkspaceAPI):
    access = {"GET": "apikey.manage", "POST": "apikey.manage"}

    @extend_schema(operation_id="api_keys_list", responses=KeyShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        return self.listed(KeyShape, self.membership.api_keys.all())

    @extend_schema(operation_id="api_keys_make", request=KeyRequest, responses={201: KeyMade})
    def post(self, request: Request, slug: str) -> Response:
        """Make a key. It may never do more than its owner may today, nor more than the key that made it."""
        within = request.auth.scopes if isinstance(request.auth, ApiKey) else ApiKey.SCOPES
        key, text = keys.make_key(self.membership, within=within, **self.parsed(KeyRequest))
        return self.shown(KeyMade, key, status.HTTP_201_CREATED, text=text)


class OneKey(WorkspaceAPI):
    access = {"DELETE": "apikey.manage"}

    @extend_schema(operation_id="api_keys_revoke", responses={204: None})
    def delete(self, request: Request, slug: str, pk: str) -> Response:
        """From now on it opens nothing."""
        row = get_object_or_404(self.membership.api_keys.select_related("membership__workspace"), pk=pk)
        keys.revoke_key(row, by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)
