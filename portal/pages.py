"""One view serves a page and its htmx fragment, from the same context and the same template."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_vary_headers


def is_fragment(request: HttpRequest) -> bool:
    """htmx asks, and not for a page that it lost from its history."""
    htmx: Any = getattr(request, "htmx", False)
    return bool(htmx and not htmx.boosted and not htmx.history_restore_request)


def page(
    request: HttpRequest, template: str, context: dict[str, Any], *, partial: str = "content", status: int = 200
) -> HttpResponse:
    """The whole template, or for htmx its ``partial`` alone."""
    name = f"{template}#{partial}" if is_fragment(request) else template
    response = render(request, name, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def error_page(request: HttpRequest, title: str, detail: str, *, status: int, **more: Any) -> HttpResponse:
    """What went wrong and the way on. Signed out, it stands in the frame of the sign-in pages, without a rail."""
    user = getattr(request, "user", None)
    frame = "" if user is not None and user.is_authenticated else "allauth/layouts/entrance.html"
    context = {"title": title, "detail": detail, "frame": frame, **more}
    return render(request, "portal/error.html", context, status=status)


def go(request: HttpRequest, url: str) -> HttpResponse:
    """Send the browser to another page, from a form as from htmx."""
    if is_fragment(request):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def done(request: HttpRequest, words: str, url: str) -> HttpResponse:
    """The deed is done: say so on the next page."""
    messages.success(request, words)
    return go(request, url)


def sentence(error: ValidationError) -> str:
    """A validation error as one sentence for a person."""
    return " ".join(str(message) for message in error.messages)


def paged(request: HttpRequest, rows: QuerySet[Any], size: int = 50) -> Page[Any]:
    """The page that ``?page=`` names, or the nearest that there is."""
    return Paginator(rows, size).get_page(request.GET.get("page"))
