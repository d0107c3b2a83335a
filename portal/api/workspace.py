"""Who am I, and the workspace itself."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal import notices, people, profile, workspaces
from portal.api.base import WorkspaceAPI
from portal.api.fields import Within
from portal.api.shapes import PersonShape, Portrait
from portal.languages import AS_I_ASK, LANGUAGES
from portal.models import ApiKey, Credential, Membership, Workspace


class WorkspaceShape(serializers.ModelSerializer[Workspace]):
    default_assistant = serializers.SerializerMethodField()

    class Meta:
        model = Workspace
        fields = [
            "slug",
            "name",
            "default_credential",
            "default_model",
            "default_assistant",
            "embedding_model",
            "currency",
            "vetting_days",
            "created",
        ]
        read_only_fields = fields

    def get_default_assistant(self, row: Workspace) -> str:
        """The handle of who answers where no assistant was chosen; empty is the plain one."""
        return workspaces.default_assistant(row)


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
    default_assistant = serializers.CharField(
        max_length=80, required=False, allow_blank=True, help_text="The handle of a vetted one; empty is the plain one."
    )


class MeShape(serializers.ModelSerializer[Membership]):
    user = PersonShape()
    workspace: Any = serializers.SlugRelatedField(slug_field="slug", read_only=True)
    scopes = serializers.SerializerMethodField()
    mails = serializers.SerializerMethodField()
    language = serializers.CharField(
        source="user.language", help_text="Answers to them are written in it; empty: in the language of each question."
    )
    picture = Portrait(source="user")

    class Meta:
        model = Membership
        fields = ["id", "user", "workspace", "role", "scopes", "mails", "language", "picture"]

    def get_scopes(self, _row: Membership) -> list[str]:
        """What this call may use: the key's scopes, or all of them with a session."""
        auth = self.context["request"].auth
        return list(auth.scopes if isinstance(auth, ApiKey) else ApiKey.SCOPES)

    def get_mails(self, row: Membership) -> list[str]:
        """The kinds of notices that also come by mail."""
        return notices.mailed_kinds(row.user)


class TheWorkspace(WorkspaceAPI):
    access = {"GET": "workspace.use", "PATCH": "workspace.manage"}

    @extend_schema(operation_id="workspace_get", responses=WorkspaceShape)
    def get(self, request: Request, slug: str) -> Response:
        """The workspace and the model that answers where an assistant names none."""
        return self.shown(WorkspaceShape, self.workspace)

    @extend_schema(operation_id="workspace_change", request=WorkspaceChange, responses=WorkspaceShape)
    def patch(self, request: Request, slug: str) -> Response:
        """Its name, its default model (credential and model together; both empty: passages are quoted), the assistant that
        answers where none was chosen, its currency, and how long vettings last: all of what is given, or nothing."""
        change: Any = self.parsed(WorkspaceChange)
        return self.shown(WorkspaceShape, workspaces.change_workspace(self.workspace, change, by=self.person))


class MeChange(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120, required=False, help_text="The same in every workspace.")
    mails = serializers.MultipleChoiceField(
        choices=list(notices.KINDS.items()),
        required=False,
        help_text="Kinds of notices that also come by mail, in every workspace; an empty list for none.",
    )
    language = serializers.ChoiceField(
        choices=[("", AS_I_ASK), *((code, language.english) for code, language in LANGUAGES.items())],
        required=False,
        allow_blank=True,
        help_text="What answers are written in; empty: the language of each question. The same in every workspace.",
    )


class Me(WorkspaceAPI):
    access = {"GET": "workspace.use", "PATCH": "me.change"}

    @extend_schema(operation_id="me_get", responses=MeShape)
    def get(self, request: Request, slug: str) -> Response:
        """The person behind this call, their role, and the scopes that the call may use."""
        return self.shown(MeShape, self.membership)

    @extend_schema(operation_id="me_change", request=MeChange, responses=MeShape)
    def patch(self, request: Request, slug: str) -> Response:
        """What the person behind this call is called, what they are answered in, and which notices also come to them by mail."""
        change = self.parsed(MeChange)
        with transaction.atomic():
            if "name" in change:
                people.rename(self.person, change["name"])
            if "mails" in change:
                notices.choose_mails(self.person, change["mails"])
            if "language" in change:
                profile.choose_language(self.person, change["language"])
        return self.shown(MeShape, self.membership)
