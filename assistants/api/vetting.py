"""Requests that an assistant be vetted: owners make them, admins decide."""

from __future__ import annotations

from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from assistants import lifecycle
from assistants.api.assistants import AssistantAPI
from assistants.api.base import AssistantsAPI
from assistants.api.insight import CommentShape
from assistants.api.lifecycle import Comment
from assistants.considering import considered, requests_for
from assistants.models import VettingRequest
from datasources.api.base import one_of
from portal.api.shapes import PersonShape


class RequestShape(serializers.ModelSerializer[VettingRequest]):
    """``version`` is the one that was asked for, and the only one that approving offers; ``latest_version`` may be newer."""

    assistant = serializers.CharField(source="assistant.handle")
    version = serializers.IntegerField(source="version.number")
    latest_version = serializers.IntegerField(source="assistant.latest.number", default=None, allow_null=True)
    asked_by = PersonShape(allow_null=True)
    decided_by = PersonShape(allow_null=True)

    class Meta:
        model = VettingRequest
        fields = [
            "id",
            "assistant",
            "version",
            "latest_version",
            "state",
            "note",
            "asked_by",
            "asked",
            "comment",
            "decided_by",
            "decided",
        ]
        read_only_fields = fields


class VettingChangeShape(serializers.Serializer[Any]):
    field: Any = serializers.CharField()
    label: Any = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()


class VettingUseShape(serializers.Serializer[Any]):
    people = serializers.IntegerField()
    questions = serializers.IntegerField()
    unanswered = serializers.IntegerField()
    ups = serializers.IntegerField()
    downs = serializers.IntegerField()


class ReadsNodeShape(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="pk")
    path = serializers.CharField()


class ReadsPartShape(serializers.Serializer[Any]):
    """Of one source. ``whole``: all of it but for ``outside``. ``hidden``: parts that are gone, or that the caller may not know."""

    data_source = serializers.UUIDField(source="source.pk")
    name = serializers.CharField(source="source.name")
    kind = serializers.CharField(source="source.kind")
    whole = serializers.BooleanField()
    inside = ReadsNodeShape(many=True)
    outside = ReadsNodeShape(many=True)
    hidden = serializers.IntegerField()


class ReadsShape(serializers.Serializer[Any]):
    """``everything``: all that whoever asks may read. ``hidden_sources``: how many are gone, or not for the caller."""

    everything = serializers.BooleanField()
    nothing = serializers.BooleanField()
    parts = ReadsPartShape(many=True)
    hidden_sources = serializers.IntegerField()


class ConsideredShape(serializers.Serializer[Any]):
    """``vetted_before``: the version that ``changes`` are told against; null where none was vetted. ``use`` and ``comments``: of
    30 days."""

    vetted_before = serializers.IntegerField(source="before.number", default=None, allow_null=True)
    changes = VettingChangeShape(many=True)
    reads = ReadsShape()
    needs = serializers.ListField(child=serializers.CharField())
    use = VettingUseShape()
    comments = CommentShape(many=True)


class OneRequestShape(RequestShape):
    considered = serializers.SerializerMethodField()

    class Meta(RequestShape.Meta):
        fields = [*RequestShape.Meta.fields, "considered"]
        read_only_fields = fields

    @extend_schema_field(ConsideredShape)
    def get_considered(self, row: VettingRequest) -> Any:
        return ConsideredShape(considered(row.assistant, row.version, self.context["view"].membership)).data


class NewRequest(serializers.Serializer[Any]):
    note = serializers.CharField(required=False, allow_blank=True, max_length=2000)


class VettingRequests(AssistantsAPI):
    access = "assistant.view"

    @extend_schema(
        operation_id="vetting_requests_list",
        responses=RequestShape(many=True),
        parameters=[OpenApiParameter("state", str, enum=VettingRequest.State.values)],
    )
    def get(self, request: Request, slug: str) -> Response:
        """About one's own assistants; for admins all: with ``state=open``, what waits for them. Newest first."""
        rows = requests_for(self.membership)
        if state := one_of(request.query_params.get("state"), VettingRequest.State, "state"):
            rows = rows.filter(state=state)
        return self.listed(RequestShape, rows, ordering=["-asked", "-id"])


class RequestAPI(AssistantsAPI):
    def found(self, pk: Any) -> VettingRequest:
        return get_object_or_404(requests_for(self.membership), pk=pk)


class OneRequest(RequestAPI):
    access = "assistant.view"

    @extend_schema(operation_id="vetting_requests_get", responses=OneRequestShape)
    def get(self, request: Request, slug: str, pk: str) -> Response:
        """With what it reads and needs, what changed since the last vetted version, how it is used and what people said."""
        return self.shown(OneRequestShape, self.found(pk))


class _Decision(RequestAPI):
    verb: ClassVar[str] = ""

    def act(self, pk: str, *arguments: Any, **named: Any) -> Response:
        done = getattr(lifecycle, self.verb)(self.found(pk), self.person, *arguments, **named)
        return self.shown(RequestShape, self.found(done.pk))


class Withdraw(_Decision):
    access = {"POST": "assistant.publish"}
    verb = "withdraw"

    @extend_schema(operation_id="vetting_requests_withdraw", request=None, responses=RequestShape)
    def post(self, request: Request, slug: str, pk: str) -> Response:
        return self.act(pk)


class Approve(_Decision):
    access = {"POST": "assistant.vet"}
    verb = "approve"

    @extend_schema(operation_id="vetting_requests_approve", request=Comment, responses=RequestShape)
    def post(self, request: Request, slug: str, pk: str) -> Response:
        """Offer the very version that was asked for to everybody; what was saved since stays a draft."""
        return self.act(pk, **self.parsed(Comment))


class NeededComment(serializers.Serializer[Any]):
    comment = serializers.CharField(max_length=2000)


class AskChanges(_Decision):
    access = {"POST": "assistant.vet"}
    verb = "ask_changes"

    @extend_schema(operation_id="vetting_requests_ask_changes", request=NeededComment, responses=RequestShape)
    def post(self, request: Request, slug: str, pk: str) -> Response:
        return self.act(pk, **self.parsed(NeededComment))


class Decline(_Decision):
    access = {"POST": "assistant.vet"}
    verb = "decline"

    @extend_schema(operation_id="vetting_requests_decline", request=NeededComment, responses=RequestShape)
    def post(self, request: Request, slug: str, pk: str) -> Response:
        return self.act(pk, **self.parsed(NeededComment))


class RequestsOfOne(AssistantAPI):
    access = {"GET": "assistant.view", "POST": "assistant.publish"}

    @extend_schema(operation_id="vetting_requests_of_one", responses=RequestShape(many=True))
    def get(self, request: Request, slug: str, handle: str) -> Response:
        """Of one assistant, newest first."""
        rows = requests_for(self.membership).filter(assistant=self.row(handle))
        return self.listed(RequestShape, rows, ordering=["-asked", "-id"])

    @extend_schema(operation_id="vetting_requests_make", request=NewRequest, responses={201: RequestShape})
    def post(self, request: Request, slug: str, handle: str) -> Response:
        """Ask that its latest version be offered to everybody. An open request for an older one is replaced."""
        made = lifecycle.request_vetting(self.row(handle), self.person, **self.parsed(NewRequest))
        return self.shown(RequestShape, requests_for(self.membership).get(pk=made.pk), status.HTTP_201_CREATED)
