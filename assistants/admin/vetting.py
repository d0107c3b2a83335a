"""The vetting queue in the admin: what was asked for, everything that a decision is made on, and the decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Case, IntegerField, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from assistants import lifecycle
from assistants.considering import considered
from assistants.errors import Refused
from assistants.models import Assistant, VettingRequest
from portal.admin.base import GovernAdmin
from portal.admin.deeds import Ask, Deed
from portal.admin.overview import TEMPLATE, Waiting, panel
from portal.admin.site import site
from portal.models import Membership, Role, User, Workspace
from portal.registry import Panel, registries
from portal.workspaces import set_vetting_days

State = VettingRequest.State
QUEUE = "admin:assistants_vettingrequest_changelist"
ONE = "admin:assistants_vettingrequest_change"
_DECIDED = {"approve": "vetted and offered to everybody", "ask_changes": "sent back", "decline": "declined"}


def _is_open(row: VettingRequest) -> bool:
    return row.state == State.OPEN


def _deed(name: str, label: str, words: str, said: Callable[[VettingRequest], str], comment: str) -> Deed:
    """A decision for the list, where several are taken at once."""

    def run(row: VettingRequest, by: User, answer: str = "") -> str:
        try:
            getattr(lifecycle, name)(row, by, answer)
        except Refused as error:
            raise ValidationError(str(error)) from error
        return f"{row.assistant} {words}"

    return Deed(name, label, run, _is_open, lambda row: [said(row)], asks=_comment(comment))


def _withdraw(row: VettingRequest, by: User) -> str:
    try:
        lifecycle.withdraw(row, by)
    except Refused as error:
        raise ValidationError(str(error)) from error
    return f"{row.assistant}: the request is withdrawn."


def _comment(help: str) -> Ask:
    def wanted(_rows: Sequence[Any]) -> bool:
        return True

    return Ask("Comment", help, wanted, lambda _by: "", lambda _rows: [])


@admin.register(VettingRequest, site=site)
class VettingAdmin(GovernAdmin):
    """Open ones first. A request names its version for good, so that nothing is approved that nobody looked at."""

    section, label, icon, weight = "Assistants", "Vetting", "verified", 65
    to_workspace = "assistant__workspace"
    list_display = ("assistant", "version_number", "state", "asked_by", "asked", "decided_by", "decided")
    list_filter = ("state",)
    search_fields = ("assistant__handle",)
    list_before_template = "assistants/govern/lasts.html"
    deeds = (
        _deed(
            "approve",
            "Approve",
            "is vetted and offered to everybody.",
            lambda row: f"{row.assistant}, version {row.version.number}: offered to everybody.",
            "Their owners read it. It may be left empty.",
        ),
        _deed(
            "ask_changes",
            "Ask for changes",
            "is sent back to its owners.",
            lambda row: f"{row.assistant}, version {row.version.number}: back to its owners.",
            "Their owners read what should change. Needed.",
        ),
        _deed(
            "decline",
            "Decline",
            "is declined.",
            lambda row: f"{row.assistant}, version {row.version.number}: declined.",
            "Their owners read why. Needed.",
        ),
        Deed("withdraw", "Withdraw", _withdraw, _is_open, lambda row: [f"{row.assistant}: nothing waits any more."]),
    )

    def get_urls(self) -> list[Any]:
        def guarded(view: Callable[..., HttpResponse]) -> Any:
            return self.admin_site.admin_view(require_POST(view))

        name = "assistants_vettingrequest"
        return [
            path("lasts/", guarded(self.lasts_view), name=f"{name}_lasts"),
            path("<path:object_id>/decide/", guarded(self.decide_view), name=f"{name}_decide"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[VettingRequest]:
        # All of it here: where a queryset names any, Django passes ``list_select_related`` over.
        people = ("asked_by", "decided_by")
        rows = super().get_queryset(request)
        return rows.select_related("assistant__workspace", "assistant__latest", "version__credential", *people)

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        waits = Case(When(state=State.OPEN, then=0), default=1, output_field=IntegerField())
        return (waits.asc(), "-asked")

    @admin.display(description="version", ordering="version__number")
    def version_number(self, row: VettingRequest) -> int:
        return row.version.number

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        workspace: Workspace | None = request.workspace  # type: ignore[attr-defined]
        context = {"lasts": workspace, "lasts_address": reverse("admin:assistants_vettingrequest_lasts")}
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id or "")
        if row is None:
            raise Http404
        return self._page(request, row)

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button that was pressed, with the comment."""
        row = self.get_object(request, object_id)
        verb = request.POST.get("do", "")
        if row is None or verb not in _DECIDED:
            raise Http404
        comment = request.POST.get("comment", "")
        try:
            getattr(lifecycle, verb)(row, request.user, comment)
        except (Refused, ValidationError) as error:
            words = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
            return self._page(request, self.get_object(request, object_id), words, comment)
        messages.success(request, f"{row.assistant}: version {row.version.number} is {_DECIDED[verb]}.")
        return HttpResponseRedirect(reverse(QUEUE))

    def lasts_view(self, request: HttpRequest) -> HttpResponse:
        """How long a vetting lasts in this workspace."""
        workspace: Workspace | None = request.workspace  # type: ignore[attr-defined]
        if workspace is None:
            raise Http404
        typed = request.POST.get("days", "").strip()
        try:
            if typed and not typed.isdecimal():
                raise ValidationError("It takes a number of days, or nothing for good.")
            set_vetting_days(workspace, int(typed) if typed else None, by=request.user)  # type: ignore[arg-type]
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, f"Vettings last {typed} days." if typed else "Vettings last for good.")
        return HttpResponseRedirect(reverse(QUEUE))

    def _page(self, request: HttpRequest, row: Any, problem: str = "", comment: str = "") -> HttpResponse:
        assistant = row.assistant
        panels = [(panel.template, panel.context(request, row)) for panel in registries.panel("vetting")]
        context = {
            **self.admin_site.each_context(request),
            "title": f"Vet {assistant}, version {row.version.number}" if _is_open(row) else f"{assistant}: {row}",
            "asked": row,
            "assistant": assistant,
            "found": considered(assistant, row.version, _reader(request, assistant.workspace)),
            "links": _links(request, row),
            "panels": [(template, data) for template, data in panels if data is not None],
            "problem": problem,
            "comment": comment,
            "opts": self.model._meta,
            "address": reverse("admin:assistants_vettingrequest_decide", args=[row.pk]),
            "back": reverse(QUEUE),
        }
        return TemplateResponse(request, "assistants/govern/request.html", context, status=422 if problem else 200)


