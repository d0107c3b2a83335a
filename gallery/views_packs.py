"""Packs: templates out of the workspace as a file, and into it."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from assistants.errors import Refused
from gallery.forms import PackForm
from gallery.marketplace import packs, shelf
from gallery.models import Template
from portal.access import WorkspaceRequest, workspace_view
from portal.pages import done

MOST_LISTED = 300


@workspace_view("template.manage")
def page(request: WorkspaceRequest) -> HttpResponse:
    """What can be taken along, and a file to bring in."""
    form = PackForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = packs.bring_in(
                request.workspace, request.user, form.cleaned_data["pack"], approved=form.cleaned_data["approved"]
            )
        except ValidationError as error:
            form.add_error("pack", error.messages)
        except Refused as error:
            form.add_error(None, str(error))
        else:
            waits = (made.made or made.newer) and not form.cleaned_data["approved"]
            where = " They wait under Govern, Templates." if waits else ""
            return done(request, f"{made.words}.{where}", request.path)
    rows = _takable(request).order_by("workspace_id", "latest__name")[:MOST_LISTED]
    context = {"form": form, "cards": [shelf.card(row) for row in rows if row.shown]}
    return render(request, "gallery/templates/packs.html", context, status=422 if form.errors else 200)


def _takable(request: WorkspaceRequest) -> QuerySet[Template]:
    rows = Template.objects.shown_to(request.membership).exclude(latest=None, offered=None)
    return rows.select_related("latest", "offered")


@workspace_view("template.manage")
@require_GET
def export(request: WorkspaceRequest) -> HttpResponse:
    """``template``: ids of those to take along; without any, all that this workspace made itself."""
    ids = []
    for given in request.GET.getlist("template"):
        try:
            ids.append(UUID(given))
        except ValueError:
            continue
    mine = Q(pk__in=ids) if ids else Q(workspace=request.workspace)
    rows = list(_takable(request).filter(mine).order_by("latest__name", "slug")[: packs.MOST_TEMPLATES])
    if not rows:
        return redirect("template_packs", request.workspace.slug)
    response = HttpResponse(packs.export(rows), content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="templates-{request.workspace.slug}.yaml"'
    return response
