"""Who am I, and the workspace itself."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal import credentials, people, workspaces
from portal.api.base import WorkspaceAPI
from portal.api.fields import Within
from portal.api.shapes import PersonShape
from portal.models import ApiKey, Credential, Membership, Workspace
from portal.spending import prices


class WorkspaceShape(serializers.ModelSerializer[Workspace]):
    class Meta:
        model = Workspace
        fields = [
            "slug",
            "name",
            "default_credential",
            "default_model",
            "embedding_model",
            "currency",
            "vetting_days",
            "created",
        ]
        read_only_fields = fields


class WorkspaceChange(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80, required=False)
    default_credential = Within(Credential, required=False, allow_null=True)
    default_model = serializers.CharField(max_length=120, required=False, allow_blank=True)
    vetting_days = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=workspaces.MOST_VETTING_DAYS,
        help_text="How long the vetting of an assistant lasts; null is for good.",
    )
    currency = serializers.CharField(max_length=3, required=False, help_text="Of prices and budgets: EUR, USD, …")


class MeShape(serializers.ModelSerializer[Membership]):
    user = PersonShape()
    workspace: Any = serializers.SlugRelatedField(slug_field="slug", read_only=True)
    scopes = serializers.SerializerMethodField()

    class Meta:
        model = Membership
        fields = ["id", "user", "workspace", "role", "scopes"]

    def get_scopes(self, _row: Membership) -> list[str]:
        """What this call may use: the key's scopes, or all of them with a session."""
        auth = self.context["request"].auth
        return list(auth.scopes if isinstance(auth, ApiKey) else ApiKey.SCOPES)


class TheWorkspace(WorkspaceAPI):
    access = {"GET": "workspace.use", "PATCH": "workspace.manage"}

    @extend_schema(operation_id="workspace_get", responses=WorkspaceShape)
    def get(self, request: Request, slug: str) -> Response:
        """The workspace and the model that answers where an assistant names none."""
        return self.shown(WorkspaceShape, self.workspace)

    @extend_schema(operation_id="workspace_change", request=WorkspaceChange, responses=WorkspaceShape)
    def patch(self, request: Request, slug: str) -> Response:
        """Rename it, choose its default model (credential and model together; both empty: passages are quoted), its currency,
        or how long vettings last."""
        change = self.parsed(WorkspaceChange)
        if "vetting_days" in change:
            workspaces.set_vetting_days(self.workspace, change["vetting_days"], by=self.person)
        if "name" in change:
            people.rename_workspace(self.workspace, change["name"], by=self.person)
        if "default_credential" in change or "default_model" in change:
            credential = change.get("default_credential", self.workspace.default_credential)
            model = change.get("default_model", self.workspace.default_model)
            credentials.set_default_model(self.workspace, credential, model, by=self.person)
        if "currency" in change:
            prices.set_currency(self.workspace, change["currency"], by=self.person)
        return self.shown(WorkspaceShape, self.workspace)


class Me(WorkspaceAPI):
    access = "workspace.use"

    @extend_schema(operation_id="me_get", responses=MeShape)
    def get(self, request: Request, slug: str) -> Response:
        """The person behind this call, their role, and the scopes that the call may use."""
        return self.shown(MeShape, self.membership)
