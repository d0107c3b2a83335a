"""The audit log, to read."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.base import WorkspaceAPI
from portal.models import AuditEvent


class AuditShape(serializers.ModelSerializer[AuditEvent]):
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
        ]
        read_only_fields = fields


class Audit(WorkspaceAPI):
    access = "audit.view"

    @extend_schema(
        operation_id="audit_list", responses=AuditShape(many=True), parameters=[OpenApiParameter("action", str)]
    )
    def get(self, request: Request, slug: str) -> Response:
        """Who did what, newest first; ``action`` narrows to one kind of deed, such as ``credential.create``."""
        rows = AuditEvent.objects.filter(workspace=self.workspace)
        if action := request.query_params.get("action"):
            rows = rows.filter(action=action)
        return self.listed(AuditShape, rows, ordering=["-id"])
