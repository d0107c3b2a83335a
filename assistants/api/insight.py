"""How one assistant is used, for its owners."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from assistants.api.base import AssistantsAPI
from assistants.api.governing import DAYS, DayOfUseShape, days_asked
from assistants.insight.of_one import Insight, insight
from assistants.models import Assistant
from portal.api.spending import LeftShape
from portal.spending import standing


class TopicShape(serializers.Serializer[Any]):
    words = serializers.ListField(child=serializers.CharField())
    people = serializers.IntegerField()
    questions = serializers.IntegerField()
    unanswered = serializers.IntegerField()


class UnmetShape(serializers.Serializer[Any]):
    text = serializers.CharField()
    people = serializers.IntegerField()
    shared = serializers.BooleanField()


class CommentShape(serializers.Serializer[Any]):
    up = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)
    comment = serializers.CharField(allow_blank=True)
    at = serializers.DateTimeField()
    version = serializers.IntegerField(allow_null=True)
    question = serializers.CharField(help_text="Empty, unless who judged sent the conversation along.")
    answer = serializers.CharField()


class CitedShape(serializers.Serializer[Any]):
    document = serializers.UUIDField(source="source.node")
    title = serializers.CharField(source="source.title")
    path = serializers.CharField(source="source.path")
    start = serializers.IntegerField(source="source.start")
    end = serializers.IntegerField(source="source.end")
    answers = serializers.IntegerField()


class UnusedShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class InsightShape(serializers.Serializer[Any]):
    """Topics and texts are of three people or more, or were shared by their authors; all else is counted."""

    people = serializers.IntegerField(source="use.everybody")
    by_day = serializers.SerializerMethodField()
    comments = CommentShape(many=True)
    topics = TopicShape(many=True, source="topics.topics")
    questions_of_other_topics = serializers.IntegerField(source="topics.others")
    unanswered = UnmetShape(many=True, source="unanswered.shown")
    unanswered_number = serializers.IntegerField(source="unanswered.number")
    passages = CitedShape(many=True, source="cited.passages")
    passages_withheld = serializers.IntegerField(source="cited.withheld")
    unused_sources = UnusedShape(many=True, source="cited.unused")
    worked_out = serializers.DateTimeField(help_text="When topics and passages were.")

    @extend_schema_field(DayOfUseShape(many=True))
    def get_by_day(self, row: Insight) -> Any:
        columns = zip(row.days, row.use.people, row.use.questions, row.use.unanswered, row.ups, row.downs, strict=True)
        names = ("day", "people", "questions", "unanswered", "ups", "downs")
        return DayOfUseShape([dict(zip(names, values, strict=True)) for values in columns], many=True).data


class AssistantInsight(AssistantsAPI):
    access = "assistant.edit"
    pagination_class = None

    @extend_schema(
        operation_id="assistants_insight",
        responses=InsightShape,
        parameters=[DAYS],
    )
    def get(self, request: Request, slug: str, handle: str) -> Response:
        """For its owners; for admins, of what was published."""
        rows = Assistant.objects.editable_by(self.membership).select_related("live", "latest", "workspace")
        assistant = get_object_or_404(rows, handle__iexact=handle)
        found = insight(self.membership, assistant, days_asked(request))
        return Response(InsightShape(found).data)


class AssistantSpendingShape(serializers.Serializer[Any]):
    budgets = LeftShape(many=True)


class AssistantSpending(AssistantsAPI):
    access = "assistant.edit"
    pagination_class = None

    @extend_schema(operation_id="assistants_spending", responses=AssistantSpendingShape)
    def get(self, request: Request, slug: str, handle: str) -> Response:
        """What the assistant's own budgets have left: for its owners; for admins, of what was published."""
        rows = Assistant.objects.editable_by(self.membership)
        assistant = get_object_or_404(rows, handle__iexact=handle)
        return Response(
            AssistantSpendingShape({"budgets": standing.of_assistant(self.workspace.pk, assistant.pk)}).data
        )
