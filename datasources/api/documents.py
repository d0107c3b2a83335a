"""The tree of a source, its documents, and files that people hand over."""

from __future__ import annotations

import posixpath
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from datasources import sources
from datasources.api.base import DataAPI, one_of, uuid_of
from datasources.api.shapes import DocumentShape, NodeShape, RunShape, UploadShape
from datasources.explaining import readers_of, why
from datasources.models import DataSource, Node, SyncRun, UploadedFile
from datasources.passages import Passages
from portal.api.pagination import ByPlace
from portal.models import Membership


class Nodes(DataAPI):
    access = "datasource.view"

    @extend_schema(
        operation_id="nodes_list",
        responses=NodeShape(many=True),
        parameters=[
            OpenApiParameter("parent", str, description="Only what hangs right below this node; empty: the top level."),
            OpenApiParameter("q", str, description="Only what has this text in its title or path."),
            OpenApiParameter("status", str, enum=Node.Status.values),
        ],
    )
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """Nodes of the source that the caller may see. Without ``parent``: all of them, in order of their paths."""
        asked = request.query_params
        rows = Node.objects.browsable_by(self.membership).filter(source=self.source(pk))
        ordering = ("path", "id")
        if "parent" in asked:
            ordering = ("sort_key", "id")
            parent = asked["parent"]
            rows = rows.filter(parent=uuid_of(parent, "parent")) if parent else rows.filter(parent=None)
        if text := asked.get("q", "").strip():
            rows = rows.filter(path__icontains=text)
        if state := one_of(asked.get("status"), Node.Status, "status"):
            rows = rows.filter(status=state)
        return self.listed(NodeShape, rows, ordering=ordering)


class OneDocument(DataAPI):
    access = "document.view"

    @extend_schema(operation_id="documents_get", responses=DocumentShape)
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """A document with its text. 404 for one that the caller may not read."""
        return self.shown(DocumentShape, self.document(pk))


class PassageShape(serializers.Serializer[Any]):
    """``start`` and ``end``: of the document's ``text``, as long as its ``content_hash`` is this one; else the text has changed,
    and is not indexed anew yet."""

    number = serializers.IntegerField(help_text="From 1, in the order of the text.")
    heading = serializers.CharField(help_text="The headings above it, from the top down.")
    text = serializers.CharField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    content_hash = serializers.CharField()


class DocumentPassages(DataAPI):
    access = "document.view"
    pagination_class = ByPlace

    @extend_schema(operation_id="documents_passages", responses=PassageShape(many=True))
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """The document's passages as the index holds them; none where it is not in the index yet."""
        row = self.document(pk)
        return self.listed(PassageShape, Passages(row, row.node.source_id, row.node.workspace_id))


class ReaderShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    who = serializers.CharField(help_text="Whom it lets read, in words.")


class AccessShape(serializers.Serializer[Any]):
    """Whether a person may read it, and why, in sentences; ``spaces`` that see it, as far as the caller may know them."""

    member = serializers.UUIDField()
    may = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField())
    spaces = ReaderShape(many=True)


class DocumentAccess(DataAPI):
    access = "document.view"

    @extend_schema(
        operation_id="documents_access",
        responses=AccessShape,
        parameters=[
            OpenApiParameter(
                "member",
                UUID,
                description="A membership's id. Left out: the caller. Others: for who manages the source.",
            )
        ],
    )
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """Who sees this document, or folder, and why a person can, or can't, read it. Who manages its source may ask about
        everybody."""
        nodes = Node.objects.browsable_by(self.membership).select_related("source").defer("source__cursor")
        node = get_object_or_404(nodes, pk=pk)
        about = self._about(request.query_params.get("member", ""), node)
        found = why(node, about, self.membership)
        spaces = [
            {"id": space.pk, "name": space.name, "who": who} for space, who in readers_of(node, self.membership).items()
        ]
        told = {"member": about.pk, "may": found.may, "reasons": found.reasons, "spaces": spaces}
        return self.shown(AccessShape, told)

    def _about(self, asked: str, node: Node) -> Membership:
        if not asked or uuid_of(asked, "member") == self.membership.pk:
            return self.membership
        if not DataSource.objects.manageable_by(self.membership).filter(pk=node.source_id).exists():
            raise exceptions.PermissionDenied(
                "You can ask about yourself. Who manages the source may ask about others."
            )
        people = Membership.objects.filter(workspace=self.workspace).select_related("user")
        return get_object_or_404(people, pk=uuid_of(asked, "member"))


class UploadRequest(serializers.Serializer[Any]):
    files = serializers.ListField(child=serializers.FileField(allow_empty_file=True), help_text="One or several.")
    path = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="The folder to put them in, such as hr/. For a single file, its whole path does too: hr/leave.md.",
    )


class UploadResult(serializers.Serializer[Any]):
    results = UploadShape(many=True)
    run = RunShape(allow_null=True)


class Documents(DataAPI):
    access = {"POST": "datasource.manage"}
    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="documents_upload",
        request={"multipart/form-data": UploadRequest},
        responses={201: UploadResult},
    )
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """Hand over files (also zips, whose folders are kept) to a source of kind ``upload``. The same path replaces."""
        source = self.managed(pk)
        files = [*request.FILES.getlist("files"), *request.FILES.getlist("file")]
        if not files:
            raise ValidationError({"files": ["Send at least one file, as a form field named files."]})
        folder = str(request.POST.get("path") or "")
        named = [(upload_path(folder, file.name or "", single=len(files) == 1), file) for file in files]
        made = [sources.add_upload(source, path=path, file=file, by=self.person) for path, file in named]
        run = source.runs.filter(state__in=SyncRun.OPEN).first()
        return Response(UploadResult({"results": made, "run": run}).data, status=status.HTTP_201_CREATED)


class Files(DataAPI):
    access = "datasource.manage"

    @extend_schema(
        operation_id="files_list",
        responses=UploadShape(many=True),
        parameters=[OpenApiParameter("q", str, description="Only what has this text in its path.")],
    )
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """The files that were handed over, by path. What came of each is among the nodes."""
        rows = self.managed(pk).uploads.all()
        if text := request.query_params.get("q", "").strip():
            rows = rows.filter(path__icontains=text)
        return self.listed(UploadShape, rows, ordering=("path", "id"))


class OneFile(DataAPI):
    access = {"DELETE": "datasource.manage"}

    @extend_schema(operation_id="files_remove", responses={204: None})
    def delete(self, request: Request, slug: str, pk: UUID, file: UUID) -> Response:
        """Take a file out, with all that came in from it."""
        found = get_object_or_404(
            UploadedFile.objects.select_related("source__workspace"), source=self.managed(pk), pk=file
        )
        sources.remove_upload(found, by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


def upload_path(folder: str, name: str, *, single: bool) -> str:
    """Where a file goes: below ``folder``; a single file may be given its whole path, told by its ending."""
    whole = single and not folder.endswith("/") and posixpath.splitext(folder)[1] != ""
    return folder if whole else posixpath.join(folder, name) if folder else name
