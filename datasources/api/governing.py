"""Who sees what of a source, what a space sees of all, and what goes with a source that is deleted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from datasources.api.base import DataAPI
from datasources.api.shapes import UsesShape
from datasources.granted import seen_by, shares_of
from datasources.losing import losses_of
from portal.api.shapes import SpaceName
from portal.models import Space


class LossesShape(serializers.Serializer[Any]):
    """``rows``: of the tables. ``uploads``: files that were handed over, of which Atrium may hold the only copy. ``spaces``: those
    that see some of it, as far as the caller may know them. ``syncs``: whose record goes too."""

    documents = serializers.IntegerField()
    passages = serializers.IntegerField()
    tables = serializers.IntegerField()
    rows = serializers.IntegerField()
    uploads = serializers.IntegerField()
    syncs = serializers.IntegerField()
    spaces = SpaceName(many=True)
    used_by = UsesShape()


class Deletion(DataAPI):
    access = "datasource.manage"
    pagination_class = None

    @extend_schema(operation_id="data_sources_deletion", responses=LossesShape)
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """What would be lost if the source were deleted now. Nothing is done."""
        return self.shown(LossesShape, losses_of(self.managed(pk), self.membership))


class ShareShape(serializers.Serializer[Any]):
    """``sees``: ``all``, ``part``, or empty for nothing. ``parts``: paths; the space sees what lies at and below them."""

    space = SpaceName()
    people = serializers.IntegerField(allow_null=True, help_text="How many it lists; null for an open one.")
    sees = serializers.ChoiceField(["all", "part", ""])
    parts = serializers.ListField(child=serializers.CharField())


class ShareList(serializers.Serializer[Any]):
    results = ShareShape(many=True)


class SourceAccess(DataAPI):
    access = "datasource.view"
    pagination_class = None

    @extend_schema(operation_id="data_sources_access", responses=ShareList)
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """What each space that the caller may know sees of the source."""
        return self.shown(ShareList, {"results": shares_of(self.membership, self.source(pk))})


class SeenShape(serializers.Serializer[Any]):
    """``parts``: paths; empty where the space sees all of the source."""

    data_source = serializers.UUIDField(source="source.pk")
    name = serializers.CharField(source="source.name")
    whole = serializers.BooleanField()
    parts = serializers.ListField(child=serializers.CharField())


class SeenList(serializers.Serializer[Any]):
    results = SeenShape(many=True)


class SpaceSees(DataAPI):
    access = "space.view"
    pagination_class = None

    @extend_schema(operation_id="spaces_sees", responses=SeenList)
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """The sources that a space sees, as far as the caller may know them."""
        space = get_object_or_404(Space.objects.governed_by(self.membership), pk=pk)
        return self.shown(SeenList, {"results": seen_by(self.membership, [space])[space.pk]})
