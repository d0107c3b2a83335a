"""What integrations write into a source of kind ``api``: documents, folders, tables and their rows."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from datasources import written
from datasources.api.base import DataAPI
from datasources.api.shapes import RunShape
from datasources.models import DataSource, SyncRun, Written, WrittenRow, node_id

LONGEST_TEXT = 5_000_000
LONGEST_CELL = 10_000
MOST_COLUMNS = 500
MOST_READERS = 500
_READER = re.compile(r"everyone|mail:[^\s@]+@[^\s@]+|domain:[^\s@:]+")
_ID = OpenApiParameter(
    "external_id", str, OpenApiParameter.PATH, description="The integration's own id; it may hold slashes."
)


_EXTERNAL_ID = serializers.CharField(max_length=1024)


class WritableText(serializers.CharField):
    """Text that the database can hold."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        return text.replace("\x00", "").encode("utf-8", "replace").decode()


class ItemFields(serializers.Serializer[Any]):
    """A document (``text``), a table (``columns``), or with neither a folder. What is left out stays as it is."""

    title = WritableText(max_length=500, required=False)
    parent = serializers.CharField(  # type: ignore[assignment]  # the class takes declared fields out of its attributes
        max_length=1024,
        required=False,
        allow_null=True,
        help_text="The external id of the item that it lies in; null is the top. It may be written later.",
    )
    text = WritableText(
        max_length=LONGEST_TEXT, required=False, allow_null=True, allow_blank=True, help_text="Markdown. Null is none."
    )
    columns = serializers.ListField(
        child=WritableText(max_length=200),
        required=False,
        allow_null=True,
        allow_empty=False,
        max_length=MOST_COLUMNS,
        help_text="Of a table; its rows are written apart.",
    )
    url = serializers.URLField(max_length=2000, required=False, allow_blank=True, help_text="Where people open it.")
    author = WritableText(max_length=200, required=False, allow_blank=True)
    modified = serializers.DateTimeField(required=False, allow_null=True)
    tags = serializers.ListField(child=WritableText(max_length=80), required=False, max_length=100)
    readers = serializers.ListField(
        child=serializers.CharField(max_length=320),
        required=False,
        allow_null=True,
        max_length=MOST_READERS,
        help_text="everyone, mail:ann@acme.com, domain:acme.com. Asked where the source mirrors access; null: as its parent.",
    )

    def validate_readers(self, value: list[str] | None) -> list[str] | None:
        for reader in value or ():
            if not _READER.fullmatch(reader):
                raise serializers.ValidationError(f"{reader!r} is not everyone, mail:<address> or domain:<domain>.")
        return value

    def validate_columns(self, value: list[str] | None) -> list[str] | None:
        if value is not None and len({column.casefold() for column in value}) < len(value):
            raise serializers.ValidationError("Two columns have the same name.")
        return value


class Item(ItemFields):
    external_id = serializers.CharField(max_length=1024)


class ItemsRequest(serializers.Serializer[Any]):
    items = Item(many=True, allow_empty=False)

    def validate_items(self, value: list[Any]) -> list[Any]:
        if len(value) > written.MOST_ITEMS:
            raise serializers.ValidationError(
                f"Write at most {written.MOST_ITEMS} items at once; these are {len(value)}."
            )
        return value


class ItemOutcome(serializers.Serializer[Any]):
    """``id``: of the node, and of the document, that it becomes."""

    external_id = serializers.CharField()
    id = serializers.UUIDField()
    status = serializers.ChoiceField(["created", "updated", "unchanged"])


class ItemsResult(serializers.Serializer[Any]):
    """``run``: the sync that makes it searchable; null where nothing changed."""

    results = ItemOutcome(many=True)
    run = RunShape(allow_null=True)


class Row(serializers.Serializer[Any]):
    key = WritableText(max_length=300, help_text="The integration's own; writing it again replaces the row.")
    cells = serializers.ListField(child=serializers.JSONField(allow_null=True), max_length=MOST_COLUMNS)

    def validate_cells(self, value: list[Any]) -> list[Any]:
        for cell in value:
            if isinstance(cell, dict | list):
                raise serializers.ValidationError("A cell is a text, a number, true, false or null.")
            if isinstance(cell, str) and len(cell) > LONGEST_CELL:
                raise serializers.ValidationError(f"A cell has at most {LONGEST_CELL:,} characters.")
        return [cell.replace("\x00", "") if isinstance(cell, str) else cell for cell in value]


