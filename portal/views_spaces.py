"""Spaces: who may see which data."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from portal.access import WorkspaceRequest, may, require, workspace_view
from portal.models import Membership, Space, User, Workspace
from portal.pages import done, page, paged
from portal.registry import registries
from portal.spaces import delete_space, save_space


class SpaceForm(forms.Form):
    """Name, kind, and for restricted spaces who is in it."""

    name = forms.CharField(max_length=80, label="Name")
    kind = forms.ChoiceField(choices=Space.Kind.choices, widget=forms.RadioSelect, initial=Space.Kind.RESTRICTED)
    members = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, workspace: Workspace, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inside = Membership.objects.active().filter(workspace=workspace).values("user")
        self.fields["members"].queryset = User.objects.filter(pk__in=inside).order_by("name", "email")  # type: ignore[attr-defined]


@workspace_view("space.view")
@require_GET
def spaces_page(request: WorkspaceRequest) -> HttpResponse:
    inside = Q(members__memberships__workspace=request.workspace, members__memberships__active=True)
    spaces = list(
        Space.objects.filter(pk__in=Space.objects.governed_by(request.membership).values("pk"))
        .annotate(people=Count("members", filter=inside, distinct=True))
        .order_by("kind", "name")
    )
    mine = set(Space.objects.of_member(request.membership).values_list("pk", flat=True))
    context = {
        "spaces": [(space, space.pk in mine) for space in spaces],
        "everyone": Membership.objects.active().filter(workspace=request.workspace).count(),
        "manages": may(request.membership, "space.manage"),
        # What each space sees, by its id: hung up by the floor that knows of data.
        "panels": [(p.template, p.context(request, spaces)) for p in registries.panel("spaces")],
    }
    return page(request, "portal/spaces.html", context, partial="spaces")


@workspace_view("space.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def space_new(request: WorkspaceRequest) -> HttpResponse:
    return _form(request, Space(workspace=request.workspace, kind=Space.Kind.RESTRICTED))


@workspace_view("space.view")
@require_http_methods(["GET", "HEAD", "POST"])
def space_edit(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Who is in it and what it sees; for an admin, to be changed."""
    space = get_object_or_404(Space, pk__in=Space.objects.governed_by(request.membership).values("pk"), pk=pk)
    if request.method == "POST":
        require(request.membership, "space.manage")
    if may(request.membership, "space.manage"):
        return _form(request, space)
    inside = Membership.objects.active().filter(workspace=request.workspace).select_related("user")
    if space.kind == Space.Kind.RESTRICTED:
        inside = inside.filter(user__in=space.members.values("pk"))
    context = {
        "space": space,
        "people": paged(request, inside.order_by("user__name", "user__email"), 100),
        "panels": [(p.template, p.context(request, [space])) for p in registries.panel("spaces")],
    }
    return page(request, "portal/space_seen.html", context)


def _form(request: WorkspaceRequest, space: Space) -> HttpResponse:
    new = space._state.adding
    before = {
        "name": space.name,
        "kind": space.kind,
        "members": [] if new else list(space.members.values_list("pk", flat=True)),
    }
    form = SpaceForm(request.POST or None, workspace=request.workspace, initial=before)
    if request.method == "POST" and form.is_valid():
        fields = form.cleaned_data
        try:
            save_space(
                space, by=request.user, members=list(fields["members"]), name=fields["name"], kind=fields["kind"]
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            words = f"The space {space} is made. Give it data on a source’s page, under Access." if new else "Saved."
            return done(request, words, reverse("space", args=[request.workspace.slug, space.pk]))
    context = {
        "space": None if new else space,
        "manages": True,
        "form": form,
        "listed": space.kind == Space.Kind.RESTRICTED and not new and request.user.pk in before["members"],
        "panels": [] if new else [(p.template, p.context(request, [space])) for p in registries.panel("spaces")],
    }
    return page(request, "portal/space.html", context, partial="form", status=422 if form.errors else 200)


@workspace_view("space.manage")
@require_http_methods(["GET", "HEAD", "POST"])
def space_delete(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Ask with what it costs, then delete."""
    space = get_object_or_404(Space, pk=pk, workspace=request.workspace)
    if request.method == "POST":
        delete_space(space, by=request.user)
        return done(request, f"The space {space} is deleted.", reverse("spaces", args=[request.workspace.slug]))
    context = {
        "space": space,
        "people": space.members.count(),
        "panels": [(p.template, p.context(request, [space])) for p in registries.panel("spaces")],
    }
    return page(request, "portal/space_delete.html", context, partial="sheet")
