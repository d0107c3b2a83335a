"""The admin's page on adoption, for integrations: where people are missing, what is missing for them, what to try next."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.admin import adoption
from portal.admin.addressing import within
from portal.api.base import WorkspaceAPI


class AdoptionRowShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    what = serializers.CharField()
    address = serializers.CharField(help_text="Where it leads, on this portal; empty for nowhere.")


class AdoptionSectionShape(serializers.Serializer[Any]):
    """``rows``: the first few of ``number``. ``name``: teams, templates, unmet, never asked, unused, invited, away."""

    name = serializers.CharField()
    title = serializers.CharField()
    words = serializers.CharField()
    number = serializers.IntegerField()
    rows = AdoptionRowShape(many=True)
    worked_out = serializers.DateTimeField(source="at", allow_null=True, help_text="Null: just now.")


class SuggestionShape(serializers.Serializer[Any]):
    words = serializers.CharField()
    deed = serializers.CharField(source="button")
    address = serializers.CharField()


class AdoptionShape(serializers.Serializer[Any]):
    """Topics and texts of questions are of three people or more, or were shared by their authors; all else is counted."""

    next = SuggestionShape(many=True, help_text="What to try, the best first.")
    sections = AdoptionSectionShape(many=True)


class Adoption(WorkspaceAPI):
    access = "admin.enter"
    pagination_class = None

    @extend_schema(operation_id="workspace_adoption", responses=AdoptionShape)
    def get(self, request: Request, slug: str) -> Response:
        """Teams without an assistant, questions without an answer, people who did not come, and what to try next."""
        with within(self.workspace):
            found = adoption.sections(request, self.workspace)
        told = [{"name": name, **context} for name, _template, context in found]
        return Response(AdoptionShape({"next": adoption.suggestions(told), "sections": told}).data)
