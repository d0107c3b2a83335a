"""Pictures as people upload them."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image


def a_picture(kind: str = "PNG", size: tuple[int, int] = (40, 20), **more: Any) -> io.BytesIO:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, kind, **more)
    file.seek(0)
    file.name = f"me.{kind.lower()}"
    return file
