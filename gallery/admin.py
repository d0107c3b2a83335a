"""Templates in the admin: what waits for a decision, everything that it is made on, the decision, and the row on top."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Case, Q, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from assistants.differences import Change, differences
from assistants.errors import Refused
from gallery import admin_adoption as admin_adoption
from gallery.forms import label_of
from gallery.marketplace import approving
from gallery.marketplace.blueprint import DEPARTMENTS, Blueprint, of_version
from gallery.marketplace.installing import as_version
from gallery.models import Template
from portal.admin.base import GovernAdmin
from portal.admin.deeds import Ask, Deed
from portal.admin.overview import TEMPLATE, Waiting, panel
from portal.admin.site import site
from portal.models import Membership, Role, User, Workspace
from portal.registry import Panel, registries

ONE = "admin:gallery_template_change"
QUEUE = "admin:gallery_template_changelist"
_WORDS = {
    "approve": "is on the shelf.",
    "approve_everywhere": "is offered in every workspace here.",
    "decline": "is declined.",
    "withdraw": "is off the shelf.",
    "feature": "stands in the row on top.",
    "unfeature": "stands in the row on top no more.",
}


def _run(verb: str, row: Template, by: User, comment: str = "") -> None:
    """One of _WORDS, refusals as the admin tells them."""
    try:
        if verb in ("approve", "approve_everywhere"):
            approving.approve(row, by, everywhere=verb == "approve_everywhere", comment=comment)
        elif verb == "decline":
            approving.decline(row, by, comment)
        elif verb == "withdraw":
            approving.withdraw(row, by)
        else:
            approving.feature(row, by, verb == "feature")
    except Refused as error:
        raise ValidationError(str(error)) from error


def _deed(name: str, label: str, applies: Callable[[Template], bool], said: str = "", asks: Ask | None = None) -> Deed:
    def run(row: Template, by: User, comment: str = "") -> str:
        _run(name, row, by, comment)
        return f"{_name(row)} {_WORDS[name]}"

    warning = (lambda row: [f"{_name(row)}: {said}"]) if said else None
    return Deed(name, label, run, applies, warning, asks)


def _name(row: Template) -> str:
    return row.shown.name if row.shown else row.slug


def _always(_rows: Sequence[Any]) -> bool:
    return True


_WHY = Ask("Why", "Whoever offered it reads this. Needed.", _always, lambda _by: "", lambda _rows: [])


class WaitsFilter(admin.SimpleListFilter):
    title, parameter_name = "waits", "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Waits for a decision"), ("everywhere", "Asked for in every workspace")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "yes":
            return queryset.filter(offered__isnull=False)
        return queryset.filter(wants_everywhere=True) if self.value() == "everywhere" else queryset


@admin.register(Template, site=site)
class TemplateAdmin(GovernAdmin):
    """What the workspace made; what waits comes first. Operators also see what comes with the product."""

    section, label, icon, weight = "Assistants", "Templates", "library_books", 75
    list_display = ("name", "for_department", "state", "remarks", "installs", "offered_by", "updated")
    list_filter = (WaitsFilter, "state", "featured")
    search_fields = ("slug", "latest__name", "offered__name")
    list_before_template = "gallery/govern/packs.html"
    deeds = (
        _deed("approve", "Approve", lambda row: row.offered_id is not None),
        _deed("decline", "Decline", lambda row: row.offered_id is not None, "declined.", _WHY),
        _deed("feature", "Feature", lambda row: row.is_on_shelf and not row.featured),
        _deed("unfeature", "Feature no more", lambda row: row.featured),
        _deed(
            "withdraw",
            "Take off the shelf",
            lambda row: row.is_on_shelf,
            "nobody finds it any more; what was installed stays.",
        ),
    )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_POST(self.decide_view))
        return [path("<path:object_id>/decide/", view, name="gallery_template_decide"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Template]:
        # All of it here: where a queryset names any, Django passes ``list_select_related`` over.
        return super().get_queryset(request).select_related("latest", "offered", "offered_by", "workspace")

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        return (Case(When(offered__isnull=False, then=0), default=1).asc(), "-updated")

    @admin.display(ordering="latest__name")
    def name(self, row: Template) -> str:
        return _name(row)

    @admin.display(description="department", ordering="department")
    def for_department(self, row: Template) -> str:
        return DEPARTMENTS.get(row.department, row.department)

    @admin.display(description="to know", empty_value="")
    def remarks(self, row: Template) -> str:
        waits = "a newer version waits" if row.is_on_shelf else ""
        told = [waits if row.offered_id else "", "featured" if row.featured else ""]
        if row.wants_everywhere and row.state != Template.State.EVERYWHERE:
            told.append("asked for in every workspace")
        return ", ".join(filter(None, told))

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
        verb, comment = request.POST.get("do", ""), request.POST.get("comment", "")
        if row is None or verb not in _WORDS:
            raise Http404
        try:
            _run(verb, row, request.user, comment)  # type: ignore[arg-type]
        except ValidationError as error:
            return self._page(request, self.get_object(request, object_id), " ".join(error.messages), comment)
        messages.success(request, f"{_name(row)} {_WORDS[verb]}")
        return HttpResponseRedirect(reverse(QUEUE))

    def _page(self, request: HttpRequest, row: Any, problem: str = "", comment: str = "") -> HttpResponse:
        version = row.offered or row.latest
        reader = _reader(request, row.workspace)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Decide about {version.name}" if row.offered else _name(row),
            "template": row,
            "version": version,
            "blueprint": of_version(row, version),
            "changes": _changes(row),
            "findings": [(one, label_of(one.where)) for one in (approving.findings_for(reader, row) if reader else ())],
            "operates": request.user.is_superuser,
            "others": row.state == Template.State.EVERYWHERE and not request.user.is_superuser,
            "problem": problem,
            "comment": comment,
            "opts": self.model._meta,
            "address": reverse("admin:gallery_template_decide", args=[row.pk]),
            "back": reverse(QUEUE),
        }
        return TemplateResponse(request, "gallery/govern/template.html", context, status=422 if problem else 200)


def _changes(row: Template) -> list[Change]:
    """What waits has otherwise than what people install; all of it, where nothing was approved yet."""
    if row.offered is None:
        return []
    new, old = of_version(row, row.offered), of_version(row, row.latest) if row.latest else None
    changes = differences(as_version(old, {}) if old else None, as_version(new, {}))
    changes = [change for change in changes if change.field not in ("knowledge", "model", "picture")]
    for field, label in (("sample_question", "Sample question"), ("sample_answer", "Sample answer")):
        before, after = getattr(old, field) if old else "", getattr(new, field)
        if before != after:
            changes.append(Change(field, label, before, after))
    before, after = _asked(old), _asked(new)
    if before != after:
        changes.append(Change("slots", "What it asks for", before, after))
    return changes


def _asked(one: Blueprint | None) -> str:
    return ", ".join(f"{slot.label} ({slot.kind})" for slot in one.slots) if one else ""


def _reader(request: HttpRequest, workspace: Workspace | None) -> Membership | None:
    """Through whose eyes it is checked: the admin's or, for an operator from outside, those of one of its admins."""
    membership: Membership | None = request.membership  # type: ignore[attr-defined]
    if workspace is None or (membership is not None and membership.workspace_id == workspace.pk):
        return membership if workspace is not None else None
    return Membership(workspace=workspace, user=request.user, role=Role.ADMIN)  # type: ignore[misc]


def _waiting(request: HttpRequest, workspace: Workspace | None) -> dict[str, Any]:
    """Of a workspace, what its admins decide about; of all of them, what is the operator's: what every workspace has, and what
    was asked for there."""
    everywhere, asked = Q(state=Template.State.EVERYWHERE), Q(wants_everywhere=True)
    if workspace is None:
        rows = Template.objects.filter(
            Q(offered__isnull=False) & (everywhere | asked) | asked & Q(state=Template.State.WORKSPACE)
        )
    else:
        rows = Template.objects.filter(~everywhere, offered__isnull=False, workspace=workspace)
    found = rows.select_related("latest", "offered", "workspace").order_by("updated")[:10]
    waiting = [
        Waiting(
            _name(one),
            "waits for a decision" if one.offered_id else "is asked for in every workspace",
            reverse(ONE, args=[one.pk]),
        )
        for one in found
    ]
    return panel("Templates", [], waiting, "No template waits for a decision.")


registries.panel("govern").add("templates", Panel(TEMPLATE, _waiting, weight=21))
