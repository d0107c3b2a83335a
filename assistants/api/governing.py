"""What a workspace's admins see of its use and its cost, by the functions behind the admin's first page."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from assistants.insight import of_workspace
from assistants.insight.of_workspace import WorkspaceUse
from portal.admin.overview import PERIODS, days_of
from portal.api.base import WorkspaceAPI
from portal.models import UsageDay, Workspace
from portal.usage_days import Spent

DAYS = OpenApiParameter("days", int, enum=list(PERIODS), description="30 unless told otherwise.")


def days_asked(request: Request) -> int:
    """``?days=``. Raises ValidationError for a number that is none of PERIODS."""
    asked = request.query_params.get("days", "") or str(PERIODS[1])
    if asked not in {str(days) for days in PERIODS}:
        raise serializers.ValidationError({"days": f"It takes one of {', '.join(str(days) for days in PERIODS)}."})
    return int(asked)


class DayOfUseShape(serializers.Serializer[Any]):
    """``unanswered``: questions that found nothing."""

    day = serializers.DateField()
    people = serializers.IntegerField()
    questions = serializers.IntegerField()
    unanswered = serializers.IntegerField()
    ups = serializers.IntegerField()
    downs = serializers.IntegerField()


class WeekOfUseShape(serializers.Serializer[Any]):
    monday = serializers.DateField()
    people = serializers.IntegerField()


class UseOfOneShape(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="The handle with @, or in words.")
    assistant = serializers.UUIDField(
        allow_null=True, help_text="Null for all personal ones, and where none was chosen."
    )
    kind = serializers.ChoiceField(["offered", "personal", "none"])
    people = serializers.IntegerField()
    questions = serializers.IntegerField()
    unanswered = serializers.IntegerField()


class WorkspaceInsightShape(serializers.Serializer[Any]):
    """Only questions by hand count. Personal assistants count together and are not named. ``people``: over all these days."""

    people = serializers.IntegerField()
    by_day = DayOfUseShape(many=True)
    by_week = WeekOfUseShape(many=True)
    assistants = UseOfOneShape(many=True)
    worked_out = serializers.DateTimeField()


class SpentShape(serializers.Serializer[Any]):
    """``cost``: of the calls whose model has a price; ``unpriced`` are the others."""

    calls = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost = serializers.DecimalField(24, 8)
    unpriced = serializers.IntegerField()


class SpentByShape(SpentShape):
    key = serializers.CharField(help_text="The model's name, or the id of the assistant or the person; empty for none.")
    name = serializers.CharField()


class WorkspaceSpendingShape(serializers.Serializer[Any]):
    """The dearest first. ``others``: what has no name here, such as personal assistants and people who left, added up."""

    by = serializers.ChoiceField(UsageDay.By.choices)
    since = serializers.DateField()
    currency = serializers.CharField()
    results = SpentByShape(many=True)
    others = SpentShape()
    worked_out = serializers.DateTimeField()


class WorkspaceInsight(WorkspaceAPI):
    access = "admin.enter"
    pagination_class = None

    @extend_schema(operation_id="workspace_insight", responses=WorkspaceInsightShape, parameters=[DAYS])
    def get(self, request: Request, slug: str) -> Response:
        """How the workspace is used: people, questions, thumbs, and the assistants that are used most."""
        found = of_workspace.used(self.workspace, days_of(days_asked(request)))
        return Response(WorkspaceInsightShape({**_told(found.value), "worked_out": found.at}).data)


def _told(found: WorkspaceUse) -> dict[str, Any]:
    days = found.use
    columns = zip(days.days, days.people, days.questions, days.unanswered, found.ups, found.downs, strict=True)
    names = ("day", "people", "questions", "unanswered", "ups", "downs")
    return {
        "people": days.everybody,
        "by_day": [dict(zip(names, values, strict=True)) for values in columns],
        "by_week": [{"monday": monday, "people": people} for monday, people in days.weeks],
        "assistants": [
            {
                "name": one.name,
                "assistant": one.assistant,
                "kind": one.use.kind,
                "people": one.use.people,
                "questions": one.use.questions,
                "unanswered": one.use.unanswered,
            }
            for one in found.assistants
        ],
    }


class WorkspaceSpending(WorkspaceAPI):
    access = "admin.enter"
    pagination_class = None

    @extend_schema(
        operation_id="workspace_spending",
        responses=WorkspaceSpendingShape,
        parameters=[
            OpenApiParameter("by", str, enum=list(UsageDay.By.values), description="model, if left out."),
            DAYS,
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What calls to models took and cost, by model, assistant or person, at the prices that stood then."""
        asked = request.query_params.get("by", "") or UsageDay.By.MODEL
        if asked not in UsageDay.By.values:
            raise serializers.ValidationError({"by": f"It takes one of {', '.join(UsageDay.By.values)}."})
        return Response(_spending(self.workspace, asked, days_asked(request)))


def _spending(workspace: Workspace, by: str, days: int) -> dict[str, Any]:
    since = days_of(days)[0]
    found = of_workspace.spent(workspace, by, since)
    told = {
        "by": by,
        "since": since,
        "currency": workspace.currency,
        "results": [{**_sums(one), "key": one.key, "name": name} for name, one in found.value.named],
        "others": _sums(found.value.others),
        "worked_out": found.at,
    }
    return dict(WorkspaceSpendingShape(told).data)


def _sums(one: Spent) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("calls", "input_tokens", "output_tokens", "cost", "unpriced")}
