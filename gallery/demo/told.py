"""What deploy/demo holds, read. The shapes are told at the head of each file there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from gallery.demo.dates import Calendar

DIRECTORY: Path = settings.BASE_DIR / "deploy" / "demo"


def read(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8")))


def pages(calendar: Calendar, source: str) -> dict[str, str]:
    """What is written in a source: Markdown by path, with its dates filled in."""
    root = DIRECTORY / "pages" / source
    found = sorted(root.rglob("*.md"))
    return {str(path.relative_to(root)): calendar.filled(path.read_text(encoding="utf-8")) for path in found}


def questions() -> dict[str, list[list[str]]]:
    """By handle: what people want to know, each in several words of their own."""
    asked = read("questions")
    return {key: [line.split(" | ") for line in lines] for key, lines in asked.items() if not key.startswith("thumbs")}
