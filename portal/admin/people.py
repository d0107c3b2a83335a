"""Memberships, invitations and spaces. The person behind a membership, who may be elsewhere too, is never edited here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from portal import people
from portal.admin.base import GovernAdmin
from portal.admin.deeds import Deed
from portal.admin.site import site
from portal.models import Invitation, Membership, Space, User


def _leave(row: Membership, by: User) -> str:
    people.deactivate(row, by=by)
    return f"{row.user} has left this workspace. Their API keys are revoked."


def _return(row: Membership, by: User) -> str:
    people.reactivate(row, by=by)
    return f"{row.user} is back. Put them into their restricted spaces again."


def _lost_by_leaving(row: Membership) -> list[str]:
    keys = row.api_keys.filter(revoked=None).count()
    spaces = Space.objects.filter(workspace=row.workspace_id, members=row.user_id).count()
    return [
        f"{row.user} can no longer enter this workspace; their account, and other workspaces, stay.",
        f"{keys} API keys stop working.",
        f"They leave {spaces} restricted spaces.",
    ]


@admin.register(Membership, site=site)
class MembershipAdmin(GovernAdmin):
    section, icon, weight = "People", "group", 10
    may_change = True
    list_display = ("person", "email", "role", "active", "last_seen")
    list_filter = ("role", "active")
    search_fields = ("user__name", "user__email")
    list_select_related = ("user", "workspace")
    ordering = ("user__email",)
    fields = ("person", "email", "role", "active", "created", "last_seen")
    readonly_fields = ("person", "email", "active", "created", "last_seen")
    deeds = (
        Deed("leave", "Remove from workspace", _leave, lambda row: row.active, _lost_by_leaving),
        Deed("return", "Bring back", _return, lambda row: not row.active),
    )

    @admin.display(ordering="user__name")
    def person(self, row: Membership) -> str:
        return str(row.user)

    @admin.display(ordering="user__email")
    def email(self, row: Membership) -> str:
        return row.user.email

    def save_row(self, request: HttpRequest, row: Any, data: dict[str, Any], *, change: bool) -> Membership:
        people.change_role(row, data["role"], by=request.user)  # type: ignore[arg-type]
        return row


def _withdraw(row: Invitation, by: User) -> str:
    people.revoke_invitation(row, by=by)
    return f"The invitation of {row.email} is withdrawn; its link stops working."


@admin.register(Invitation, site=site)
class InvitationAdmin(GovernAdmin):
    section, icon, weight = "People", "mail", 20
    may_add = True
    list_display = ("email", "role", "state", "invited_by", "created", "expires")
    list_filter = ("role",)
    search_fields = ("email",)
    list_select_related = ("invited_by", "workspace")
    ordering = ("-created",)
    add_fieldsets = ((None, {"fields": ("email", "role")}),)
    fields = ("email", "role", "state", "invited_by", "created", "expires", "accepted", "revoked")
    readonly_fields = ("state", "invited_by", "created", "expires", "accepted", "revoked")
    deeds = (Deed("withdraw", "Withdraw", _withdraw, lambda row: row.is_open),)

    @admin.display
    def state(self, row: Invitation) -> str:
        if row.accepted:
            return "Accepted"
        if row.revoked:
            return "Withdrawn"
        return "Open" if row.is_open else "Expired"

    def save_row(self, request: HttpRequest, row: Any, data: dict[str, Any], *, change: bool) -> Invitation:
        made, link = people.invite(
            workspace=request.workspace,  # type: ignore[attr-defined]
            email=data["email"],
            role=data["role"],
            by=request.user,  # type: ignore[arg-type]
        )
        messages.info(request, f"Mailed to {made.email}. If the mail does not arrive, send this link yourself: {link}")
        return made


@admin.register(Space, site=site)
class SpaceAdmin(GovernAdmin):
    section, icon, weight = "People", "meeting_room", 30
    may_add = may_change = may_delete = True
    list_display = ("name", "kind", "people_count", "created")
    list_filter = ("kind",)
    search_fields = ("name",)
    fields = ("name", "kind", "members")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Space]:
        return super().get_queryset(request).annotate(listed=Count("members"))

    @admin.display(description="people listed", ordering="listed")
    def people_count(self, row: Any) -> str:
        return str(row.listed) if row.kind == Space.Kind.RESTRICTED else "every member"

    def save_row(self, request: HttpRequest, row: Any, data: dict[str, Any], *, change: bool) -> Space:
        space = row if change else Space(workspace=row.workspace)
        members = list(data["members"])
        return people.save_space(space, by=request.user, members=members, name=data["name"], kind=data["kind"])  # type: ignore[arg-type]

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        people.delete_space(row, by=request.user)  # type: ignore[arg-type]

    def losses(self, row: Any) -> list[str]:
        return [
            f"{row.grants.count()} grants: what only this space let people see is then hidden from them.",
            "No document is deleted.",
        ]
