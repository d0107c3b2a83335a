"""Grants in the admin: which space sees which source, all of it or parts that are searched for by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.views.decorators.http import require_GET
from unfold.widgets import UnfoldAdminMultipleAutocompleteWidget, UnfoldAdminRadioSelectWidget

from datasources import browsing, granting
from datasources.granted import ABSENT, named, paths_of_parts
from datasources.models import DataSource, Grant, Node
from portal.admin.base import GovernAdmin, Refusable
from portal.admin.site import site

FOUND = 20
SHOWN = 4
"""Parts of a grant that the list names; the others are counted."""


class PartsWidget(UnfoldAdminMultipleAutocompleteWidget):
    """Finds parts of the source that is chosen beside it (``data-source``: that is settled) by their paths."""

    class Media:
        # Named with what it comes after: lists of scripts are merged, each in its own order.
        js = ("unfold/js/select2.init.js", "js/grant_parts.js")

    def __init__(self) -> None:
        super().__init__({"data-parts": ""})
        # Its cross for all at once would stand in the list as something that is no item of it.
        self.attrs["data-allow-clear"] = "false"


class PartsField(forms.MultipleChoiceField):
    """Ids of nodes. Whether they are of the source is for the verb to say."""

    widget = PartsWidget

    def to_python(self, value: Any) -> list[UUID]:  # type: ignore[override]  # it was a list of texts
        try:
            return [UUID(one) for one in super().to_python(value)]
        except ValueError:
            raise ValidationError("What was chosen did not arrive whole. Choose the parts again.") from None

    def validate(self, value: Any) -> None:
        """Nothing is a choice, too."""


class GrantForm(Refusable):
    sees = forms.ChoiceField(
        choices=[("all", "All of the source, and what is added to it later"), ("part", "Only these parts:")],
        initial="all",
        label="What it sees",
        widget=UnfoldAdminRadioSelectWidget,
    )
    parts = PartsField(
        required=False,
        label="Parts",
        help_text="Type a part of the name of a folder, channel or page. It comes with everything that lies below it.",
    )

    class Meta:
        model = Grant
        fields = ("source", "space")
        help_texts: ClassVar = {"source": "Another source has other parts: choose it first."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        grant = self.instance
        if grant.parents_in is not None:
            self.initial.update(sees="part", parts=[str(key) for key in grant.parents_in])
        field = self.fields["parts"]
        field.widget.attrs["data-ajax--url"] = reverse("admin:datasources_grant_parts")
        if not grant._state.adding:
            field.widget.attrs["data-source"] = str(grant.source_id)
        field.choices = self._chosen(grant)  # type: ignore[attr-defined]

    def _chosen(self, grant: Grant) -> list[tuple[str, str]]:
        """What stands in the field, with the paths there; of another source nothing is told."""
        keys = _ids(self.data.getlist(self.add_prefix("parts")) if self.is_bound else grant.parents_in or ())  # type: ignore[attr-defined]
        source = grant.source if not grant._state.adding else self._source()
        shown = Grant(source=source, parents_in=keys) if source is not None else None
        paths = paths_of_parts([shown]) if shown is not None else {}
        return [(str(key), paths.get(key, ABSENT)) for key in keys]

    def _source(self) -> DataSource | None:
        if "source" not in self.fields or not self.is_bound:
            return None
        try:
            return self.fields["source"].clean(self.data.get(self.add_prefix("source")))
        except ValidationError:
            return None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if cleaned and cleaned.get("sees") == "all" and cleaned.get("parts"):
            self.add_error("sees", "Parts are chosen below: give only these, or take them out to give all of it.")
        return cleaned


def _ids(given: Sequence[Any]) -> list[UUID]:
    found = []
    for one in given:
        try:
            found.append(one if isinstance(one, UUID) else UUID(one))
        except ValueError:
            continue
    return list(dict.fromkeys(found))


@admin.register(Grant, site=site)
class GrantAdmin(GovernAdmin):
    section, icon, weight = "Data", "lock_open", 50
    form = GrantForm
    to_workspace = "source__workspace"
    may_add = may_change = may_delete = True
    list_display = ("source", "space", "part")
    list_filter = ("source", "space")
    list_select_related = ("source__workspace", "space")
    fieldsets = ((None, {"fields": ("source", "space", "sees", "parts")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[str]:
        return ("source", "space") if obj is not None else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Grant]:
        return super().get_queryset(request).defer("source__cursor")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With the parts of all its rows by name."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        paths = paths_of_parts(rows)
        for row in rows:
            row.named = named(row, paths, ABSENT)
        changes.result_list = rows
        return changes

    @admin.display(description="what it sees")
    def part(self, row: Any) -> str:
        if row.parents_in is None:
            return "All of it"
        more = len(row.named) - SHOWN
        return "; ".join(row.named[:SHOWN]) + (f"; and {more:,} more" if more > 0 else "")

    def save_row(self, request: HttpRequest, row: Any, data: dict[str, Any], *, change: bool) -> Grant:
        source, space = (row.source, row.space) if change else (data["source"], data["space"])
        parts = data["parts"] if data["sees"] == "part" else None
        by: Any = request.user
        # What the grant has already may stay, also where it is still to come.
        return granting.grant_access(
            source, space, by=by, parents_in=parts, named=row.parents_in or () if change else ()
        )

    def delete_row(self, request: HttpRequest, row: Any) -> None:
        granting.take_access(row.source, row.space, by=request.user)  # type: ignore[arg-type]

    def losses(self, row: Any) -> list[str]:
        return [f"The people of {row.space} no longer find anything of {row.source}, unless another space gives it."]

    # Finding parts --------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_GET(self.parts_view))
        return [path("parts/", view, name="datasources_grant_parts"), *super().get_urls()]

    def parts_view(self, request: HttpRequest) -> HttpResponse:
        """``?source=`` and words of a path (``term``), by pages: what the field for parts offers. Folders come first."""
        asked, number = request.GET, request.GET.get("page", "1")
        page = int(number) if number.isdecimal() and 0 < int(number[:6]) < 100_000 else 1
        found: list[Node] = []
        if asked.get("source"):
            here = {} if request.workspace is None else {"workspace": request.workspace}  # type: ignore[attr-defined]
            source = get_object_or_404(DataSource, pk__in=_ids([asked["source"]]), **here)
            rows = browsing.found_by_path(source, asked.get("term", "").strip()[:200])
            found = list(rows[(page - 1) * FOUND : page * FOUND + 1])
        results = [{"id": str(node.pk), "text": node.path or node.title} for node in found[:FOUND]]
        return JsonResponse({"results": results, "pagination": {"more": len(found) > FOUND}})
