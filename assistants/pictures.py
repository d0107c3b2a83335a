"""Pictures of assistants: kept small, and only as long as a version has them or somebody may still save them."""

from __future__ import annotations

from typing import BinaryIO, Final

from django.core.files.base import ContentFile
from django.db import transaction

from assistants.models import Picture
from portal import pictures
from portal.models import Membership

MOST_UNUSED: Final = 10
"""Pictures of one person that are in no version yet; older ones go."""


def keep_picture(membership: Membership, upload: BinaryIO) -> Picture:
    """Keep it as a picture of this person's. Raises ValidationError with a sentence."""
    small = pictures.small(upload)
    with transaction.atomic():
        picture = Picture(workspace_id=membership.workspace_id, created_by_id=membership.user_id)
        picture.file.save("", ContentFile(small), save=False)
        picture.save(force_insert=True)
        _forget_unused(membership)
    return picture


def _forget_unused(membership: Membership) -> None:
    """What was uploaded and never saved does not pile up."""
    mine = Picture.objects.filter(workspace=membership.workspace_id, created_by=membership.user_id).unused()
    for picture in mine.order_by("-created")[MOST_UNUSED:]:
        picture.delete()
