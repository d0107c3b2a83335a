"""Who is in the workspace, and who was asked to join."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from portal import importing, inviting, members, people
from portal.api.base import WorkspaceAPI
from portal.api.fields import Within
from portal.api.shapes import PersonShape, Portrait, SpaceName
from portal.models import Invitation, Membership, Role, Space


class MemberShape(serializers.ModelSerializer[Membership]):
    user = PersonShape()
    picture = Portrait(source="user")

    class Meta:
        model = Membership
        fields = ["id", "user", "picture", "role", "active", "created", "last_seen"]
        read_only_fields = fields


class MemberChange(serializers.Serializer[Any]):
    role = serializers.ChoiceField(Role.choices, required=False)
    active = serializers.BooleanField(required=False)
    hand_over_to = Within(
        Membership,
        required=False,
        allow_null=True,
        help_text="With active false: whose the assistants become that only this person owns. The id of a membership.",
    )


class LeftBehindShape(serializers.Serializer[Any]):
    words = serializers.CharField()
    count = serializers.IntegerField()


class OneMemberShape(MemberShape):
    """``leaves_behind``, for admins: what only this person looks after, and who should take it over when they leave."""

    leaves_behind = serializers.SerializerMethodField()

    class Meta(MemberShape.Meta):
        fields = [*MemberShape.Meta.fields, "leaves_behind"]
        read_only_fields = fields

    @extend_schema_field(LeftBehindShape(many=True))
    def get_leaves_behind(self, row: Membership) -> Any:
        if not (row.active and self.context["view"].membership.is_admin):
            return []
        return LeftBehindShape(people.left_behind(row), many=True).data


class PeopleImportRequest(serializers.Serializer[Any]):
    csv = serializers.CharField(
        max_length=importing.MOST_BYTES,
        trim_whitespace=False,
        help_text="The columns email, and if you like name, role and spaces (with semicolons between).",
    )
    preview = serializers.BooleanField(default=False, help_text="Only say what would happen.")


class PeopleImportLine(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    email = serializers.CharField()
    does = serializers.CharField(help_text="What happens, in words.")
    problem = serializers.CharField(help_text="Why the line is left out.")
    changes = serializers.BooleanField()


class PeopleImportShape(serializers.Serializer[Any]):
    done = serializers.BooleanField(default=False)
    invited = serializers.IntegerField()
    changed = serializers.IntegerField()
    problem = serializers.CharField(help_text="Why mails could not be sent.")
    lines = PeopleImportLine(many=True)


class InvitationShape(serializers.ModelSerializer[Invitation]):
    invited_by = PersonShape(allow_null=True)
    spaces = SpaceName(many=True)

    class Meta:
        model = Invitation
        fields = ["id", "email", "name", "role", "spaces", "invited_by", "created", "expires"]
        read_only_fields = fields


class InvitationSent(InvitationShape):
    link = serializers.SerializerMethodField()
    problem = serializers.SerializerMethodField()

    class Meta(InvitationShape.Meta):
        fields = [*InvitationShape.Meta.fields, "link", "problem"]
        read_only_fields = fields

    def get_link(self, _row: Invitation) -> str:
        """Joins with it whoever holds it and has the address; shown only now."""
        return str(self.context["link"])

    def get_problem(self, _row: Invitation) -> str:
        """Why it could not be mailed, and what to do; empty where it was."""
        return str(self.context["problem"])


class InvitationRequest(serializers.Serializer[Any]):
    email = serializers.EmailField()
    role = serializers.ChoiceField(Role.choices, default=Role.MEMBER)
    name = serializers.CharField(
        max_length=120,
        required=False,
        allow_blank=True,
        help_text="Left out or empty: that of the open invitation that this replaces, if there is one.",
    )
    spaces: Any = Within(
        Space,
        many=True,
        required=False,
        help_text="Restricted spaces that list them once they come. Left out: those of the invitation that this replaces.",
    )


class People(WorkspaceAPI):
    access = "people.view"

    @extend_schema(
        operation_id="people_list",
        responses=MemberShape(many=True),
        parameters=[
            OpenApiParameter("q", str, description="Text in the name or the address."),
            OpenApiParameter("role", str, enum=Role.values),
            OpenApiParameter(
                "seen", str, enum=list(members.SEEN), description="In so many days, not for 30, or never."
            ),
        ],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Everybody in the workspace, also those who left (``active`` false) for admins."""
        rows = self.workspace.memberships.select_related("user")
        asked = self.asked(role=Role.values, seen=members.SEEN)
        found = members.found(
            rows if self.membership.is_admin else rows.active(),
            text=request.query_params.get("q", "").strip(),
            role=asked["role"],
            seen_when=asked["seen"],
        )
        return self.listed(MemberShape, found)


