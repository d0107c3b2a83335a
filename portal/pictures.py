"""Pictures that people upload: read once, made small and written anew; the bytes that came in are never kept."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, Final

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.http import Http404, HttpResponse
from PIL import Image, ImageOps, UnidentifiedImageError

A_DAY: Final = 24 * 3600
SIDE: Final = 256
"""Of what is kept, in pixels."""
MOST_BYTES: Final = 5 * 1024 * 1024
MOST_PIXELS: Final = 25_000_000
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
"""What is read at all. No SVG: that is a program, not a picture."""
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, ArithmeticError)


def small(upload: BinaryIO) -> bytes:
    """What is kept of an upload, as ``reencoded`` gives it. Raises ValidationError with a sentence."""
    data = upload.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValidationError(f"A picture has at most {MOST_BYTES // 1024 // 1024} MB. Make it smaller and try again.")
    return reencoded(data)


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


def shown(kept: File) -> HttpResponse:
    """The file, for portal and API alike. What stands behind its address never changes: it is asked for once a day at most.
    Raises Http404 where it is gone."""
    try:
        with kept.open("rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise Http404 from None
    return HttpResponse(
        data,
        content_type="image/webp",
        headers={
            "Cache-Control": f"private, max-age={A_DAY}, immutable",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )
