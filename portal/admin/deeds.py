"""What one can do to a row beside editing it: a button on its page and, for several at once, an entry in the list's menu."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from portal.models import User


def _always(_row: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Ask:
    """One line that a deed wants to know before it is done. ``wanted``: whether it makes sense for these rows.

    ``first(by)``: what stands there to begin with. ``offers(rows)``: what one can choose from while typing.
    """

    label: str
    help: str
    wanted: Callable[[Sequence[Any]], bool]
    first: Callable[[User], str]
    offers: Callable[[Sequence[Any]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Deed:
    """``run(row, by)`` calls a verb and may return a sentence on the outcome; ``applies`` hides it where it makes no sense.

    ``warning(row)`` tells what will be lost, line by line, or, without ``loses``, only how it stands; then the deed asks first.
    With ``asks``, ``run`` gets what was answered as a third argument.
    """

    name: str
    label: str
    run: Callable[..., str | None]
    applies: Callable[[Any], bool] = _always
    warning: Callable[[Any], Sequence[str]] | None = None
    asks: Ask | None = None
    loses: bool = True

    @property
    def asks_first(self) -> bool:
        """For templates, which would call ``warning``."""
        return self.warning is not None


class DeedsMixin:
    """For admin classes: declare ``deeds``."""

    deeds: Sequence[Deed] = ()
    change_form_outer_before_template = "portal/govern/deeds.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "POST"])(self.deed_view))  # type: ignore[attr-defined]
        opts = self.model._meta  # type: ignore[attr-defined]
        name = f"{opts.app_label}_{opts.model_name}_do"
        return [path("<path:object_id>/do/<slug:deed>/", view, name=name), *super().get_urls()]  # type: ignore[misc]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)  # type: ignore[misc]
        for deed in self.deeds:
            actions[deed.name] = (_for_many(deed), deed.name, deed.label)
        return actions

    def offered(self, row: Any) -> list[tuple[Deed, str]]:
        """The deeds that this row takes now, with their addresses."""
        opts = self.model._meta  # type: ignore[attr-defined]
        route = f"admin:{opts.app_label}_{opts.model_name}_do"
        return [(deed, reverse(route, args=[row.pk, deed.name])) for deed in self.deeds if deed.applies(row)]

    def deed_view(self, request: HttpRequest, object_id: str, deed: str) -> HttpResponse:
        """POST does it; GET asks first where something would be lost, and else leads to the row."""
        row = self.get_object(request, object_id)  # type: ignore[attr-defined]
        chosen = next((d for d in self.deeds if d.name == deed), None)
        if row is None or chosen is None:
            raise Http404
        opts = self.model._meta  # type: ignore[attr-defined]
        here = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])
        confirmed = request.method == "POST" and (chosen.warning is None or "confirmed" in request.POST)
        if confirmed:
            _do(request, chosen, row)
            # What a deed takes out of the list has no page here any more.
            left = self.get_object(request, object_id) is None  # type: ignore[attr-defined]
            return HttpResponseRedirect(
                reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist") if left else here
            )
        if chosen.warning is None:
            return HttpResponseRedirect(here)
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "title": f"{chosen.label}: {row}?",
            "deed": chosen,
            "lines": chosen.warning(row),
            "opts": opts,
            "back": here,
            **_asked(request, chosen, [row]),
        }
        return TemplateResponse(request, "portal/govern/confirm.html", context)


def _asked(request: HttpRequest, deed: Deed, rows: Sequence[Any]) -> dict[str, Any]:
    if deed.asks is None or not deed.asks.wanted(rows):
        return {}
    return {"ask": deed.asks, "answer": deed.asks.first(request.user), "offers": deed.asks.offers(rows)}  # type: ignore[arg-type]


def _do(request: HttpRequest, deed: Deed, row: Any) -> None:
    if not deed.applies(row):
        messages.warning(request, f"{row}: this does not apply any more.")
        return
    try:
        more = (request.POST.get("answer", "").strip(),) if deed.asks else ()
        told = deed.run(row, request.user, *more)
    except ValidationError as error:
        messages.error(request, f"{row}: {' '.join(error.messages)}")
    else:
        messages.success(request, told or f"{row}: done.")


def _for_many(deed: Deed) -> Callable[[Any, HttpRequest, Any], HttpResponse | None]:
    def act(modeladmin: Any, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        rows = list(queryset)
        if deed.warning is not None and "confirmed" not in request.POST:
            context = {
                **modeladmin.admin_site.each_context(request),
                "title": f"{deed.label}: {len(rows)} chosen",
                "deed": deed,
                "lines": [line for row in rows for line in deed.warning(row)],
                "opts": modeladmin.model._meta,
                "chosen": rows,
                "back": request.get_full_path(),
                **_asked(request, deed, rows),
            }
            return TemplateResponse(request, "portal/govern/confirm.html", context)
        for row in rows:
            _do(request, deed, row)
        return None

    return act
