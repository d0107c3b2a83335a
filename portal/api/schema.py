"""The OpenAPI description: how one signs in, what errors look like, and where it is served."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from portal.access import PUBLIC

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details. `code` is stable; `detail` is a sentence for a person.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {"type": "object", "description": "Field by field, where the code is `invalid`."},
    },
    "required": ["type", "title", "status", "code", "detail", "request_id"],
}


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "portal.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer atr_…`."}


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "portal.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "atrium_session"}


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Postprocessing hook: every operation may answer with a problem."""
    result["components"]["schemas"]["Problem"] = _PROBLEM
    answer = {
        "description": "A problem: see `code` and `detail`.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = answer
    return result


class Schema(SpectacularAPIView):
    """OpenAPI 3, as YAML or JSON. It says what the product can do, nothing of any workspace."""

    access = PUBLIC


class Docs(SpectacularSwaggerView):
    """The same to read and try, served from here alone."""

    access = PUBLIC
    url_name = "api-schema"
    template_name = "portal/api_docs.html"
