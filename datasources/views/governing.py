"""One source: who sees it, what people hand over, and its end."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from datasources import granting, sources
from datasources.granted import shares_of
from datasources.losing import losses_of
from datasources.models import DataSource, Grant, Node, UploadedFile
from datasources.picking import picker, read_choice
from datasources.views.source import address, frame_of, manageable, visible
from portal.access import WorkspaceRequest, may, workspace_view
from portal.models import Space
from portal.pages import done, page, sentence
from portal.registry import registries

# ---- Access ------------------------------------------------------------------------------------------------------


@workspace_view("datasource.view")
@require_GET
def access(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    return _access(request, visible(request, pk))


def _access(request: WorkspaceRequest, source: DataSource, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        **frame_of(request, source, "access"),
        "shares": shares_of(request.membership, source),
        "decides": may(request.membership, "grant.manage"),
        **more,
    }
    return page(request, "datasources/access.html", context, partial="access", status=status)


@workspace_view("grant.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def access_change(request: WorkspaceRequest, pk: UUID, space: UUID) -> HttpResponse:
    """What one space sees of it: all, a part that is ticked in the tree, or nothing."""
    source = manageable(request, pk)
    one = get_object_or_404(Space.objects.governed_by(request.membership), pk=space)
    if request.method == "POST":
        return _decide(request, source, one)
    grant = Grant.objects.filter(source=source, space=one).first()
    return _access_form(request, source, one, grant)


def _access_form(
    request: WorkspaceRequest, source: DataSource, space: Space, grant: Grant | None, **more: Any
) -> HttpResponse:
    chosen = [] if grant is None else [{"data_source": str(source.pk), "parents_in": grant.parents_in}]
    context = {
        **frame_of(request, source, "access"),
        "space": space,
        "grant": grant,
        "sees": "none" if grant is None else "all" if grant.parents_in is None else "part",
        "picker": picker(
            request.membership,
            [source],
            chosen if grant and grant.parents_in is not None else [],
            name="part",
            whole=False,
        ),
        **more,
    }
    return page(
        request, "datasources/access_change.html", context, partial="form", status=422 if "problem" in more else 200
    )


def _decide(request: WorkspaceRequest, source: DataSource, space: Space) -> HttpResponse:
    sees = request.POST.get("sees", "")
    url = address(request, source, "data_source_access")
    try:
        if sees == "none":
            granting.take_access(source, space, by=request.user)
            return done(request, f"{space} sees nothing of {source} any more.", url)
        part = None
        if sees == "part":
            chosen = read_choice(request.POST.get("part", ""))
            part = [key for branch in chosen for key in branch.parents_in or ()]
        granting.grant_access(source, space, by=request.user, parents_in=part)
    except ValidationError as error:
        grant = Grant.objects.filter(source=source, space=space).first()
        return _access_form(request, source, space, grant, problem=sentence(error))
    return done(request, f"{space} sees {'all' if part is None else 'a part'} of {source}.", url)


# ---- Used by -----------------------------------------------------------------------------------------------------


@workspace_view("datasource.view")
@require_GET
def used_by(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """What higher floors say reads this source."""
    source = visible(request, pk)
    context = {**frame_of(request, source, "used"), "panels": _panels(request, source)}
    return page(request, "datasources/used_by.html", context, partial="used")


def _panels(request: WorkspaceRequest, source: DataSource) -> list[tuple[str, dict[str, Any]]]:
    """What higher floors hang up on a source's pages. With ``deleting``, a panel is one ``<li>`` of what will be lost."""
    told = [(panel.template, panel.context(request, source)) for panel in registries.panel("source")]
    return [(template, context) for template, context in told if context is not None]


# ---- The end -----------------------------------------------------------------------------------------------------


@workspace_view("datasource.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def source_delete(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Ask with what is lost, by name and number, then delete."""
    source = manageable(request, pk)
    if request.method == "POST":
        if request.POST.get("name", "").strip() != source.name:
            return _delete_page(request, source, problem=f"Type the name, {source.name}, to delete it.")
        sources.delete_source(source, by=request.user)
        return done(request, f"{source} is being deleted.", reverse("data", args=[request.workspace.slug]))
    return _delete_page(request, source)


def _delete_page(request: WorkspaceRequest, source: DataSource, **more: Any) -> HttpResponse:
    context = {
        **frame_of(request, source, "settings"),
        "losses": losses_of(source, request.membership),
        "panels": _panels(request, source),
        **more,
    }
    status = 422 if "problem" in more else 200
    return page(request, "datasources/source_delete.html", context, partial="sheet", status=status)


# ---- Uploads -----------------------------------------------------------------------------------------------------


@workspace_view("datasource.manage")
@require_POST
def upload(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """One file with its path (as the script sends them), or several from a plain form. 204, or 422 with a sentence."""
    source = manageable(request, pk)
    files = request.FILES.getlist("file")
    by_script = request.headers.get("X-Atrium-Upload") == "1"
    if not files:
        return HttpResponse("There was no file in it.", status=422, content_type="text/plain; charset=utf-8")
    problems = []
    for file in files:
        path = request.POST.get("path") if by_script else None
        try:
            sources.add_upload(source, path=path or file.name or "", file=file, by=request.user)
        except ValidationError as error:
            problems.append(sentence(error))
    if by_script:
        words = " ".join(problems)
        return HttpResponse(words, status=422 if problems else 204, content_type="text/plain; charset=utf-8")
    words = f"{len(files) - len(problems)} of {len(files)} files are in." + "".join(f" {p}" for p in problems)
    return done(request, words, address(request, source))


@workspace_view("datasource.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def upload_remove(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Take a file out again that somebody handed over, with what came in from it."""
    source = manageable(request, pk)
    one = get_object_or_404(UploadedFile, source=source, path=request.GET.get("path", request.POST.get("path", "")))
    back = address(request, source, "data_files" if source.state == DataSource.State.DRAFT else "data_source")
    if request.method == "POST":
        sources.remove_upload(one, by=request.user)
        return done(request, f"{one.path} is taken out.", back)
    context = {**frame_of(request, source, "contents"), "upload": one, "back": back}
    context["documents"] = source.nodes.filter(
        external_id__startswith=f"{one.path}/", status=Node.Status.INDEXED
    ).count()
    return page(request, "datasources/upload_remove.html", context, partial="sheet")
