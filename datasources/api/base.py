"""What a source, an index or a model says no with, as problems."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework import exceptions
from rest_framework.response import Response

from datasources.connectors.base import ConnectorError
from datasources.models import DataSource, Document, Node
from datasources.retrieval.types import IndexUnavailable
from portal.api.base import WorkspaceAPI
from portal.api.problems import Problem
from portal.providers.errors import ProviderError
from portal.spending.accounts import OverBudget


def as_problem(error: Exception) -> Exception:
    """Errors of lower floors with a code and a status; others pass as they are."""
    if isinstance(error, IndexUnavailable):
        return Problem("index_unavailable", str(error), 503)
    if isinstance(error, ConnectorError):
        return Problem("source_unavailable", str(error), 502 if not error.permanent else 409)
    if isinstance(error, OverBudget):
        return Problem("budget", str(error), 402)
    if isinstance(error, ProviderError):
        return Problem(f"model_{error.code}", str(error), 502)
    return error


class DataAPI(WorkspaceAPI):
    """Finds sources as far as the caller may see or manage them."""

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(as_problem(exc))

    def source(self, pk: UUID) -> DataSource:
        rows = DataSource.objects.visible_to(self.membership).exclude(state=DataSource.State.DELETING)
        return get_object_or_404(rows.select_related("workspace", "credential"), pk=pk)

    def document(self, pk: UUID) -> Document:
        """404 for one that the caller may not read."""
        readable = Node.objects.readable_by(self.membership).values("pk")
        return get_object_or_404(Document.objects.select_related("node").filter(node__in=readable), pk=pk)

    def managed(self, pk: UUID) -> DataSource:
        """The source, to be changed: 404 where it can't be seen, 403 where it is seen and managed by others."""
        found = self.source(pk)
        if not DataSource.objects.manageable_by(self.membership).filter(pk=found.pk).exists():
            raise exceptions.PermissionDenied("You see this source, but others manage it. Ask an admin.")
        return found


def one_of(value: str | None, choices: Any, name: str) -> str | None:
    """A query parameter that takes one of a few words; raises ValidationError that lists them."""
    if not value:
        return None
    if value not in choices.values:
        raise exceptions.ValidationError({name: f"It takes one of {', '.join(v for v in choices.values if v)}."})
    return value


def uuid_of(value: str, name: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise exceptions.ValidationError({name: f"{value!r} is not an id."}) from None
