"""Levels of a source's tree as fragments, for browsing and for ticking."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from datasources import browsing
from datasources.models import DataSource
from datasources.picking import read_choice
from datasources.views.source import uploads_among
from portal.access import WorkspaceRequest, workspace_view


@workspace_view("datasource.view")
@require_GET
def tree(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """``?parent=`` the children of one node (none: the top), from ``?first=``; ``?q=`` what has the words in its name.

    ``?mode=pick`` gives rows with boxes. Answers ``<li>`` elements for the ``<ul>`` that asks.
    """
    source = get_object_or_404(DataSource.objects.visible_to(request.membership), pk=pk)
    pick = request.GET.get("mode") == "pick"
    text = request.GET.get("q", "").strip()
    context: dict[str, object] = {"source": source, "pick": pick, "text": text}
    if text:
        found = browsing.find(request.membership, source, text)
        context |= {"rows": found.rows, "total": found.total, "most": browsing.MOST_FOUND, "searching": True}
    else:
        parent = _key(request.GET.get("parent", ""))
        first = request.GET.get("first", "0")
        listed = browsing.level(request.membership, source, parent, int(first) if first.isdecimal() else 0)
        context |= {"rows": listed.rows, "next": listed.more, "parent": parent}
    if not pick:
        manages = DataSource.objects.manageable_by(request.membership).filter(pk=source.pk).exists()
        context |= {"manages": manages, "uploads": uploads_among(source, context["rows"]) if manages else set()}  # type: ignore[arg-type]
    return render(request, "datasources/tree_level.html", context)


@workspace_view("datasource.view")
@require_GET
def tags(request: WorkspaceRequest) -> HttpResponse:
    """Tags that documents really have, as chips: of what ``?knowledge=`` names, as a picker writes it, or of all."""
    try:
        text = request.GET.get("knowledge")
        found = browsing.tags_of(request.membership, read_choice(text) if text is not None else None)
    except ValidationError:
        found = []
    return render(request, "datasources/tags.html", {"tags": found})


def _key(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
