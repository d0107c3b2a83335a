"""What keeps data in a prompt apart from words to the model: nothing inside a fence can close it."""

from __future__ import annotations

import re

# Anything that could be read as an edge of our fences; the text stays legible with the bracket replaced.
_FENCE = re.compile(r"<(?=\s*/?\s*(?:passages?|answers?|question|conversation|tables?|table_result)\b)", re.IGNORECASE)


def unfenced(text: str) -> str:
    """The text with whatever looks like one of our fences made harmless."""
    return _FENCE.sub("‹", text)


def attribute(text: str) -> str:
    """The text as the value of a fence's attribute."""
    return unfenced(" ".join(text.split())).replace('"', "'").replace("<", "‹").replace(">", "›")[:300]