class RowsRequest(serializers.Serializer[Any]):
    rows = Row(many=True)

    def validate_rows(self, value: list[Any]) -> list[Any]:
        if len(value) > written.MOST_ROWS:
            raise serializers.ValidationError(f"Write at most {written.MOST_ROWS:,} rows at once.")
        return value


class KeysRequest(serializers.Serializer[Any]):
    keys = serializers.ListField(child=serializers.CharField(max_length=300), max_length=written.MOST_ROWS)


class RowsResult(serializers.Serializer[Any]):
    """``rows``: how many the table has now."""

    rows = serializers.IntegerField()
    run = RunShape(allow_null=True)


class ItemsRemoved(serializers.Serializer[Any]):
    """``removed``: how many went, those that lay in them included. ``run``: the sync that takes them out of the index."""

    removed = serializers.IntegerField()
    run = RunShape(allow_null=True)


class ItemIds(serializers.Serializer[Any]):
    external_ids = serializers.ListField(
        child=serializers.CharField(max_length=1024), allow_empty=False, max_length=written.MOST_ITEMS
    )


class ItemShape(serializers.ModelSerializer[Written]):
    """An item as it was written. ``id``: of the node, and of the document, that it is, or will be."""

    id = serializers.SerializerMethodField()

    class Meta:
        model = Written
        fields = ["external_id", "id", *(name for name in written.FIELDS if name != "text"), "updated"]
        read_only_fields = fields

    def get_id(self, row: Written) -> UUID:
        return node_id(row.source_id, row.external_id)


class ItemDetail(ItemShape):
    class Meta(ItemShape.Meta):
        fields = [*ItemShape.Meta.fields, "text"]
        read_only_fields = fields


class RowShape(serializers.ModelSerializer[WrittenRow]):
    cells = serializers.ListField(child=serializers.JSONField(allow_null=True))

    class Meta:
        model = WrittenRow
        fields = ["key", "cells"]
        read_only_fields = fields


class WrittenAPI(DataAPI):
    def run_of(self, source: DataSource) -> Any:
        run = source.runs.filter(state__in=SyncRun.OPEN).first()
        return None if run is None else RunShape(run, context={"managed": {source.pk}}).data

    def wrote(self, source: DataSource, items: list[dict[str, Any]]) -> Response:
        outcomes = written.write_items(source, items, by=self.person)
        results = [
            {"external_id": o.item.external_id, "id": node_id(source.pk, o.item.external_id), "status": o.status}
            for o in outcomes
        ]
        changed = any(o.status != "unchanged" for o in outcomes)
        shown = {"results": ItemOutcome(results, many=True).data, "run": self.run_of(source) if changed else None}
        new = any(o.status == "created" for o in outcomes)
        return Response(shown, status=status.HTTP_201_CREATED if new else status.HTTP_200_OK)

    def read(self, row: Written) -> Written:
        """The same row, where the caller may also read it: who manages a source sees what is in it, but not every text."""
        if not written.may_read(self.membership, row):
            raise Http404
        return row


class Items(WrittenAPI):
    access = {"GET": "datasource.manage", "POST": "datasource.manage", "DELETE": "datasource.manage"}

    @extend_schema(
        operation_id="items_list",
        responses=ItemShape(many=True),
        parameters=[
            OpenApiParameter("parent", str, description="Only what lies right in this item; empty: the top level."),
            OpenApiParameter("q", str, description="Only what has this text in its title."),
        ],
    )
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """What was written, without the texts, in the order in which it was first written."""
        rows, asked = written.items_of(self.managed(pk)).defer("text"), request.query_params
        if "parent" in asked:
            rows = rows.filter(parent=asked["parent"] or None)
        if text := asked.get("q", "").strip():
            rows = rows.filter(title__icontains=text)
        return self.listed(ItemShape, rows, ordering=["id"])

    @extend_schema(operation_id="items_write", request=ItemsRequest, responses={200: ItemsResult, 201: ItemsResult})
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """Write up to 500 items into a source of kind ``api``, all or none. Twice is once."""
        source = self.managed(pk)
        return self.wrote(source, [dict(item) for item in self.parsed(ItemsRequest)["items"]])

    @extend_schema(operation_id="items_delete_many", request=ItemIds, responses=ItemsRemoved)
    def delete(self, request: Request, slug: str, pk: UUID) -> Response:
        """Remove up to 500 and all that lies in them, at once. Those that are not there do no harm."""
        source = self.managed(pk)
        removed = written.delete_items(source, self.parsed(ItemIds)["external_ids"], by=self.person)
        return Response({"removed": removed, "run": self.run_of(source) if removed else None})


