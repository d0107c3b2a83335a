"""Files that are text already: Markdown with its front matter, plain text, tables of separated values."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice

from datasources.ingestion.results import Extracted, Limits

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE_LINE = re.compile(r"""^title[ \t]*:[ \t]*(["']?)(.+?)\1[ \t]*$""", re.MULTILINE | re.IGNORECASE)
_FIRST_HEADING = re.compile(r"^#{1,2}[ \t]+(.+?)[ \t]*#*[ \t]*$|^(\S[^\n]*)\n=+[ \t]*$", re.MULTILINE)
_MARKUP = re.compile(r"[*_`]|\[([^\]]*)\]\([^)]*\)")
_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)


def markdown(text: str) -> Extracted:
    """Markdown as it stands; front matter (which is not for reading) goes into ``metadata``."""
    metadata = {}
    title = ""
    if found := _FRONT_MATTER.match(text):
        metadata["front_matter"] = found[1].strip()
        text = text[found.end() :]
        if named := _TITLE_LINE.search(found[1]):
            title = named[2].strip()
    return Extracted(
        text.strip("\n") + "\n" if text.strip() else "", title or first_heading(text), "markdown", (), metadata
    )


def plain(text: str) -> Extracted:
    return Extracted(text.strip("\n") + "\n" if text.strip() else "", "", "text")


def first_heading(text: str) -> str:
    """The first heading of level 1 or 2 outside code, without its markup; empty where there is none."""
    head = text[:20_000]
    if "```" in head or "~~~" in head:
        head = _FENCE.sub("", head)
    found = _FIRST_HEADING.search(head)
    return _MARKUP.sub(lambda m: m[1] or "", found[1] or found[2]).strip()[:200] if found else ""


def separated(text: str, limits: Limits) -> Extracted:
    """Rows of a CSV or the like as one Markdown table; rows of other lengths than the first are padded."""
    delimiter = delimiter_of(text)
    csv.field_size_limit(1_000_000)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False)
    rows = [row for row in islice(reader, limits.table_rows + 1) if any(cell.strip() for cell in row)]
    left = sum(1 for _ in reader)
    warnings = []
    if left:
        warnings.append(f"Only the first {limits.table_rows:,} rows were taken in; {left:,} more were left out")
    widest = max((len(row) for row in rows), default=0)
    if widest > limits.table_columns:
        warnings.append(f"Only the first {limits.table_columns} of {widest} columns were taken in")
    body = table(rows, min(widest, limits.table_columns))
    if left and body:
        body += f"\nThe table goes on for {left:,} more rows, which were left out.\n"
    return Extracted(body, "", "csv", tuple(warnings), {"rows": len(rows) + left, "columns": widest})


def table(rows: list[list[str]], width: int) -> str:
    if not rows:
        return ""
    lines = []
    for number, row in enumerate(rows):
        cells = [_cell(cell) for cell in row[:width]] + [""] * (width - len(row))
        lines.append(f"| {' | '.join(cells)} |")
        if number == 0:
            lines.append("|" + " --- |" * width)
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") if text else ""


def delimiter_of(text: str) -> str:
    """The separator that splits the first lines most evenly; a comma where nothing does."""
    sample = [line for line in text[:16_384].split("\n") if line.strip()][:30]
    best, best_score = ",", 0.0
    for mark in (",", ";", "\t", "|"):
        counts = [len(row) - 1 for row in csv.reader(sample, delimiter=mark)]
        positive = [n for n in counts if n > 0]
        if not positive:
            continue
        usual = max(set(positive), key=lambda n: (positive.count(n), n))
        score = positive.count(usual) / len(counts) + min(usual, 20) * 0.01 + (0.005 if mark == ";" else 0)
        if score > best_score:
            best, best_score = mark, score
    return best
