"""Search: passages in rank order, as far as the caller may read them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from datasources.api.base import DataAPI
from datasources.api.shapes import document_url
from datasources.models import Node
from datasources.reading import Knowledge, ReadablePassage, search_passages
from datasources.retrieval.types import Branch
from portal.api.base import AsyncWorkspaceAPI
from portal.threads import in_database

MOST = 50


class SearchRequest(serializers.Serializer[Any]):
    query = serializers.CharField(max_length=2000)
    data_sources = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, help_text="Only in these sources."
    )
    parents_in = serializers.ListField(
        child=serializers.UUIDField(), required=False, allow_null=True, help_text="Only at or below these nodes."
    )
    limit = serializers.IntegerField(min_value=1, max_value=MOST, default=10)


class FoundDocument(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    title = serializers.CharField()
    path = serializers.CharField()
    url = serializers.CharField()
    data_source = serializers.UUIDField()


class FoundShape(serializers.Serializer[Any]):
    document = FoundDocument()
    heading = serializers.CharField()
    text = serializers.CharField()
    start = serializers.IntegerField(help_text="Code points of the document's text.")
    end = serializers.IntegerField()
    score = serializers.FloatField()


class SearchResult(serializers.Serializer[Any]):
    results = FoundShape(many=True)
    relevant = serializers.BooleanField(help_text="Whether what was found seems to answer the query at all.")
    confidence = serializers.FloatField()


class Search(DataAPI, AsyncWorkspaceAPI):
    access = {"POST": "search.use"}

    @extend_schema(operation_id="search", request=SearchRequest, responses=SearchResult)
    async def post(self, request: Request, slug: str) -> Response:
        """Hybrid search over everything that the caller may read, or a part of it."""
        asked = self.parsed(SearchRequest)
        sources, nodes = asked.get("data_sources"), asked.get("parents_in")
        knowledge = within(sources) if nodes is None else await in_database(knowledge_of, sources, nodes)
        found = await search_passages(self.membership, asked["query"], knowledge=knowledge, limit=asked["limit"])
        results = [self._shown(passage) for passage in found.passages[: asked["limit"]]]
        return Response({"results": results, "relevant": found.relevant, "confidence": found.confidence})

    def _shown(self, passage: ReadablePassage) -> dict[str, Any]:
        return {
            "document": {
                "id": passage.node,
                "title": passage.title,
                "path": passage.path,
                "url": document_url(self.workspace.slug, passage.node, passage.url),
                "data_source": passage.source,
            },
            "heading": passage.heading,
            "text": passage.text,
            "start": passage.start,
            "end": passage.end,
            "score": passage.score,
        }


def within(data_sources: list[UUID] | None) -> Knowledge | None:
    """None is everything that the reader may read."""
    return None if data_sources is None else Knowledge(tuple(Branch(source) for source in data_sources))


def knowledge_of(data_sources: list[UUID] | None, parents_in: list[UUID]) -> Knowledge:
    """Sources and nodes together narrow: nodes within those sources. One query.

    Ids that do not exist find nothing; access is the index filter's and SQL's business, not this function's.
    """
    nodes = Node.objects.filter(pk__in=parents_in)
    if data_sources is not None:
        nodes = nodes.filter(source__in=data_sources)
    by_source: dict[UUID, list[UUID]] = {}
    for source, node in nodes.values_list("source", "pk"):
        by_source.setdefault(source, []).append(node)
    return Knowledge(tuple(Branch(source, tuple(sorted(inside))) for source, inside in by_source.items()))