class OneItem(WrittenAPI):
    access = {"GET": "datasource.manage", "PUT": "datasource.manage", "DELETE": "datasource.manage"}

    @extend_schema(operation_id="items_get", responses=ItemDetail, parameters=[_ID])
    def get(self, request: Request, slug: str, pk: UUID, external_id: str) -> Response:
        """One item with its text, as it was written. 404 for one that the caller may not read."""
        row = get_object_or_404(written.items_of(self.managed(pk)), external_id=external_id)
        return self.shown(ItemDetail, self.read(row))

    @extend_schema(
        operation_id="items_put",
        request=ItemFields,
        responses={200: ItemsResult, 201: ItemsResult},
        parameters=[_ID],
    )
    def put(self, request: Request, slug: str, pk: UUID, external_id: str) -> Response:
        """Make or change one item. Fields that are left out stay as they are, so a tag can be set without the text."""
        source = self.managed(pk)
        given = self.parsed(ItemFields)
        return self.wrote(source, [{**given, "external_id": _EXTERNAL_ID.run_validation(external_id)}])

    @extend_schema(operation_id="items_delete", responses={204: None}, parameters=[_ID])
    def delete(self, request: Request, slug: str, pk: UUID, external_id: str) -> Response:
        """Remove it and all that lies in it. Twice is once."""
        written.delete_items(self.managed(pk), [external_id], by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class WrittenRows(WrittenAPI):
    access = dict.fromkeys(("GET", "PUT", "POST", "DELETE"), "datasource.manage")

    @extend_schema(operation_id="rows_list", responses=RowShape(many=True), parameters=[_ID])
    def get(self, request: Request, slug: str, pk: UUID, external_id: str) -> Response:
        """The rows of a table with their keys, as they were written. 404 for one that the caller may not read."""
        table = self.read(written.table_of(self.managed(pk), external_id))
        return self.listed(RowShape, table.rows.all(), ordering=["id"])

    @extend_schema(operation_id="rows_replace", request=RowsRequest, responses=RowsResult, parameters=[_ID])
    def put(self, request: Request, slug: str, pk: UUID, external_id: str) -> Response:
        """These are all the rows that the table has. Up to 5,000; more with POST after it."""
        return self._write(pk, external_id, replace=True)

    @extend_schema(operation_id="rows_write", request=RowsRequest, responses=RowsResult, parameters=[_ID])
    def post(self, request: Request, slug: str, pk: UUID, external_id: str) -> Response:
        """Add rows, or replace those of the same keys. Up to 5,000 at once."""
        return self._write(pk, external_id, replace=False)

    @extend_schema(operation_id="rows_delete", request=KeysRequest, responses=RowsResult, parameters=[_ID])
    def delete(self, request: Request, slug: str, pk: UUID, external_id: str) -> Response:
        """Take rows out by their keys."""
        source = self.managed(pk)
        written.delete_rows(source, external_id, self.parsed(KeysRequest)["keys"], by=self.person)
        return self._told(source, external_id)

    def _write(self, pk: UUID, external_id: str, *, replace: bool) -> Response:
        source = self.managed(pk)
        rows = [(row["key"], row["cells"]) for row in self.parsed(RowsRequest)["rows"]]
        written.write_rows(source, external_id, rows, by=self.person, replace=replace)
        return self._told(source, external_id)

    def _told(self, source: DataSource, external_id: str) -> Response:
        number = written.table_of(source, external_id).rows.count()
        return Response({"rows": number, "run": self.run_of(source)})
