"""The tags that documents really have."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from datasources import browsing
from datasources.api.base import DataAPI, uuid_of
from datasources.models import DataSource, Node
from datasources.picking import MOST_TICKED
from datasources.retrieval.types import Branch
from portal.api.pagination import ByPlace

LONGEST_TAG = 80


class TagShape(serializers.Serializer[Any]):
    tag = serializers.CharField()
    documents = serializers.IntegerField(
        source="number", help_text="How many have it, of those that the caller may read."
    )


class Tags(DataAPI):
    access = "datasource.view"
    pagination_class = ByPlace

    @extend_schema(
        operation_id="tags_list",
        responses=TagShape(many=True),
        parameters=[
            OpenApiParameter("data_source", UUID, many=True, description="Only of these sources; may be repeated."),
            OpenApiParameter(
                "parents_in", UUID, many=True, description="Only at or below these nodes; may be repeated."
            ),
            OpenApiParameter("q", str, description="Only tags with this text in them."),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """The tags of documents that the caller may read, the most used first. 404 for a source or node of others."""
        text = request.query_params.get("q", "").strip()[:LONGEST_TAG]
        return self.listed(TagShape, browsing.tags_in(self.membership, self._branches(), text))

    def _branches(self) -> list[Branch] | None:
        """None is everything. At most three queries, whatever is named."""
        wanted, nodes = self._ids("data_source"), self._ids("parents_in")
        sources = DataSource.objects.visible_to(self.membership).exclude(state=DataSource.State.DELETING)
        if len(sources.filter(pk__in=wanted).values_list("pk", flat=True)) < len(wanted):
            raise Http404
        if not nodes:
            return [Branch(source) for source in sorted(wanted)] or None
        below: dict[UUID, list[UUID]] = {}
        rows = Node.objects.browsable_by(self.membership).filter(pk__in=nodes)
        for source, node in rows.values_list("source", "pk"):
            below.setdefault(source, []).append(node)
        if sum(map(len, below.values())) < len(nodes):
            raise Http404
        return [Branch(source, tuple(sorted(some))) for source, some in below.items() if source in (wanted or below)]

    def _ids(self, name: str) -> set[UUID]:
        given = self.request.query_params.getlist(name)
        if len(given) > MOST_TICKED:
            raise serializers.ValidationError({name: f"Name at most {MOST_TICKED:,}."})
        return {uuid_of(one, name) for one in given}
