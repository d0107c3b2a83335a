"""Who is in the workspace, and who was asked to join."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from portal import people
from portal.api.base import WorkspaceAPI
from portal.api.shapes import PersonShape
from portal.models import Invitation, Membership, Role


class MemberShape(serializers.ModelSerializer[Membership]):
    user = PersonShape()

    class Meta:
        model = Membership
        fields = ["id", "user", "role", "active", "created", "last_seen"]
        read_only_fields = fields


class MemberChange(serializers.Serializer[Any]):
    role = serializers.ChoiceField(Role.choices, required=False)
    active = serializers.BooleanField(required=False)


class InvitationShape(serializers.ModelSerializer[Invitation]):
    invited_by = PersonShape(allow_null=True)

    class Meta:
        model = Invitation
        fields = ["id", "email", "role", "invited_by", "created", "expires"]
        read_only_fields = fields


class InvitationSent(InvitationShape):
    link = serializers.SerializerMethodField()

    class Meta(InvitationShape.Meta):
        fields = [*InvitationShape.Meta.fields, "link"]
        read_only_fields = fields

    def get_link(self, _row: Invitation) -> str:
        """Joins with it whoever holds it and has the address; shown only now."""
        return str(self.context["link"])


class InvitationRequest(serializers.Serializer[Any]):
    email = serializers.EmailField()
    role = serializers.ChoiceField(Role.choices, default=Role.MEMBER)


class People(WorkspaceAPI):
    access = "people.view"

    @extend_schema(operation_id="people_list", responses=MemberShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Everybody in the workspace, also those who left (``active`` false) for admins."""
        rows = self.workspace.memberships.select_related("user")
        return self.listed(MemberShape, rows if self.membership.is_admin else rows.active())


class Person(WorkspaceAPI):
    access = {"GET": "people.view", "PATCH": "people.manage", "DELETE": "people.manage"}

    def _row(self, pk: Any) -> Membership:
        return get_object_or_404(self.workspace.memberships.select_related("user", "workspace"), pk=pk)

    @extend_schema(operation_id="people_get", responses=MemberShape)
    def get(self, request: Request, slug: str, pk: str) -> Response:
        return self.shown(MemberShape, self._row(pk))

    @extend_schema(operation_id="people_change", request=MemberChange, responses=MemberShape)
    def patch(self, request: Request, slug: str, pk: str) -> Response:
        """Change the role, or let somebody leave and come back with ``active``. The last admin stays."""
        row, change = self._row(pk), self.parsed(MemberChange)
        if "role" in change:
            people.change_role(row, change["role"], by=self.person)
        if "active" in change:
            (people.reactivate if change["active"] else people.deactivate)(row, by=self.person)
        return self.shown(MemberShape, row)

    @extend_schema(operation_id="people_remove", responses={204: None})
    def delete(self, request: Request, slug: str, pk: str) -> Response:
        """The person leaves this workspace; their account, and other workspaces, stay."""
        people.deactivate(self._row(pk), by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Invitations(WorkspaceAPI):
    access = {"GET": "people.manage", "POST": "people.manage"}

    @extend_schema(operation_id="invitations_list", responses=InvitationShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Those that are still open."""
        rows = self.workspace.invitations.filter(accepted=None, revoked=None, expires__gt=timezone.now())
        return self.listed(InvitationShape, rows.select_related("invited_by"))

    @extend_schema(operation_id="invitations_send", request=InvitationRequest, responses={201: InvitationSent})
    def post(self, request: Request, slug: str) -> Response:
        """Mail an invitation. An open one to the same address is replaced."""
        wanted = self.parsed(InvitationRequest)
        invitation, link = people.invite(workspace=self.workspace, by=self.person, **wanted)
        return self.shown(InvitationSent, invitation, status.HTTP_201_CREATED, link=link)


class OneInvitation(WorkspaceAPI):
    access = {"DELETE": "people.manage"}

    @extend_schema(operation_id="invitations_revoke", responses={204: None})
    def delete(self, request: Request, slug: str, pk: str) -> Response:
        """Withdraw it; its link stops working."""
        row = get_object_or_404(self.workspace.invitations.filter(accepted=None, revoked=None), pk=pk)
        people.revoke_invitation(row, by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)
