"""Uploading a picture for an assistant, and showing it to whoever sees an assistant that has it."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from assistants.models import Picture
from assistants.pictures import keep_picture
from portal import pictures
from portal.access import WorkspaceRequest, workspace_view
from portal.models import Membership
from portal.pages import sentence


@workspace_view("assistant.edit")
@require_POST
def upload(request: WorkspaceRequest) -> HttpResponse:
    """For the builder, as the file is chosen: the picture's id and address, or what is wrong with it."""
    file = request.FILES.get("picture_file")
    if file is None:
        return JsonResponse({"words": "Choose a picture first."}, status=400)
    try:
        picture = keep_picture(request.membership, file)  # type: ignore[arg-type]  # an upload reads like any file
    except ValidationError as error:
        return JsonResponse({"words": sentence(error)}, status=400)
    return JsonResponse({"id": str(picture.pk), "url": reverse("picture", args=[request.workspace.slug, picture.pk])})


@workspace_view("assistant.view")
@require_GET
def picture(request: WorkspaceRequest, picture: UUID) -> HttpResponse:
    return shown(request.membership, picture)


def shown(membership: Membership, key: UUID) -> HttpResponse:
    """The file, for portal and API alike; 404 where this person sees no assistant that has it."""
    row = get_object_or_404(Picture.objects.visible_to(membership), pk=key)
    return pictures.shown(row.file)
