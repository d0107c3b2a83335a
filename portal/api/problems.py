"""Errors as RFC 9457 problem details with a ``code`` that scripts can rely on."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse
from rest_framework import exceptions

CONTENT_TYPE = "application/problem+json"


class Problem(exceptions.APIException):
    """Raise with a code, a sentence and a status where no other exception fits."""

    def __init__(self, code: str, detail: str, http_status: int = 400, **more: Any) -> None:
        super().__init__(detail, code)
        self.status_code = http_status
        self.more = more


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def problem_response(request: HttpRequest, status_code: int, code: str, detail: str) -> JsonResponse:
    """For errors outside REST framework's views: unknown addresses, refused requests, what nobody expected."""
    body = problem_body(status_code, code, detail, getattr(request, "request_id", ""))
    return JsonResponse(body, status=status_code, content_type=CONTENT_TYPE)


def problem_body(status_code: int, code: str, detail: str, request_id: str) -> dict[str, Any]:
    title = HTTPStatus(status_code).phrase
    return {
        "type": "about:blank",
        "title": title,
        "status": status_code,
        "code": code,
        "detail": detail,
        "request_id": request_id,
    }
