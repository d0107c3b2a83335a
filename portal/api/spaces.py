"""Spaces: who may see which data."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.base import WorkspaceAPI
from portal.api.shapes import PersonShape
from portal.models import Space, User
from portal.spaces import delete_space, save_space


class SpaceShape(serializers.ModelSerializer[Space]):
    members = PersonShape(many=True, help_text="Who is listed; an open space lists nobody, for it is everyone's.")

    class Meta:
        model = Space
        fields = ["id", "name", "kind", "members", "created"]
        read_only_fields = fields


class SpaceFields(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    kind = serializers.ChoiceField(Space.Kind.choices, default=Space.Kind.OPEN)
    members = serializers.ListField(
        child=serializers.IntegerField(), required=False, help_text="Ids of people of this workspace."
    )


def _people(change: dict[str, Any]) -> dict[str, Any]:
    if "members" not in change:
        return change
    found = list(User.objects.filter(pk__in=change["members"]))
    if missing := set(change["members"]) - {user.pk for user in found}:
        raise serializers.ValidationError({"members": f"Nobody here has the id {min(missing)}."})
    return {**change, "members": found}


class Spaces(WorkspaceAPI):
    access = {"GET": "space.view", "POST": "space.manage"}

    @extend_schema(operation_id="spaces_list", responses=SpaceShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The spaces that this person is in; an admin's are all."""
        return self.listed(SpaceShape, Space.objects.governed_by(self.membership).prefetch_related("members"))

    @extend_schema(operation_id="spaces_create", request=SpaceFields, responses={201: SpaceShape})
    def post(self, request: Request, slug: str) -> Response:
        wanted = _people(self.parsed(SpaceFields))
        space = save_space(Space(workspace=self.workspace), by=self.person, **wanted)
        return self.shown(SpaceShape, space, status.HTTP_201_CREATED)


class OneSpace(WorkspaceAPI):
    access = {"GET": "space.view", "PATCH": "space.manage", "DELETE": "space.manage"}

    def _row(self, pk: Any) -> Space:
        rows = Space.objects.governed_by(self.membership).prefetch_related("members").select_related("workspace")
        return get_object_or_404(rows, pk=pk)

    @extend_schema(operation_id="spaces_get", responses=SpaceShape)
    def get(self, request: Request, slug: str, pk: str) -> Response:
        return self.shown(SpaceShape, self._row(pk))

    @extend_schema(operation_id="spaces_change", request=SpaceFields(partial=True), responses=SpaceShape)
    def patch(self, request: Request, slug: str, pk: str) -> Response:
        change = _people(self.parsed(SpaceFields, partial=True))
        save_space(self._row(pk), by=self.person, **change)
        return self.shown(SpaceShape, self._row(pk))

    @extend_schema(operation_id="spaces_delete", responses={204: None})
    def delete(self, request: Request, slug: str, pk: str) -> Response:
        """Remove the space and its grants: what only it let people see is then hidden."""
        delete_space(self._row(pk), by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)
