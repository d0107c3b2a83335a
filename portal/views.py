"""Pages that belong to no app above: health, errors, home."""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from portal.access import public
from portal.api.problems import is_api, problem_response
from portal.checks import ask
from portal.pages import error_page
from portal.registry import registries

log = structlog.get_logger(__name__)


@public
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Says nothing of its parts: see readyz."""
    return JsonResponse({"status": "ok"})


@public
def readyz(request: HttpRequest) -> HttpResponse:
    """Each part by name; 503 while one that is needed does not answer."""
    parts: dict[str, dict[str, str]] = {}
    ready = True
    for name, check in registries.checks.items():
        if not check.ready:
            continue
        found = ask(check)
        parts[name] = {"status": "ok" if found.ok else "failed"}
        if not found.ok:
            log.warning("not ready", part=name, error=found.words)
            ready = False
    return JsonResponse({"status": "ok" if ready else "failed", "parts": parts}, status=200 if ready else 503)


@public
def unknown_api(request: HttpRequest) -> HttpResponse:
    """Every address below /api/ that is none."""
    detail = f"There is nothing at {request.path}."
    if not request.path.endswith("/"):
        detail += " Addresses end with a slash."
    return problem_response(request, 404, "not_found", detail)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """What Django refuses before a view sees it: an unknown host, a body that is too large."""
    detail = "The request can't be read, or is too large."
    if is_api(request):
        return problem_response(request, 400, "bad_request", detail)
    return error_page(request, "This request can't be read", detail, status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if is_api(request):
        return problem_response(request, 403, "permission_denied", str(exception or "This is not for your role."))
    detail = str(exception or "") or "This page takes another role than yours."
    return error_page(request, "Not for your role", detail, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if is_api(request):
        return problem_response(request, 404, "not_found", "There is nothing here, or it is not for you.")
    detail = "The page does not exist, or is not for you."
    return error_page(request, "There is nothing here", detail, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    if is_api(request):
        detail = "Something went wrong on our side. Quote the request id when you ask about it."
        return problem_response(request, 500, "server_error", detail)
    # Without the request: whatever broke may break the frame's own queries as well.
    context = {
        "frame": "portal/bare.html",
        "title": "Something went wrong",
        "detail": "This is our fault, not yours. Nothing that you had saved is lost. Try again in a minute.",
        "code": getattr(request, "request_id", ""),
    }
    return HttpResponse(render_to_string("portal/error.html", context), status=500)
