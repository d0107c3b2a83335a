"""People's pictures: one's own is changed, anybody's of the workspace is shown."""

from __future__ import annotations

from typing import Any, BinaryIO, cast
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from portal import profile
from portal.api.base import WorkspaceAPI
from portal.api.workspace import MeShape


class WebpRenderer(BaseRenderer):
    """Chosen with ``Accept: image/webp``; the view answers with the file itself."""

    media_type = "image/webp"
    format = "webp"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> Any:
        # A problem, told before there was a file.
        return JSONRenderer().render(data, accepted_media_type, renderer_context)


class MyPicture(WorkspaceAPI):
    access = {"POST": "me.change", "DELETE": "me.change"}
    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="me_picture_upload",
        request={
            "multipart/form-data": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
        },
        responses=MeShape,
    )
    def post(self, request: Request, slug: str) -> Response:
        """A PNG, JPEG, WebP or GIF, written anew as a small WebP: from now on the caller's picture, in every workspace."""
        file = request.FILES.get("file")
        if file is None:
            raise serializers.ValidationError({"file": "Send a picture."})
        profile.keep_picture(self.person, cast(BinaryIO, file))
        return self.shown(MeShape, self.membership)

    @extend_schema(operation_id="me_picture_remove", responses=MeShape)
    def delete(self, request: Request, slug: str) -> Response:
        """None any more. Without one it does nothing."""
        profile.remove_picture(self.person)
        return self.shown(MeShape, self.membership)


class OnePortrait(WorkspaceAPI):
    access = "people.view"
    renderer_classes = [WebpRenderer, JSONRenderer]

    @extend_schema(
        operation_id="portraits_get", responses={(200, "image/webp"): OpenApiResponse(response=OpenApiTypes.BINARY)}
    )
    def get(self, request: Request, slug: str, key: UUID) -> HttpResponse:
        """The picture of somebody in this workspace, by the address that ``picture`` gives."""
        return profile.portrait(self.workspace, key)
