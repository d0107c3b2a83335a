"""Pictures of assistants: what was uploaded is read once, made small and written anew; the bytes that came in are never kept."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, Final

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import transaction
from PIL import Image, ImageOps, UnidentifiedImageError

from assistants.models import Picture
from portal.models import Membership

SIDE: Final = 256
"""Of what is kept, in pixels."""
MOST_BYTES: Final = 5 * 1024 * 1024
MOST_PIXELS: Final = 25_000_000
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
"""What is read at all. No SVG: that is a program, not a picture."""
MOST_UNUSED: Final = 10
"""Pictures of one person that are in no version yet; older ones go."""
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, ArithmeticError)


def keep_picture(membership: Membership, upload: BinaryIO) -> Picture:
    """Keep it as a picture of this person's. Raises ValidationError with a sentence."""
    data = upload.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValidationError(f"A picture has at most {MOST_BYTES // 1024 // 1024} MB. Make it smaller and try again.")
    small = reencoded(data)
    with transaction.atomic():
        picture = Picture(workspace_id=membership.workspace_id, created_by_id=membership.user_id)
        picture.file.save("", ContentFile(small), save=False)
        picture.save(force_insert=True)
        _forget_unused(membership)
    return picture


def reencoded(data: bytes) -> bytes:
    """The picture as WebP, SIDE by SIDE, without anything else that its file said. Raises ValidationError with a sentence."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValidationError(_too_many(image))
            # A JPEG is read at a fraction of its size where that is enough.
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            upright = ImageOps.exif_transpose(image).convert("RGBA")
            square = ImageOps.fit(upright, (SIDE, SIDE), Image.Resampling.LANCZOS)
    except UnidentifiedImageError as error:
        raise ValidationError("That is not a picture that can be used. Choose a PNG, JPEG, WebP or GIF.") from error
    except Image.DecompressionBombError as error:
        raise ValidationError("That picture has far too many pixels. Make it smaller and try again.") from error
    except _BROKEN as error:
        raise ValidationError("That picture is damaged. Save it anew and try again.") from error
    out = io.BytesIO()
    # Drawn into a fresh one: nothing of the original's metadata can come along.
    fresh = Image.new("RGBA", square.size)
    fresh.paste(square)
    fresh.save(out, "WEBP", quality=85, method=4)
    return out.getvalue()


def _too_many(image: Image.Image) -> str:
    return (
        f"That picture has {image.width:,} × {image.height:,} pixels; at most {MOST_PIXELS // 1_000_000} million can be read. "
        "Make it smaller and try again."
    )


def _forget_unused(membership: Membership) -> None:
    """What was uploaded and never saved does not pile up."""
    mine = Picture.objects.filter(workspace=membership.workspace_id, created_by=membership.user_id).unused()
    for picture in mine.order_by("-created")[MOST_UNUSED:]:
        name, storage = picture.file.name, picture.file.storage
        picture.delete()
        transaction.on_commit(lambda name=name, storage=storage: storage.delete(name))  # type: ignore[misc]
