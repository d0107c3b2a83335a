"""Connecting by API: the kinds that there are, what a place offers, what a choice will bring, and the choice itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from datasources import choosing, estimating, exporting, offering, suggesting
from datasources.api.base import DataAPI
from datasources.api.shapes import SelectionShape
from datasources.connectors.about import About, Auth, Setting
from datasources.connectors.base import Chosen, ConnectorError
from datasources.connectors.registry import CONNECTORS
from datasources.models import DataSource, Level, node_id


class SettingShape(serializers.Serializer[Any]):
    """One thing to say. ``secret``: it goes into ``secret``, and never comes out; the rest into ``config``."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.ChoiceField(["text", "url", "number", "date", "choice", "lines", "bool", "json"])
    secret = serializers.BooleanField()
    required = serializers.BooleanField()  # type: ignore[assignment]
    help = serializers.CharField()
    initial = serializers.JSONField(allow_null=True)
    choices = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_choices(self, row: Setting) -> list[str]:
        return [value for value, _ in row.choices]


class AuthShape(serializers.Serializer[Any]):
    """One way to prove who one is. ``oauth``: it is finished in the browser."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    steps = serializers.ListField(child=serializers.CharField())
    scopes = serializers.ListField(child=serializers.CharField())
    asks = SettingShape(many=True, source="fields")
    oauth = serializers.SerializerMethodField()

    def get_oauth(self, row: Auth) -> bool:
        return row.oauth is not None


class ConnectorShape(serializers.Serializer[Any]):
    kind = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    words = serializers.CharField()
    base_url = serializers.CharField(help_text="The vendor's own address; config.base_url may name another.")
    asks_address = serializers.BooleanField()
    auths = AuthShape(many=True)
    settings = SettingShape(many=True, help_text="What config may hold.")
    options = SettingShape(many=True, help_text="What the options of a line of a selection may hold.")
    schedules = serializers.ListField(child=serializers.CharField())
    mirrors = serializers.BooleanField()
    webhook = serializers.SerializerMethodField()
    tree = serializers.BooleanField()
    files = serializers.BooleanField(help_text="Its files are handed over, with …/documents/.")

    def get_webhook(self, row: About) -> bool:
        return row.webhook is not None


class ConnectorList(serializers.Serializer[Any]):
    results = ConnectorShape(many=True)


class Connectors(DataAPI):
    access = "datasource.create"
    pagination_class = None

    @extend_schema(operation_id="connectors_list", responses=ConnectorList)
    def get(self, request: Request, slug: str) -> Response:
        """The kinds of places, each with what it has to be told."""
        rows = sorted(CONNECTORS.values(), key=lambda about: about.label)
        return Response(ConnectorList({"results": rows}).data)


class OfferedShape(serializers.Serializer[Any]):
    """One item that can be chosen. ``id``: of the node that it is, or will be."""

    id = serializers.UUIDField()
    external_id = serializers.CharField()
    kind = serializers.CharField()
    title = serializers.CharField()
    has_children = serializers.BooleanField()
    parents = serializers.ListField(
        child=serializers.UUIDField(), help_text="Its own id first, then those above, as far as they are known."
    )


class BrowseResult(serializers.Serializer[Any]):
    """``state`` is ``reading`` while more is coming: ask again. ``next``: the ``first`` of the next call, or null."""

    state = serializers.ChoiceField(Level.State.choices)
    read = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField()
    total = serializers.IntegerField()
    next = serializers.IntegerField(allow_null=True)
    results = OfferedShape(many=True)


class Browse(DataAPI):
    access = "datasource.manage"
    pagination_class = None

    @extend_schema(
        operation_id="data_sources_browse",
        responses=BrowseResult,
        parameters=[
            OpenApiParameter("parent", str, description="The id of an item with children; left out: the top level."),
            OpenApiParameter(
                "q", str, description="What has this in its name: of what is known, and by the place's own search."
            ),
            OpenApiParameter("first", int, description="The number of the first item; pages have 200."),
            OpenApiParameter("anew", bool, description="Ask the place again, rather than showing what it said last."),
        ],
    )
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """What the place offers to choose from, whether it came in yet or not. A level is read in the background."""
        source, asked = self.managed(pk), request.query_params
        if text := asked.get("q", "").strip():
            return Response(BrowseResult(_found(source, text)).data)
        parent = offering.parent_of(source, asked.get("parent", ""))
        if parent is None:
            raise serializers.ValidationError({"parent": "There is nothing of this id. Browse from the top again."})
        first = asked.get("first", "0")
        anew = asked.get("anew", "").lower() in ("1", "true")
        listed = offering.listed(source, parent, int(first) if first.isdecimal() else 0, anew=anew)
        level = listed.level
        told = {"state": level.state, "read": level.read, "error": level.error, "total": listed.total}
        return Response(BrowseResult({**told, "next": listed.more, "results": _shown(listed.rows)}).data)


def _found(source: DataSource, text: str) -> dict[str, Any]:
    rows, total = offering.find(source, text)
    results = [row for row in _flat(rows) if row.found]
    error = ""
    if not offering.is_all_known(source):
        try:
            more = [row for row in _flat(offering.find_there(source, text)) if row.found]
        except ConnectorError as problem:
            error, more = str(problem), []
        results, total = results + more, total + len(more)
    state = Level.State.FAILED if error else Level.State.READ
    return {"state": state, "read": None, "error": error, "total": total, "next": None, "results": _shown(results)}


def _flat(rows: list[offering.Choice]) -> list[offering.Choice]:
    return [found for row in rows for found in (row, *_flat(row.below))]


def _shown(rows: list[offering.Choice]) -> list[dict[str, Any]]:
    names = ("external_id", "kind", "title", "has_children")
    return [
        {"id": row.item.node, "parents": row.chain, **{name: getattr(row.item, name) for name in names}} for row in rows
    ]


class ChoicesResult(serializers.Serializer[Any]):
    """By the name of the setting or option: names that the place has. What is not here can be anything."""

    choices = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))


class ChoicesOf(DataAPI):
    access = "datasource.manage"
    pagination_class = None

    @extend_schema(
        operation_id="data_sources_choices",
        responses=ChoicesResult,
        parameters=[
            OpenApiParameter("node", str, description="The id of an item: of the options there. Left out: of settings.")
        ],
    )
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """What settings of the source, or options at an item, can be. Asks the place."""
        source = self.managed(pk)
        found = suggesting.choices_of(source, request.query_params.get("node", ""))
        return Response(ChoicesResult({"choices": found}).data)


class SelectionLine(serializers.Serializer[Any]):
    """One line. Name the item by ``node`` or by ``external_id``; neither is the root, which is everything."""

    node = serializers.UUIDField(required=False, allow_null=True)
    external_id = serializers.CharField(required=False, allow_blank=True, max_length=1024)
    include = serializers.BooleanField(default=True)
    future = serializers.BooleanField(default=True, help_text="Also what is added below it later.")
    options = serializers.DictField(required=False)


class SelectionRequest(serializers.Serializer[Any]):
    selection = SelectionLine(many=True, help_text="The nearest line at or above an item decides. None: everything.")


class SelectionResult(serializers.Serializer[Any]):
    selection = SelectionShape(many=True)


def lines_of(source: DataSource, given: Iterable[Mapping[str, Any]]) -> list[Chosen]:
    """As the connector gets them. An integration may know external ids that nobody has browsed to. Raises ValidationError."""
    asked, named = [], {}
    for line in given:
        key, external_id = line.get("node"), line.get("external_id") or ""
        if key is None and external_id:
            key = node_id(source.pk, external_id)
            named[key] = external_id
        asked.append((key, line.get("include", True), line.get("future", True), line.get("options") or {}))
    found = choosing.lines_of(source, asked, named=named)
    if len({line.external_id for line in found}) != len(found):
        raise ValidationError({"selection": "Name each item once."})
    return found


class SelectionOf(DataAPI):
    access = {"PUT": "datasource.manage"}

    @extend_schema(operation_id="data_sources_choose", request=SelectionRequest, responses=SelectionResult)
    def put(self, request: Request, slug: str, pk: UUID) -> Response:
        """Choose what comes in. Of a source that is synced already, only the difference is brought in or taken out."""
        source = self.managed(pk)
        chosen = choosing.choose(source, lines_of(source, self.parsed(SelectionRequest)["selection"]), by=self.person)
        rows = chosen.selections.order_by("external_id")
        return Response(SelectionResult({"selection": rows}).data)


class EstimateRequest(serializers.Serializer[Any]):
    selection = SelectionLine(many=True, required=False, help_text="Left out: what is chosen now.")


class EstimateResult(serializers.Serializer[Any]):
    """``seconds``: of embedding by the model on this machine. ``dollars``: by a vendor's whose price is known.

    ``untold``: a sentence where the place can't say yet how much it is; the numbers are then 0 and mean nothing.
    """

    documents = serializers.IntegerField()
    bytes = serializers.IntegerField()
    passages = serializers.IntegerField()
    tokens = serializers.IntegerField()
    exact = serializers.BooleanField()
    model = serializers.CharField()
    seconds = serializers.FloatField(allow_null=True)
    dollars = serializers.FloatField(allow_null=True)
    untold = serializers.CharField()


class EstimateOf(DataAPI):
    access = {"POST": "datasource.manage"}

    @extend_schema(operation_id="data_sources_estimate", request=EstimateRequest, responses=EstimateResult)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """What a choice will bring, and what embedding it takes. Asks the place; nothing is kept."""
        source = self.managed(pk)
        given = self.parsed(EstimateRequest).get("selection")
        lines = None if given is None else lines_of(source, given)
        return Response(EstimateResult(estimating.forecast(source, lines)).data)


class ExportOf(DataAPI):
    access = "datasource.view"
    pagination_class = None

    @extend_schema(operation_id="data_sources_export", responses={(200, "application/zip"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, pk: UUID) -> StreamingHttpResponse:
        """What the caller may read of it, as a zip: documents as Markdown with front matter, tables as CSV."""
        source = self.source(pk)
        exporting.note(source, by=self.person)
        stream = exporting.as_zip(self.membership, source)
        response = StreamingHttpResponse(stream, content_type="application/zip")
        response["Content-Disposition"] = f'attachment; filename="{exporting.file_name(source)}"'
        return response
