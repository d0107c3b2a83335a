"""Assistants: make, change, publish, vet, roll back, archive."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from assistants import lifecycle
from assistants.api.base import AssistantsAPI
from assistants.errors import Refused
from assistants.models import Assistant, AssistantVersion
from datasources.api.base import one_of
from datasources.models import DataSource
from portal.api.fields import Within
from portal.api.shapes import PersonShape
from portal.models import Credential, User


class KnowledgePart(serializers.Serializer[Any]):
    """A part of one source: at or below ``parents_in`` (null: all of it), but not at or below ``parents_not_in``."""

    data_source = serializers.UUIDField()
    parents_in = serializers.ListField(child=serializers.UUIDField(), allow_null=True, required=False)
    parents_not_in = serializers.ListField(child=serializers.UUIDField(), required=False)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {
            "data_source": str(instance["data_source"]),
            "parents_in": instance.get("parents_in"),
            "parents_not_in": instance.get("parents_not_in") or [],
        }


class VersionShape(serializers.ModelSerializer[AssistantVersion]):
    """``instructions`` is null for who may not change the assistant; of ``knowledge``, each sees the sources that they know."""

    created_by = PersonShape(allow_null=True)
    instructions = serializers.SerializerMethodField()
    knowledge = serializers.SerializerMethodField()

    class Meta:
        model = AssistantVersion
        fields = [
            "number",
            "name",
            "description",
            "emoji",
            "colour",
            "instructions",
            "credential",
            "model",
            "temperature",
            "knowledge",
            "reads_all",
            "tags_all",
            "tags_none",
            "since",
            "until",
            "last_days",
            "queries_tables",
            "starters",
            "created",
            "created_by",
        ]
        read_only_fields = fields

    def get_instructions(self, row: AssistantVersion) -> str | None:
        return row.instructions if row.assistant_id in self.context["editable"] else None

    @extend_schema_field(KnowledgePart(many=True, allow_null=True))
    def get_knowledge(self, row: AssistantVersion) -> Any:
        """Null where it reads all that whoever asks may read."""
        if row.reads_all:
            return None
        known = [part for part in row.knowledge if str(part.get("data_source")) in self.context["known"]]
        return KnowledgePart(known, many=True).data


class AssistantShape(serializers.ModelSerializer[Assistant]):
    """``version`` is what people run; for who may change the assistant, it is the latest."""

    owners = PersonShape(many=True)
    version = serializers.SerializerMethodField()
    live_version = serializers.IntegerField(source="live.number", default=None, allow_null=True)
    latest_version = serializers.IntegerField(source="latest.number", default=None, allow_null=True)
    editable = serializers.SerializerMethodField()
    # Of the version, at hand: what a list shows, and what was sent.
    name = serializers.SerializerMethodField()
    description = serializers.SerializerMethodField()
    instructions = serializers.SerializerMethodField()
    knowledge = serializers.SerializerMethodField()

    class Meta:
        model = Assistant
        fields = [
            "id",
            "handle",
            "name",
            "description",
            "instructions",
            "knowledge",
            "scope",
            "stage",
            "is_default",
            "owners",
            "editable",
            "version",
            "live_version",
            "latest_version",
            "created",
            "updated",
        ]
        read_only_fields = fields

    def _version(self, row: Assistant) -> AssistantVersion | None:
        return row.latest if row.pk in self.context["editable"] else row.live or row.latest

    @extend_schema_field(VersionShape(allow_null=True))
    def get_version(self, row: Assistant) -> Any:
        version = self._version(row)
        return VersionShape(version, context=self.context).data if version else None

    def get_editable(self, row: Assistant) -> bool:
        return row.pk in self.context["editable"]

    def get_name(self, row: Assistant) -> str:
        version = self._version(row)
        return version.name if version else ""

    def get_description(self, row: Assistant) -> str:
        version = self._version(row)
        return version.description if version else ""

    def get_instructions(self, row: Assistant) -> str | None:
        version = self._version(row)
        return version.instructions if version and row.pk in self.context["editable"] else None

    @extend_schema_field(KnowledgePart(many=True, allow_null=True))
    def get_knowledge(self, row: Assistant) -> Any:
        version = self._version(row)
        return VersionShape(context=self.context).get_knowledge(version) if version else None


class AssistantFields(serializers.Serializer[Any]):
    """What a version is made of, and how finished the assistant is said to be."""

    name = serializers.CharField(required=False, max_length=80)
    description = serializers.CharField(required=False, allow_blank=True, max_length=300)
    emoji = serializers.CharField(required=False, allow_blank=True, max_length=16)
    colour = serializers.CharField(required=False, allow_blank=True, max_length=16)
    instructions = serializers.CharField(required=False, allow_blank=True, max_length=20_000, trim_whitespace=False)
    credential = Within(Credential, required=False, allow_null=True)
    model = serializers.CharField(required=False, allow_blank=True, max_length=120)
    temperature = serializers.FloatField(required=False, allow_null=True, min_value=0, max_value=2)
    knowledge = KnowledgePart(
        many=True,
        required=False,
        allow_null=True,
        help_text="Null: all that whoever asks may read. An empty list: nothing, it answers without searching.",
    )
    tags_all = serializers.ListField(child=serializers.CharField(max_length=80), required=False)
    tags_none = serializers.ListField(child=serializers.CharField(max_length=80), required=False)
    since = serializers.DateTimeField(required=False, allow_null=True)
    until = serializers.DateTimeField(required=False, allow_null=True)
    last_days = serializers.IntegerField(
        required=False, allow_null=True, help_text="A window that moves along: only what is from the last so many days."
    )
    queries_tables = serializers.BooleanField(
        required=False, help_text="Whether questions that tables fit are asked of them by SQL, which the model writes."
    )
    starters = serializers.ListField(child=serializers.CharField(max_length=300), required=False)
    stage = serializers.ChoiceField(Assistant.Stage.choices, required=False)


class AssistantRequest(AssistantFields):
    handle = serializers.CharField(max_length=40)


class AssistantChange(AssistantFields):
    handle = serializers.CharField(max_length=40, required=False)
    owners = serializers.ListField(child=serializers.IntegerField(), required=False, help_text="Ids of people.")


class AssistantAPI(AssistantsAPI):
    def rows(self) -> QuerySet[Assistant]:
        """What the caller may use, and what they may change."""
        editable = Assistant.objects.editable_by(self.membership).values("pk")
        visible = Assistant.objects.visible_to(self.membership).values("pk")
        rows = Assistant.objects.filter(Q(pk__in=visible) | Q(pk__in=editable))
        return rows.select_related("live__created_by", "latest__created_by", "workspace").prefetch_related("owners")

    def row(self, handle: str) -> Assistant:
        return get_object_or_404(self.rows(), handle__iexact=handle)

    def around(self, rows: Any) -> dict[str, Any]:
        editable = Assistant.objects.editable_by(self.membership).filter(pk__in=[row.pk for row in rows])
        known = DataSource.objects.visible_to(self.membership).values_list("pk", flat=True)
        return {"editable": set(editable.values_list("pk", flat=True)), "known": {str(pk) for pk in known}}

    def answer(self, handle: str, code: int = status.HTTP_200_OK) -> Response:
        row = self.row(handle)
        return self.shown(AssistantShape, row, code, **self.around([row]))


class Assistants(AssistantAPI):
    access = {"GET": "assistant.view", "POST": "assistant.edit"}

    @extend_schema(
        operation_id="assistants_list",
        responses=AssistantShape(many=True),
        parameters=[
            OpenApiParameter("scope", str, enum=Assistant.Scope.values),
            OpenApiParameter("q", str, description="Text in the handle, the name or the description."),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Those that the caller may use or change."""
        rows = self.rows()
        if scope := one_of(request.query_params.get("scope"), Assistant.Scope, "scope"):
            rows = rows.filter(scope=scope)
        if text := request.query_params.get("q", "").strip():
            named = Q(live__name__icontains=text) | Q(live__description__icontains=text)
            rows = rows.filter(Q(handle__icontains=text) | named)
        return self.listed(AssistantShape, rows, context=self.around)

    @extend_schema(operation_id="assistants_create", request=AssistantRequest, responses={201: AssistantShape})
    def post(self, request: Request, slug: str) -> Response:
        """A personal assistant of the caller's, to be published when it is good."""
        made = lifecycle.create_assistant(workspace=self.workspace, by=self.person, **self.parsed(AssistantRequest))
        return self.answer(made.handle, status.HTTP_201_CREATED)


