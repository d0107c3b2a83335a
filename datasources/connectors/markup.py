"""Markdown out of a vendor's rich text: words escaped where they could be taken for markup, links only where they are safe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

_MARKS = re.compile(r"[<*`\\]")
_AT_LINE_START = re.compile(r"(?m)^([ \t]*)(#{1,6}(?=\s)|>|[-+](?=\s)|\|)")
_NUMBERED = re.compile(r"(?m)^([ \t]*\d{1,9})([.)])(?=\s)")
_EDGES = re.compile(r"\A(\s*)(.*?)(\s*)\Z", re.DOTALL)


def escaped(text: str) -> str:
    """Inside a line: what would open HTML, emphasis or code stands for itself."""
    return _MARKS.sub(lambda found: "\\" + found[0], text.replace("\x00", ""))


def paragraph(text: str) -> str:
    """Already escaped words as a paragraph: no line of it is taken for a heading, a list or a quote."""
    return _NUMBERED.sub(r"\1\\\2", _AT_LINE_START.sub(r"\1\\\2", text))


def wrapped(text: str, mark: str) -> str:
    """``**text**`` with the blanks at its edges left outside, where Markdown wants them."""
    found = _EDGES.match(text)
    if found is None or not found[2]:
        return text
    return f"{found[1]}{mark}{found[2]}{mark}{found[3]}"


def code(text: str) -> str:
    """A span of code, whatever backticks it holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text.strip() else text


def fenced(text: str, language: str = "") -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{re.sub(r'[^A-Za-z0-9+#._-]', '', language)}\n{text.rstrip()}\n{fence}"


def linked(text: str, url: str | None) -> str:
    """``[text](url)`` where the address is one that a person may be sent to; else the text alone."""
    address = safe_url(url)
    if not address or not text.strip():
        return text
    return f"[{text.replace(']', chr(92) + ']')}]({address})"


def safe_url(url: str | None) -> str:
    """http, https and mailto only, and nothing that would end the link early; empty for the rest."""
    try:
        scheme = urlsplit(url or "").scheme
    except ValueError:
        return ""
    if scheme not in ("http", "https", "mailto"):
        return ""
    return re.sub(r"[\s()<>\"]", lambda found: f"%{ord(found[0]):02X}", (url or "").strip())


def indented(text: str, by: str = "    ") -> str:
    return "\n".join(by + line if line else line for line in text.split("\n"))


def quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.strip("\n").split("\n"))


def table(rows: Sequence[Sequence[str]], *, header: bool = True) -> str:
    """A Markdown table of cells that are Markdown already; without a header row an empty one stands above."""
    if not rows:
        return ""
    width = max(len(row) for row in rows)
    lines = [] if header else [["" for _ in range(width)]]
    lines += [[_cell(cell) for cell in row] + [""] * (width - len(row)) for row in rows]
    written = [f"| {' | '.join(line)} |" for line in lines]
    written.insert(1, "|" + " --- |" * width)
    return "\n".join(written)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))