class ImportPeople(WorkspaceAPI):
    access = {"POST": "people.manage"}

    @extend_schema(operation_id="people_import", request=PeopleImportRequest, responses=PeopleImportShape)
    def post(self, request: Request, slug: str) -> Response:
        """Invite, or change, everybody of a CSV file. Lines with a problem are left out; the same file twice changes nothing."""
        wanted = self.parsed(PeopleImportRequest)
        if wanted["preview"]:
            lines = importing.read_people(self.workspace, wanted["csv"])
            return Response(PeopleImportShape(importing.Imported(lines, 0, 0, 0), context={}).data | {"done": False})
        made = importing.import_people(self.workspace, wanted["csv"], by=self.person)
        return Response(PeopleImportShape(made).data | {"done": True})


class Person(WorkspaceAPI):
    access = {"GET": "people.view", "PATCH": "people.manage", "DELETE": "people.manage"}

    def _row(self, pk: Any) -> Membership:
        return get_object_or_404(self.workspace.memberships.select_related("user", "workspace"), pk=pk)

    @extend_schema(operation_id="people_get", responses=OneMemberShape)
    def get(self, request: Request, slug: str, pk: str) -> Response:
        return self.shown(OneMemberShape, self._row(pk))

    @extend_schema(operation_id="people_change", request=MemberChange, responses=OneMemberShape)
    def patch(self, request: Request, slug: str, pk: str) -> Response:
        """Change the role, or let somebody leave and come back with ``active``: all of it, or nothing. The last admin stays."""
        row, change = self._row(pk), self.parsed(MemberChange)
        with transaction.atomic():
            if "role" in change:
                people.change_role(row, change["role"], by=self.person)
            if change.get("active"):
                people.reactivate(row, by=self.person)
            elif "active" in change:
                people.deactivate(row, by=self.person, hand_over_to=change.get("hand_over_to"))
        return self.shown(OneMemberShape, row)

    @extend_schema(operation_id="people_remove", responses={204: None})
    def delete(self, request: Request, slug: str, pk: str) -> Response:
        """The person leaves this workspace; their account, and other workspaces, stay. To hand over, see ``people_change``."""
        people.deactivate(self._row(pk), by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Invitations(WorkspaceAPI):
    access = {"GET": "people.manage", "POST": "people.manage"}

    @extend_schema(operation_id="invitations_list", responses=InvitationShape(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Those that are still open."""
        rows = self.workspace.invitations.filter(accepted=None, revoked=None, expires__gt=timezone.now())
        return self.listed(InvitationShape, rows.select_related("invited_by").prefetch_related("spaces"))

    @extend_schema(operation_id="invitations_send", request=InvitationRequest, responses={201: InvitationSent})
    def post(self, request: Request, slug: str) -> Response:
        """Mail an invitation. An open one to the same address is replaced. Read ``problem``: without a mail, pass ``link`` on."""
        wanted = self.parsed(InvitationRequest)
        return _sent(self, inviting.invite(workspace=self.workspace, by=self.person, mail=False, **wanted))


def _sent(view: WorkspaceAPI, made: tuple[Invitation, str]) -> Response:
    """Mailed now that it is committed."""
    problem = inviting.NOT_MAILED if inviting.mail_invitations([made]) else ""
    return view.shown(InvitationSent, made[0], status.HTTP_201_CREATED, link=made[1], problem=problem)


class OneInvitation(WorkspaceAPI):
    access = {"DELETE": "people.manage"}

    @extend_schema(operation_id="invitations_revoke", responses={204: None})
    def delete(self, request: Request, slug: str, pk: str) -> Response:
        """Withdraw it; its link stops working."""
        row = get_object_or_404(self.workspace.invitations.filter(accepted=None, revoked=None), pk=pk)
        inviting.revoke_invitation(row, by=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RenewInvitation(WorkspaceAPI):
    access = {"POST": "people.manage"}

    @extend_schema(operation_id="invitations_renew", request=None, responses={201: InvitationSent})
    def post(self, request: Request, slug: str, pk: str) -> Response:
        """A new link for the same role, name and spaces, also where the old one has run out. The old one stops working."""
        rows = self.workspace.invitations.filter(accepted=None, revoked=None).select_related("workspace")
        return _sent(self, inviting.renew_invitation(get_object_or_404(rows, pk=pk), by=self.person, mail=False))