def _reader(request: HttpRequest, workspace: Workspace) -> Membership:
    """Through whose eyes: the admin's, or for an operator who is not in the workspace, those of one of its admins."""
    membership: Membership | None = request.membership  # type: ignore[attr-defined]
    if membership is not None and membership.workspace_id == workspace.pk:
        return membership
    return Membership(workspace=workspace, user=request.user, role=Role.ADMIN)  # type: ignore[misc]


def _links(request: HttpRequest, row: VettingRequest) -> list[tuple[str, str]]:
    """Where this admin can look further. An operator who is not in the workspace has none of its pages."""
    membership: Membership | None = request.membership  # type: ignore[attr-defined]
    if membership is None:
        return []
    of = [membership.workspace.slug, row.assistant.handle]
    links = [("Publish and vet", reverse("assistant_publishing", args=of))]
    if Assistant.objects.visible_to(membership).filter(pk=row.assistant_id).exists():
        links = [("Its page", reverse("assistant", args=of)), *links]
    if Assistant.objects.editable_by(membership).filter(pk=row.assistant_id).exists():
        number = row.version.number
        tried = f"{reverse('assistant_edit', args=of)}?version={number}"
        links = [(f"Try version {number}", tried), ("How it is used", reverse("assistant_insight", args=of)), *links]
    return links


def _waiting(request: HttpRequest, workspace: Workspace | None) -> dict[str, Any] | None:
    if workspace is None:
        # An operator runs the installation; what a company trusts, its own admins say.
        return None
    rows = VettingRequest.objects.filter(
        state=State.OPEN, assistant__archived__isnull=True, assistant__workspace=workspace
    )
    found = rows.select_related("assistant", "version", "asked_by").order_by("asked")[:10]
    waiting = [
        Waiting(str(one.assistant), f"version {one.version.number} waits for vetting", reverse(ONE, args=[one.pk]))
        for one in found
    ]
    return panel("Vetting", [], waiting, "No assistant waits for vetting.")


registries.panel("govern").add("vetting", Panel(TEMPLATE, _waiting, weight=19))
