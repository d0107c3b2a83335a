"""What a document is called: by its own title, else by its name at the source. Pure functions."""

from __future__ import annotations

import re

_ENDING = re.compile(r"(?<=[^\s.])\.[A-Za-z][A-Za-z0-9]{0,8}$")
_JOINT = re.compile(r"_+|(?<=[^\W\d_])-(?=[^\W\d_])")


def title_of(own: str, name: str, kind: str) -> str:
    """``own`` is the title that the text gives itself; ``name`` and ``kind`` are its node's.

    A file's name goes without its ending and in words: ``travel_costs-abroad.csv`` is called "travel costs abroad". Other
    names (a page's, a ticket's) were written for people and stay as they are.
    """
    if own or kind != "file":
        return own or name
    stem = _ENDING.sub("", name)
    words = stem if re.search(r"\s", stem) else _JOINT.sub(" ", stem)
    return " ".join(words.split()) or name
