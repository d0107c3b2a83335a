"""Something that a person drags in from elsewhere: files and folders of their desktop, or a link or words of another page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

COPY = 1


class Dragged:
    """As the browser gets it from the desktop: real drags, over whatever lies at that point."""

    def __init__(self, page: Page, *paths: Path, text: str = "") -> None:
        self.page = page
        self.cdp = page.context.new_cdp_session(page)
        mime = "text/uri-list" if text.startswith("https:") else "text/plain"
        self.data: dict[str, Any] = {
            "items": [{"mimeType": mime, "data": text}] if text else [],
            "files": [str(path) for path in paths],
            "dragOperationsMask": COPY,
        }

    def over(self, place: Locator) -> None:
        # A hand is never still: the second tells what lies there also where the page has just moved.
        for kind in ("dragEnter", "dragOver", "dragOver"):
            self._send(kind, place)

    def drop(self, place: Locator) -> None:
        self.over(place)
        self._send("drop", place)
        self.cdp.detach()

    def _send(self, kind: str, place: Locator) -> None:
        box = place.bounding_box()
        assert box, f"{place} is not to be seen"
        at = {"x": box["x"] + 12, "y": box["y"] + box["height"] / 2}
        self.cdp.send("Input.dispatchDragEvent", {"type": kind, "data": self.data, **at})
