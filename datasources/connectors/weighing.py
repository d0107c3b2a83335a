"""How much text files will give, told from their names and sizes alone, before any of them is read."""

from __future__ import annotations

from datasources.connectors.base import Estimate
from datasources.ingestion.kinds import kind_by_name, refuse_by_name
from datasources.ingestion.results import Limits

UNKNOWN_BYTES = 4000
"""The text of a document whose size the place does not tell: two pages."""

_SHARES = {"pdf": 0.05, "docx": 0.15, "odt": 0.15, "doc": 0.15, "rtf": 0.3, "pptx": 0.02, "ppt": 0.02, "epub": 0.5}
_SHARES |= {"xlsx": 0.5, "ods": 0.5, "xls": 0.3, "html": 0.4, "eml": 0.3}
"""Bytes of text in a byte of the file, in ordinary office files: an order of magnitude. Other kinds are text as they are."""


class Tally:
    """Gathers files into an estimate; what fetching would refuse by its name is left out."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._documents = self._bytes = self._text = 0

    def add(self, name: str, size: int | None, *, mime: str = "", made: bool = False) -> None:
        """``made``: the vendor makes a file of it when it is asked for, so that its name refuses nothing."""
        if not made and refuse_by_name(name, size, self._limits):
            return
        self._documents += 1
        self._bytes += size or 0
        self._text += UNKNOWN_BYTES if size is None or made else text_in(name, size, self._limits, mime)

    def estimate(self, *, exact: bool) -> Estimate:
        return Estimate(self._documents, self._bytes, exact, text=self._text)


def text_in(name: str, size: int, limits: Limits, mime: str = "") -> int:
    """Bytes of text that a file of this name and size gives, at most what is taken in of one file."""
    return min(round(size * _SHARES.get(kind_by_name(name, mime), 1.0)), limits.text_chars)
