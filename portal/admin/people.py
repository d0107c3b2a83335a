"""Memberships, invitations and spaces. The person behind a membership, who may be elsewhere too, is never edited here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action

from portal import inviting, members, people
from portal.admin.base import GovernAdmin
from portal.admin.deeds import Ask, Deed
from portal.admin.site import site
from portal.models import Invitation, Membership, Space, User
from portal.spaces import delete_space, save_space


def _leave(row: Membership, by: User, heir: str = "") -> str:
    people.deactivate(row, by=by, hand_over_to=people.heir(row.workspace, heir))
    return f"{row.user} has left this workspace. Their API keys are revoked."


def _return(row: Membership, by: User) -> str:
    people.reactivate(row, by=by)
    return f"{row.user} is back. Put them into their restricted spaces again."


def _lost_by_leaving(row: Membership) -> list[str]:
    keys = row.api_keys.filter(revoked=None).count()
    spaces = Space.objects.filter(workspace=row.workspace_id, members=row.user_id).count()
    return [
        f"{row.user} can no longer enter this workspace; their account, and other workspaces, stay.",
        *([f"{keys} API key{' stops' if keys == 1 else 's stop'} working."] if keys else []),
        *([f"They leave {spaces} restricted space{'' if spaces == 1 else 's'}."] if spaces else []),
        *(f"Only they look after {one.words}." for one in people.left_behind(row)),
        "Their conversations are kept, and nobody gets to read them.",
    ]


def _others(rows: Sequence[Membership]) -> list[str]:
    """Addresses to choose from while typing; any other of the workspace can be typed too."""
    here = Membership.objects.active().filter(workspace=rows[0].workspace_id).exclude(pk__in=[row.pk for row in rows])
    return list(here.order_by("user__email").values_list("user__email", flat=True)[:200])


_HEIR = Ask(
    label="Who takes that over? (e-mail address)",
    help="Leave it empty, and it has nobody until an admin takes it over.",
    wanted=lambda rows: any(people.left_behind(row) for row in rows),
    first=lambda by: by.email,
    offers=_others,
)


class SeenFilter(admin.SimpleListFilter):
    title = "last seen"
    parameter_name = "seen"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(members.SEEN.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return members.seen(queryset, self.value() or "")


@admin.register(Membership, site=site)
class MembershipAdmin(GovernAdmin):
    section, label, icon, weight = "People", "Members", "group", 10
    may_change = True
    list_display = ("person", "email", "role", "active", "last_seen")
    list_filter = ("role", "active", SeenFilter)
    actions_list = ("import_people",)
    search_fields = ("user__name", "user__email")
    list_select_related = ("user", "workspace")
    ordering = ("user__email",)
    fields = ("person", "email", "role", "active", "created", "last_seen")
    readonly_fields = ("person", "email", "active", "created", "last_seen")
    deeds = (
        Deed("leave", "Remove from workspace", _leave, lambda row: row.active, _lost_by_leaving, _HEIR),
        Deed("return", "Bring back", _return, lambda row: not row.active),
    )

    @action(description="Import a CSV file", url_path="import", icon="upload_file")
    def import_people(self, request: HttpRequest) -> HttpResponse:
        """Look at the file first, line by line; then do it. See ``portal.importing``."""
        workspace: Any = request.workspace  # type: ignore[attr-defined]
        if workspace is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": "Import people",
            "opts": self.model._meta,
            "back": reverse("admin:portal_membership_changelist"),
            **members.imported(request, workspace),
        }
        return TemplateResponse(request, "portal/govern/import.html", context)

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
    inviting.revoke_invitation(row, by=by)
    return f"The invitation of {row.email} is withdrawn; its link stops working."


def _renew(row: Invitation, by: User) -> str:
    return _mailed(inviting.renew_invitation(row, by=by, mail=False))


def _mailed(made: tuple[Invitation, str]) -> str:
    """Mail it, now that it is committed, and say what became of that; the link is shown this once."""
    invitation, link = made
    if inviting.mail_invitations([made]):
        return f"{invitation.email} is invited. {inviting.NOT_MAILED} {link}"
    return f"Mailed to {invitation.email}. If the mail does not arrive, send this link yourself: {link}"


@admin.register(Invitation, site=site)
class InvitationAdmin(GovernAdmin):
    section, icon, weight = "People", "mail", 20
    may_add = True
    list_display = ("email", "name", "role", "state", "invited_by", "created", "expires")
    list_filter = ("role",)
    search_fields = ("email", "name")
    list_select_related = ("invited_by", "workspace")
    ordering = ("-created",)
    add_fieldsets = ((None, {"fields": ("email", "name", "role", "spaces")}),)
    fields = ("email", "name", "role", "joins", "state", "invited_by", "created", "expires", "accepted", "revoked")
    readonly_fields = ("joins", "state", "invited_by", "created", "expires", "accepted", "revoked")
    deeds = (
        Deed("renew", "New link", _renew, lambda row: not (row.accepted or row.revoked)),
        Deed("withdraw", "Withdraw", _withdraw, lambda row: row.is_open),
    )

    @admin.display(description="spaces")
    def joins(self, row: Invitation) -> str:
        return ", ".join(str(space) for space in row.spaces.all()) or "None"

    @admin.display
    def state(self, row: Invitation) -> str:
        if row.accepted:
            return "Accepted"
        if row.revoked:
            return "Withdrawn"
        return "Open" if row.is_open else "Expired"

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Open spaces list nobody."""
        kwargs["queryset"] = self.within(Space, request).filter(kind=Space.Kind.RESTRICTED)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().changeform_view(request, *args, **kwargs)
        # Outside the form's transaction: what is mailed has to be there, and a mail server may take its time.
        if made := getattr(request, "invited", None):
            messages.info(request, _mailed(made))
        return response

    def save_row(self, request: HttpRequest, row: Any, data: dict[str, Any], *, change: bool) -> Invitation:
        made = inviting.invite(
            workspace=request.workspace,  # type: ignore[attr-defined]
            email=data["email"],
            role=data["role"],
            by=request.user,  # type: ignore[arg-type]
            name=data["name"],
            spaces=list(data["spaces"]) or None,
            mail=False,
        )
        request.invited = made  # type: ignore[attr-defined]
        return made[0]


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
        return save_space(space, by=request.user, members=members, name=data["name"], kind=data["kind"])  # type: ignore[arg-type]

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        delete_space(row, by=request.user)  # type: ignore[arg-type]

    def losses(self, row: Any) -> list[str]:
        return [
            f"{row.grants.count()} grants: what only this space let people see is then hidden from them.",
            "No document is deleted.",
        ]