class OneAssistant(AssistantAPI):
    access = {"GET": "assistant.view", "PATCH": "assistant.edit", "DELETE": "assistant.edit"}

    @extend_schema(operation_id="assistants_get", responses=AssistantShape)
    def get(self, request: Request, slug: str, handle: str) -> Response:
        return self.answer(handle)

    @extend_schema(operation_id="assistants_change", request=AssistantChange, responses=AssistantShape)
    def patch(self, request: Request, slug: str, handle: str) -> Response:
        """A new version with what is sent over what the latest has. A vetted assistant's waits for an admin."""
        row, change = self.row(handle), self.parsed(AssistantChange)
        if "handle" in change:
            row = lifecycle.rename_handle(row, self.person, change.pop("handle"))
        if "stage" in change:
            row = lifecycle.set_stage(row, self.person, change.pop("stage"))
        if "owners" in change:
            row = lifecycle.set_owners(row, self.person, self._people(change.pop("owners")))
        if change:
            lifecycle.save_version(row, self.person, **change)
        return self.answer(row.handle)

    def _people(self, ids: list[int]) -> list[Any]:
        found = list(User.objects.filter(pk__in=ids))
        if len(found) != len(set(ids)):
            raise serializers.ValidationError({"owners": "Choose one or more people of this workspace."})
        return found

    @extend_schema(operation_id="assistants_archive", responses={204: None})
    def delete(self, request: Request, slug: str, handle: str) -> Response:
        """Nobody finds it any more. Conversations with it stay."""
        lifecycle.archive(self.row(handle), self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Step(AssistantAPI):
    """One step of its life: the verb is the address's last word."""

    verb: ClassVar[str] = ""

    def act(self, handle: str) -> Response:
        row = getattr(lifecycle, self.verb)(self.row(handle), self.person)
        return self.answer(row.handle)


class Publish(Step):
    access = {"POST": "assistant.publish"}
    verb = "publish"

    @extend_schema(operation_id="assistants_publish", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Offer it to everybody who may read in its sources. Twice is once."""
        return self.act(handle)


class Unpublish(Step):
    access = {"POST": "assistant.publish"}
    verb = "unpublish"

    @extend_schema(operation_id="assistants_unpublish", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Only its owners have it from now on. 204 where the caller is not one of them."""
        row = lifecycle.unpublish(self.row(handle), self.person)
        if not self.rows().filter(pk=row.pk).exists():
            return Response(status=status.HTTP_204_NO_CONTENT)
        return self.answer(row.handle)


class Vet(Step):
    access = {"POST": "assistant.vet"}
    verb = "vet"

    @extend_schema(operation_id="assistants_vet", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Offer its latest version to the whole workspace."""
        return self.act(handle)


class Unvet(Step):
    access = {"POST": "assistant.vet"}
    verb = "unvet"

    @extend_schema(operation_id="assistants_unvet", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """An ordinary published assistant again."""
        return self.act(handle)


class Versions(AssistantAPI):
    access = "assistant.view"

    @extend_schema(operation_id="versions_list", responses=VersionShape(many=True))
    def get(self, request: Request, slug: str, handle: str) -> Response:
        """Newest first, for those who may change the assistant."""
        row = self.row(handle)
        around = self.around([row])
        if row.pk not in around["editable"]:
            raise Refused("not_yours", f"Only its owners see the versions of @{row.handle}.")
        rows = row.versions.select_related("created_by")
        return self.listed(VersionShape, rows, ordering=["-number"], context=lambda _page: around)


class RollBack(AssistantAPI):
    access = {"POST": "assistant.edit"}

    @extend_schema(operation_id="versions_roll_back", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str, number: int) -> Response:
        """Back to what this version was, as a new version: history is never rewritten."""
        row = self.row(handle)
        lifecycle.roll_back(row, self.person, get_object_or_404(row.versions, number=number))
        return self.answer(handle)
