"""REST framework's exception handler: every error that it knows becomes a problem."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from portal.api.problems import CONTENT_TYPE, problem_body


def handle(exc: Exception, context: dict[str, Any]) -> Response | None:
    """The setting EXCEPTION_HANDLER. What it does not know goes on to ``portal.views.server_error``."""
    exc = _known(exc)
    response = exception_handler(exc, context)
    if response is None or not isinstance(exc, exceptions.APIException):
        return response
    request = context.get("request")
    request_id = getattr(request._request, "request_id", "") if request is not None else ""
    if isinstance(exc, exceptions.ValidationError):
        body = problem_body(response.status_code, "invalid", _first(exc.detail), request_id)
        body["errors"] = _listed(exc.detail)
    else:
        codes = exc.get_codes()
        code = codes if isinstance(codes, str) else exc.default_code
        body = problem_body(response.status_code, code, str(exc.detail), request_id)
    response.data = {**body, **getattr(exc, "more", {})}
    response.content_type = CONTENT_TYPE
    return response


def _known(exc: Exception) -> Exception:
    if isinstance(exc, ValidationError):
        detail = exc.message_dict if hasattr(exc, "error_dict") else {"detail": exc.messages}
        return exceptions.ValidationError(detail)
    if isinstance(exc, Http404):
        return exceptions.NotFound("There is nothing here, or it is not for you.")
    if isinstance(exc, PermissionDenied):
        return exceptions.PermissionDenied(str(exc) or None)
    return exc


def _listed(detail: Any) -> Any:
    """The same, with a list of sentences for each field, however it was raised."""
    if isinstance(detail, dict):
        return {name: _listed(value) for name, value in detail.items()}
    return [detail] if isinstance(detail, str) else detail


def _first(detail: Any) -> str:
    """One sentence out of nested validation errors, with the field's name."""
    if isinstance(detail, dict):
        name, value = next(iter(detail.items()), ("", ""))
        text = _first(value)
        return text if name in {"detail", "non_field_errors", "__all__"} else f"{name}: {text}"
    if isinstance(detail, list):
        return _first(next((d for d in detail if d), ""))
    return str(detail)
