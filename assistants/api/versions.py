"""Versions of an assistant, compared and brought back; assistants as files; their pictures."""

from __future__ import annotations

from typing import Any, BinaryIO, cast
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from assistants import lifecycle
from assistants.api.assistant_shapes import (
    AssistantFileRequest,
    AssistantFileShape,
    AssistantShape,
    ComparisonShape,
    KnowledgePart,
    PictureShape,
    VersionShape,
)
from assistants.api.assistants import AssistantAPI
from assistants.api.base import AssistantsAPI
from assistants.exporting import file_name, to_yaml
from assistants.history import at_hand, compare, one_of_them, seen_by, versions_for
from assistants.importing import from_yaml
from assistants.pictures import keep_picture
from assistants.starting import Draft
from assistants.views.pictures import shown as picture_file
from portal.api.portraits import WebpRenderer


class Versions(AssistantAPI):
    access = "assistant.view"

    @extend_schema(operation_id="versions_list", responses=VersionShape(many=True))
    def get(self, request: Request, slug: str, handle: str) -> Response:
        """Newest first. Who may not change the assistant sees those that people ran, and instructions only where its owners show them."""
        row = self.row(handle)
        rows = versions_for(row, seen_by(self.membership, row))
        return self.listed(VersionShape, rows, ordering=["-number"], context=lambda _page: self.around([row]))


class OneVersion(AssistantAPI):
    access = "assistant.view"

    @extend_schema(operation_id="versions_get", responses=VersionShape)
    def get(self, request: Request, slug: str, handle: str, number: int) -> Response:
        row = self.row(handle)
        version = get_object_or_404(versions_for(row, seen_by(self.membership, row)), number=number)
        return self.shown(VersionShape, version, **self.around([row]))


class Compare(AssistantAPI):
    access = "assistant.view"

    @extend_schema(
        operation_id="versions_compare",
        responses=ComparisonShape,
        parameters=[OpenApiParameter(name, int, required=True) for name in ("old", "new")],
    )
    def get(self, request: Request, slug: str, handle: str) -> Response:
        """What changed between any two versions, field by field; of long texts as a diff."""
        row = self.row(handle)
        asked = {name: request.query_params.get(name, "") for name in ("old", "new")}
        if wrong := [name for name, value in asked.items() if not value.isdecimal() or len(value) > 6]:
            raise serializers.ValidationError(dict.fromkeys(wrong, "It takes the number of a version."))
        seen = seen_by(self.membership, row)
        return self.shown(ComparisonShape, compare(self.membership, row, seen, int(asked["old"]), int(asked["new"])))


class RollBack(AssistantAPI):
    access = {"POST": "assistant.edit"}

    @extend_schema(operation_id="versions_roll_back", request=None, responses=AssistantShape)
    def post(self, request: Request, slug: str, handle: str, number: int) -> Response:
        """Back to what this version was, as a new version: history is never rewritten."""
        row = self.row(handle)
        lifecycle.roll_back(row, self.person, get_object_or_404(row.versions, number=number))
        return self.answer(handle)


class YamlRenderer(BaseRenderer):
    """Chosen with ``Accept: application/yaml``; the view renders itself."""

    media_type = "application/yaml"
    format = "yaml"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> Any:
        # A problem, told before there was a file.
        return JSONRenderer().render(data, accepted_media_type, renderer_context)


class Export(AssistantAPI):
    access = "assistant.view"
    renderer_classes = [YamlRenderer, JSONRenderer]

    @extend_schema(
        operation_id="assistants_export",
        responses={(200, "application/yaml"): OpenApiTypes.STR},
        parameters=[OpenApiParameter("version", int, description="Without one, what the caller sees of it now.")],
    )
    def get(self, request: Request, slug: str, handle: str) -> HttpResponse:
        """The assistant as a YAML file, as far as the caller may see it."""
        row = self.row(handle)
        number = request.query_params.get("version", "")
        seen = seen_by(self.membership, row)
        version = one_of_them(row, seen, number) if number else at_hand(row, seen)
        if version is None:
            raise serializers.ValidationError({"version": "There is no such version."})
        return yaml_response(to_yaml(self.membership, row, version), file_name(row, version))


def yaml_response(text: str, name: str) -> HttpResponse:
    """A file to keep; for portal and API alike."""
    return HttpResponse(
        text,
        content_type="application/yaml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
    )


class Import(AssistantAPI):
    access = {"POST": "assistant.edit"}

    @extend_schema(
        operation_id="assistants_import",
        request=AssistantFileRequest,
        responses={200: AssistantFileShape, 201: AssistantFileShape},
    )
    def post(self, request: Request, slug: str) -> Response:
        """A personal assistant from a YAML file. Nothing is ever overwritten: a handle that is taken gets a number."""
        sent = self.parsed(AssistantFileRequest)
        draft = from_yaml(self.membership, sent["yaml"])
        handle = sent.get("handle") or draft.handle
        if sent["check"]:
            return Response(AssistantFileShape(_told(draft, handle), context=self.around([])).data)
        made = lifecycle.create_assistant(
            workspace=self.workspace,
            by=self.person,
            handle=handle,
            stage=draft.stage,
            shows_instructions=draft.shows_instructions,
            **draft.fields,
        )
        row = self.row(made.handle)
        told = AssistantFileShape(_told(draft, handle, row), context=self.around([row])).data
        return Response(told, status=status.HTTP_201_CREATED)


def _told(draft: Draft, handle: str, assistant: Any = None) -> dict[str, Any]:
    knowledge = None if draft.fields["reads_all"] else draft.fields["knowledge"]
    return {
        "handle": handle,
        "name": draft.fields["name"],
        "knowledge": None if knowledge is None else KnowledgePart(knowledge, many=True).data,
        "notes": list(draft.notes),
        "assistant": assistant,
    }


class Pictures(AssistantsAPI):
    access = {"POST": "assistant.edit"}
    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="pictures_upload",
        request={
            "multipart/form-data": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
        },
        responses={201: PictureShape},
    )
    def post(self, request: Request, slug: str) -> Response:
        """A PNG, JPEG, WebP or GIF, written anew as a small WebP; its id is what an assistant’s ``picture`` takes."""
        file = request.FILES.get("file")
        if file is None:
            raise serializers.ValidationError({"file": "Send a picture."})
        picture = keep_picture(self.membership, cast(BinaryIO, file))
        url = reverse("api:picture", args=[slug, picture.pk])
        return Response({"id": str(picture.pk), "url": url}, status=status.HTTP_201_CREATED)


class OnePicture(AssistantsAPI):
    access = "assistant.view"
    renderer_classes = [WebpRenderer, JSONRenderer]

    @extend_schema(
        operation_id="pictures_get", responses={(200, "image/webp"): OpenApiResponse(response=OpenApiTypes.BINARY)}
    )
    def get(self, request: Request, slug: str, pk: UUID) -> HttpResponse:
        """The picture, for the person who uploaded it and for whoever sees an assistant that has it."""
        return picture_file(self.membership, pk)
