"""A document as rendered text, opened at the passage that somebody cited."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from datasources.models import DataSource, Document, Node, UploadedFile, node_id
from datasources.passages import Passages
from datasources.rendering import Mark, neighbour, part_at, parts_of, relative_links
from datasources.rendering import render as rendered
from datasources.retrieval.types import IndexUnavailable
from datasources.views.data import kind_icon
from datasources.views.node_access import explained
from portal.access import WorkspaceRequest, workspace_view

log = structlog.get_logger(__name__)


@workspace_view("document.view")
@require_GET
def document(request: WorkspaceRequest, node: UUID) -> HttpResponse:
    """``?start=&end=`` (code points) open it at the passage; ``&hash=`` tells whether it has changed since it was cited.

    ``?passages=1`` shows in the margin where passages begin; ``?part=`` one part of a long document; ``?about=`` somebody
    of whom who manages the source asks why they can or can't read it.
    """
    readable = Node.objects.readable_by(request.membership).select_related("source", "document").defer("source__cursor")
    one = get_object_or_404(readable, pk=node, document__isnull=False)
    text = one.document.text
    cited = _cited(request, len(text))
    parts = parts_of(text)
    part = part_at(parts, cited.start) if cited else parts[_number(request, "part", 1, len(parts)) - 1]
    shows_passages = request.GET.get("passages") == "1"
    passages, problem = _passages(one, one.document) if shows_passages else ([], "")
    piece = text[part.start : part.end]
    marks = ([cited] if cited else []) + [m for m in passages if part.start <= m.start < part.end]
    context = {
        "node": one,
        "source": one.source,
        "document": one.document,
        "title": one.document.shown_title,
        "icon_name": kind_icon(one.source.kind),
        "crumbs": one.path.split(" / ")[:-1] if one.path else [],
        "html": rendered(text, marks, part=part, resolve=_resolver(request, one, piece)),
        "parts": parts,
        "part": part,
        "cited": cited,
        "stale": bool(cited and request.GET.get("hash") and request.GET["hash"] != _hash(one.document)),
        **explained(request, one),
        "tables": one.tables.all(),
        "shows_passages": shows_passages,
        "passages": len(passages),
        "problem": problem,
        "outside": one.url if one.url.startswith(("https://", "http://")) else "",
        **_upload(request, one),
    }
    return render(request, "datasources/document.html", context)


def _hash(document: Document) -> str:
    """What citations carry: the hash of the text as the index holds it."""
    return document.indexed_hash or document.content_hash


def _number(request: WorkspaceRequest, name: str, default: int, most: int) -> int:
    value = request.GET.get(name, "")
    return max(1, min(int(value), most)) if value.isdecimal() and len(value) < 10 else default


def _cited(request: WorkspaceRequest, length: int) -> Mark | None:
    start, end = request.GET.get("start", ""), request.GET.get("end", "")
    if not (start.isdecimal() and end.isdecimal() and len(start) < 12 and len(end) < 12):
        return None
    first, last = int(start), min(int(end), length)
    return Mark(first, last) if first < last else None


def _passages(node: Node, document: Document) -> tuple[list[Mark], str]:
    """Where the index cut the text, in order; or why that can't be told now."""
    if not document.indexed_space:
        return [], "This document is not in the index yet."
    try:
        cut = Passages(document, node.source_id, node.workspace_id)[:]
    except IndexUnavailable as error:
        log.warning("passages not shown", node=str(node.pk), error=str(error))
        return [], "The index does not answer now, so the passages can't be shown. Try again in a minute."
    return [Mark(one.start, one.end, one.number) for one in cut], ""


def _resolver(request: WorkspaceRequest, node: Node, piece: str) -> Any:
    """Where relative links lead: to documents of the same source that this person may read. One query, if there are any."""
    if node.source.kind not in {"folder", "upload"}:
        return None
    wanted = {href: neighbour(node.external_id, href) for href in relative_links(piece)}
    keys = {href: node_id(node.source_id, external) for href, external in wanted.items() if external}
    if not keys:
        return None
    readable = Node.objects.readable_by(request.membership).filter(document__isnull=False)
    there = set(readable.filter(pk__in=keys.values()).values_list("pk", flat=True))
    slug = request.workspace.slug
    return {href: reverse("document", args=[slug, key]) for href, key in keys.items() if key in there}.get


def _upload(request: WorkspaceRequest, node: Node) -> dict[str, Any]:
    """Whether this is a file that the person could take out again."""
    if node.source.kind != "upload":
        return {"removable": False}
    manages = DataSource.objects.manageable_by(request.membership).filter(pk=node.source_id).exists()
    return {"removable": manages and UploadedFile.objects.filter(source=node.source_id, path=node.external_id).exists()}
