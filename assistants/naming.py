"""Assistants by the plain ids that lower floors hold of them: budgets, and what was spent."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from assistants.models import Assistant


def names_of(workspace: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """``@handle`` by id, of those that are there. One query."""
    rows = Assistant.objects.filter(workspace=workspace, pk__in=ids).values_list("pk", "handle")
    return {pk: f"@{handle}" for pk, handle in rows}


def id_of(workspace: UUID, handle: str) -> UUID | None:
    return Assistant.objects.filter(workspace=workspace, handle__iexact=handle).values_list("pk", flat=True).first()
