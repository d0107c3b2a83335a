"""What every class of the admin stands on: rows of one workspace, changes through verbs, the audit log as history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.paginator import Paginator
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from portal import audit_log
from portal.admin.deeds import DeedsMixin
from portal.models import AuditEvent, User, Workspace

# What the filters of Django and Unfold append to a field's name in the address.
_FILTER_ENDS = frozenset(
    {"", "__exact", "__id__exact", "__pk__exact", "__isnull"}
    | {f"_{end}{part}" for end in ("from", "to") for part in ("", "_0", "_1")}
)


class Refusable(forms.ModelForm):
    """Shows what a verb refused, at its field where the form has it, with everything that was typed still there."""

    refused: ValidationError | None = None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.refused is not None:
            known = hasattr(self.refused, "error_dict")
            by_field = self.refused.error_dict if known else {"": self.refused.error_list}
            for name, errors in by_field.items():
                self.add_error(name if name in self.fields else None, errors)
        return cleaned


class WithinFilter(RelatedDropdownFilter):
    """Offers only rows that this admin may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [(row.pk, str(row)) for row in model_admin.within(field.related_model, request)]


class GovernAdmin(DeedsMixin, ModelAdmin):
    """Classes declare; verbs decide.

    ``to_workspace``: the lookup from the model to its workspace. ``section``, ``label``, ``icon`` and ``weight`` place it in
    the menu. ``nothing``: a sentence for an empty list, on what that means.
    ``may_add``, ``may_change``, ``may_delete``: what the screen offers at all; a verb can still refuse.
    """

    form = Refusable
    to_workspace = "workspace"
    section = ""
    label = ""
    icon = "circle"
    nothing = ""
    weight = 0
    may_add = False
    may_change = False
    may_delete = False
    operators_only = False
    list_per_page = 50
    show_full_result_count = False
    delete_confirmation_template = "portal/govern/delete.html"
    object_history_template = "portal/govern/history.html"
    actions: Sequence[Any] = ()

    @property
    def title(self) -> str:
        """What the list is called, in the menu as above it."""
        return self.label or str(self.opts.verbose_name_plural).capitalize()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {"title": self.title, **(extra_context or {})})

    # Who may: every admin of the workspace; the site has checked that. ----------------------------------------------

    def has_module_permission(self, request: HttpRequest) -> bool:
        return not self.operators_only or request.user.is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        placed = self.operators_only or request.workspace is not None  # type: ignore[attr-defined]
        return self.may_add and placed and self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_change and self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_delete and self.has_module_permission(request)

    # Which rows -----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        workspace: Workspace | None = request.workspace  # type: ignore[attr-defined]
        rows = super().get_queryset(request)
        return rows if workspace is None else rows.filter(**{self.to_workspace: workspace.pk})

    def within(self, model: type[models.Model], request: HttpRequest) -> QuerySet[Any]:
        """The rows of another model that this admin may choose from."""
        workspace: Workspace | None = request.workspace  # type: ignore[attr-defined]
        if model is User:
            rows = User.objects.all()
            return (
                rows if workspace is None else rows.filter(memberships__workspace=workspace, memberships__active=True)
            )
        if model is Workspace:
            return Workspace.objects.all() if workspace is None else Workspace.objects.filter(pk=workspace.pk)
        other = self.admin_site._registry.get(model)
        if isinstance(other, GovernAdmin):
            return other.get_queryset(request)
        raise LookupError(f"{model.__name__} has no class in the admin that says which of its rows one may choose.")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs.setdefault("queryset", self.within(db_field.related_model, request))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs.setdefault("queryset", self.within(db_field.related_model, request))
        kwargs.setdefault("widget", UnfoldAdminCheckboxSelectMultipleWidget)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Filters by name; a relation's offers only rows of this workspace. Operators also filter by workspace."""
        fields = list(super().get_list_filter(request))
        if request.workspace is None and "__" not in self.to_workspace and self._is_relation(self.to_workspace):  # type: ignore[attr-defined]
            fields.insert(0, self.to_workspace)
        return [self._filter(field) for field in fields]

    def _filter(self, field: Any) -> Any:
        if not isinstance(field, str):
            return field
        if self._is_relation(field):
            return (field, WithinFilter)
        return (field, ChoicesDropdownFilter) if self.model._meta.get_field(field).choices else field

    def _is_relation(self, name: str) -> bool:
        try:
            return bool(self.model._meta.get_field(name).is_relation)
        except FieldDoesNotExist:
            return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what a declared filter asks. Django allows any lookup on a row's own fields, which would let one guess hashes."""
        assert request is not None
        for one in self.get_list_filter(request):
            name = one[0] if isinstance(one, tuple) else getattr(one, "parameter_name", one)
            if lookup.startswith(name) and lookup[len(name) :] in _FILTER_ENDS:
                return True
        return bool(self.date_hierarchy) and lookup.split("__")[0] == self.date_hierarchy

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """A row of another workspace is a 404, the same as one that does not exist."""
        raise Http404

    # Changes go through verbs ---------------------------------------------------------------------------------------

    def save_row(self, request: HttpRequest, row: Any, data: dict[str, Any], *, change: bool) -> Any:
        """Call the verb with what the form gave; returns the row. For a change, ``row`` is as the database has it."""
        raise NotImplementedError(f"{type(self).__name__} offers a form and names no verb for it.")

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} offers to delete and names no verb for it.")

    def losses(self, row: Any) -> list[str]:
        """What goes with the row, line by line, in words and numbers."""
        return []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        row = self.model._base_manager.get(pk=obj.pk) if change else obj
        if not change and self.to_workspace == "workspace":
            row.workspace = request.workspace  # type: ignore[attr-defined]
        saved = self.save_row(request, row, form.cleaned_data, change=change)
        # What is said afterwards names the row as the verb made it, not as the form had it.
        for field in obj._meta.concrete_fields:
            setattr(obj, field.attname, getattr(saved, field.attname))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The verb has done it."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_row(request, obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change, **kwargs)
        return type(made.__name__, (made,), {"refused": getattr(request, "refused", None)})

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        try:
            return super().changeform_view(
                request, object_id, form_url, self._with_deeds(request, object_id, extra_context)
            )
        except ValidationError as error:
            # Once more over the same input: the form now carries the refusal, so it is shown again instead of saved.
            request.refused = error  # type: ignore[attr-defined]
            context = self._with_deeds(request, object_id, extra_context)
            return super().changeform_view(request, object_id, form_url, context)

    def _with_deeds(self, request: HttpRequest, object_id: str | None, extra: Any) -> dict[str, Any]:
        row = self.get_object(request, object_id) if object_id and self.deeds else None
        return {**(extra or {}), "deeds": self.offered(row) if row is not None else []}

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        opts = self.model._meta
        back = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[object_id])
        try:
            return super().delete_view(request, object_id, {**(extra_context or {}), "back": back})
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return HttpResponseRedirect(back)

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """What a person wants to know before: named and counted, not every row that hangs below."""
        lines = [line for row in objs for line in (str(row), *self.losses(row))]
        return lines, {}, set(), []

    # The audit log is the history -----------------------------------------------------------------------------------

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        told = AuditEvent.objects.filter(object_type=self.model._meta.model_name, object_id=str(row.pk))
        if request.workspace is not None:  # type: ignore[attr-defined]
            told = told.filter(workspace=request.workspace)  # type: ignore[attr-defined]
        page = Paginator(told.order_by("-id"), 50).get_page(request.GET.get("p"))
        for event in page:
            event.changes = audit_log.changes(event.before, event.after)  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {row}",
            "page": page,
            "object": row,
            "opts": self.model._meta,
        }
        return TemplateResponse(request, self.object_history_template, context)
