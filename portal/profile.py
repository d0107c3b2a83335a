"""What a person says of themselves, in every workspace: their picture, and the language that they are answered in."""

from __future__ import annotations

from typing import BinaryIO
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404

from portal import audit, pictures
from portal.languages import LANGUAGES
from portal.models import Membership, User, Workspace


def keep_picture(user: User, upload: BinaryIO) -> None:
    """From now on this is their picture, made small and written anew. Raises ValidationError with a sentence."""
    small = pictures.small(upload)
    with transaction.atomic():
        _forget_file(user)
        user.picture.save("", ContentFile(small), save=False)
        user.save(update_fields=["picture"])
        audit.record("user.picture", workspace=None, actor=user, target=user)


@transaction.atomic
def remove_picture(user: User) -> None:
    """Their initial stands for them again."""
    if not user.picture:
        return
    _forget_file(user)
    user.picture = ""
    user.save(update_fields=["picture"])
    audit.record("user.remove_picture", workspace=None, actor=user, target=user)


def _forget_file(user: User) -> None:
    """The file goes once nothing names it any more."""
    name, storage = user.picture.name, user.picture.storage
    if name:
        transaction.on_commit(lambda: storage.delete(name))


def portrait(workspace: Workspace, key: UUID) -> HttpResponse:
    """The picture with this key of somebody in the workspace, or 404. Of who left it as well: it stands beside what they said."""
    member = Membership.objects.select_related("user").filter(
        workspace=workspace, user__picture=User.portrait_path(key)
    )
    return pictures.shown(get_object_or_404(member).user.picture)


@transaction.atomic
def choose_language(user: User, code: str) -> None:
    """Answers are written in it from now on; empty: in the language of each question. Raises ValidationError by field."""
    if code and code not in LANGUAGES:
        raise ValidationError({"language": f"There is no language {code!r}. Choose from {', '.join(LANGUAGES)}."})
    if (before := user.language) == code:
        return
    user.language = code
    user.save(update_fields=["language"])
    audit.record(
        "user.language", workspace=None, actor=user, target=user, before={"language": before}, after={"language": code}
    )
