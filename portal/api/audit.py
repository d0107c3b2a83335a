"""The audit log, to read."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal import audit_log
from portal.api.base import WorkspaceAPI
from portal.models import AuditEvent


class AuditChangeShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()
    changed = serializers.BooleanField()


class AuditShape(serializers.ModelSerializer[AuditEvent]):
    """``changes`` is what ``before`` and ``after`` say, field by field and in words."""

    changes = serializers.SerializerMethodField()

    class Meta:
        model = AuditEvent
        fields = [
            "id",
            "at",
            "actor_name",
            "via",
            "action",
            "object_type",
            "object_id",
            "object_name",
            "before",
            "after",
            "changes",
        ]
        read_only_fields = fields

    @extend_schema_field(AuditChangeShape(many=True))
    def get_changes(self, row: AuditEvent) -> Any:
        return AuditChangeShape(audit_log.changes(row.before, row.after), many=True).data


_FILTERS = [
    OpenApiParameter("q", str, description="Text in the object's name, the action, or the name of who did it."),
    OpenApiParameter("who", str, description="Part of a name or of an e-mail address."),
    OpenApiParameter("action", str, description="Such as credential.create, or its noun alone: all with credentials."),
    OpenApiParameter("via", str, enum=list(audit_log.SURFACES)),
    OpenApiParameter("object_type", str),
    OpenApiParameter("object_id", str),
    OpenApiParameter("since", str, description="A day or a moment (ISO 8601)."),
    OpenApiParameter("until", str, description="A day, which is included, or a moment, which is not."),
]


class AuditAPI(WorkspaceAPI):
    def rows(self, request: Request) -> QuerySet[AuditEvent]:
        self.asked(via=audit_log.SURFACES)
        asked = request.query_params
        same = ("who", "action", "via", "object_type", "object_id")
        return audit_log.found(
            AuditEvent.objects.filter(workspace=self.workspace),
            text=asked.get("q", "").strip(),
            since=audit_log.moment(asked.get("since", "")),
            until=audit_log.moment(asked.get("until", ""), end=True),
            **{name: asked.get(name, "").strip() for name in same},
        )


class Audit(AuditAPI):
    access = "audit.view"

    @extend_schema(operation_id="audit_list", responses=AuditShape(many=True), parameters=_FILTERS)
    def get(self, request: Request, slug: str) -> Response:
        """Who did what, newest first."""
        return self.listed(AuditShape, self.rows(request), ordering=["-id"])


class AuditExport(AuditAPI):
    access = "audit.view"
    pagination_class = None

    @extend_schema(operation_id="audit_export", responses={(200, "text/csv"): OpenApiTypes.STR}, parameters=_FILTERS)
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        """The same as CSV, formulas escaped, up to 100,000 entries."""
        response = StreamingHttpResponse(audit_log.as_csv(self.rows(request)), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="audit-log.csv"'
        return response
