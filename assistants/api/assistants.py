"""Assistants: make, change, publish, vet, roll back, archive."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from assistants import lifecycle
from assistants.api.assistant_shapes import AssistantChange, AssistantRequest, AssistantShape
from assistants.api.base import AssistantsAPI
from assistants.changing import change_assistant
from assistants.errors import Refused
from assistants.models import Assistant
from datasources.api.base import one_of
from datasources.models import DataSource
from portal.models import User

ABOUT = ("note", "handle", "stage", "shows_instructions", "owners")
"""Of what is sent to change one, what is no field of a version."""


class AssistantAPI(AssistantsAPI):
    def rows(self, *, listed: bool = False) -> QuerySet[Assistant]:
        """What the caller may use, and what they may change. ``listed``: without what an admin hid from lists."""
        editable = Assistant.objects.editable_by(self.membership).values("pk")
        visible = Assistant.objects.visible_to(self.membership)
        if listed:
            visible = Assistant.objects.listed_for(self.membership)
        return self._whole(Assistant.objects.filter(Q(pk__in=visible.values("pk")) | Q(pk__in=editable)))

    def governed(self) -> QuerySet[Assistant]:
        """Whose life the caller has a say in: archived ones, too, and for admins those that nobody owns any more."""
        return self._whole(Assistant.objects.governed_by(self.membership))

    def _whole(self, rows: QuerySet[Assistant]) -> QuerySet[Assistant]:
        rows = rows.select_related("live__created_by", "latest__created_by", "workspace", "vetted_by")
        return rows.prefetch_related("owners")

    def row(self, handle: str) -> Assistant:
        return get_object_or_404(self.rows(), handle__iexact=handle)

    def to_change(self, handle: str) -> Assistant:
        """One that the caller may change: 404 where they do not see it, 403 where it is others' alone."""
        row = self.row(handle.removeprefix("@"))
        if not Assistant.objects.editable_by(self.membership).filter(pk=row.pk).exists():
            raise Refused("not_yours", f"That is for the owners of @{row.handle}.")
        return row

    def around(self, rows: Any) -> dict[str, Any]:
        editable = Assistant.objects.editable_by(self.membership).filter(pk__in=[row.pk for row in rows])
        known = DataSource.objects.visible_to(self.membership).values_list("pk", flat=True)
        edits = set(editable.values_list("pk", flat=True))
        return {
            "editable": edits,
            "instructions": edits | {row.pk for row in rows if row.shows_instructions},
            "known": {str(pk) for pk in known},
        }

    def answer(self, handle: str, code: int = status.HTTP_200_OK) -> Response:
        row = self.row(handle)
        return self.shown(AssistantShape, row, code, **self.around([row]))


class Assistants(AssistantAPI):
    access = {"GET": "assistant.view", "POST": "assistant.edit"}

    @extend_schema(
        operation_id="assistants_list",
        responses=AssistantShape(many=True),
        parameters=[
            OpenApiParameter("scope", str, enum=Assistant.Scope.values),
            OpenApiParameter("q", str, description="Text in the handle, the name or the description."),
            OpenApiParameter(
                "archived", bool, description="Instead, the archived ones that the caller may bring back."
            ),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Those that the caller may use or change; hidden ones for who may change them."""
        rows = self.rows(listed=True)
        if request.query_params.get("archived", "").lower() in {"true", "1"}:
            rows = self.governed().filter(archived__isnull=False)
        if scope := one_of(request.query_params.get("scope"), Assistant.Scope, "scope"):
            rows = rows.filter(scope=scope)
        if text := request.query_params.get("q", "").strip():
            named = Q(live__name__icontains=text) | Q(live__description__icontains=text)
            rows = rows.filter(Q(handle__icontains=text) | named)
        return self.listed(AssistantShape, rows, context=self.around)

    @extend_schema(operation_id="assistants_create", request=AssistantRequest, responses={201: AssistantShape})
    def post(self, request: Request, slug: str) -> Response:
        """A personal assistant of the caller's, to be published when it is good."""
        made = lifecycle.create_assistant(workspace=self.workspace, by=self.person, **self.parsed(AssistantRequest))
        return self.answer(made.handle, status.HTTP_201_CREATED)


class OneAssistant(AssistantAPI):
    access = {"GET": "assistant.view", "PATCH": "assistant.edit", "DELETE": "assistant.edit"}

    @extend_schema(operation_id="assistants_get", responses=AssistantShape)
    def get(self, request: Request, slug: str, handle: str) -> Response:
        return self.answer(handle)

    @extend_schema(
        operation_id="assistants_change", request=AssistantChange, responses={200: AssistantShape, 204: None}
    )
    def patch(self, request: Request, slug: str, handle: str) -> Response:
        """A new version with what is sent over what the latest has. A vetted assistant's waits for an admin.

        Where one thing is refused, nothing changes. 204 where the caller does not see it any more.
        """
        row, change = self.row(handle), self.parsed(AssistantChange)
        if "owners" in change:
            change["owners"] = self._people(change["owners"])
        about = {name: change.pop(name) for name in ABOUT if name in change}
        row = change_assistant(row, self.person, change, **about)
        if not self.rows().filter(pk=row.pk).exists():
            return Response(status=status.HTTP_204_NO_CONTENT)
        return self.answer(row.handle)

    def _people(self, ids: list[int]) -> list[Any]:
        found = list(User.objects.filter(pk__in=ids))
        if len(found) != len(set(ids)):
            raise serializers.ValidationError({"owners": "Choose one or more people of this workspace."})
        return found

    @extend_schema(operation_id="assistants_archive", responses={204: None})
    def delete(self, request: Request, slug: str, handle: str) -> Response:
        """Nobody finds it any more. Conversations with it stay."""
        lifecycle.archive(self.row(handle), self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)
