"""What the person behind the key was told."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal import notices
from portal.api.base import WorkspaceAPI
from portal.models import Notice


class NoticeShape(serializers.ModelSerializer[Notice]):
    """``address``: where it leads, on this portal."""

    address = serializers.SerializerMethodField()

    class Meta:
        model = Notice
        fields = ["id", "words", "address", "created", "read"]
        read_only_fields = fields

    def get_address(self, row: Notice) -> str:
        return notices.address(row)


class MarkRequest(serializers.Serializer[Any]):
    ids = serializers.ListField(child=serializers.IntegerField(), required=False, help_text="Left out: all.")


class Marked(serializers.Serializer[Any]):
    marked = serializers.IntegerField()


class Notices(WorkspaceAPI):
    access = "notice.read"

    @extend_schema(
        operation_id="notices_list",
        responses=NoticeShape(many=True),
        parameters=[OpenApiParameter("unread", bool, description="Only those that wait to be read.")],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Newest first, of this workspace alone."""
        rows = notices.notices_of(self.membership)
        if request.query_params.get("unread", "").lower() in {"true", "1"}:
            rows = rows.filter(read=None)
        return self.listed(NoticeShape, rows, ordering=["-id"])


class MarkRead(WorkspaceAPI):
    access = {"POST": "notice.mark"}

    @extend_schema(operation_id="notices_mark_read", request=MarkRequest, responses=Marked)
    def post(self, request: Request, slug: str) -> Response:
        """How many there were. Naming somebody else's does nothing."""
        asked = self.parsed(MarkRequest)
        return Response({"marked": notices.mark_read(self.membership, asked.get("ids"))})
