"""Names that SQL can take without quotes: for columns as they are stored, and for tables as one query calls them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 60
_NOT_WORD = re.compile(r"\W+", re.ASCII)
_EXTENSION = re.compile(r"\.(?:csv|tsv|tab|txt|xlsx|xlsm|xltx|ods)$", re.IGNORECASE)

# What DuckDB reserves (duckdb_keywords() of 2.0), and a few more words that read badly as a name.
_RESERVED_WORDS = (
    "all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default "
    "deferrable desc describe distinct do else end except false fetch for foreign from group having in initially intersect "
    "into lambda lateral leading limit not null offset on only or order pivot pivot_longer pivot_wider placing primary "
    "qualify references returning select show some summarize symmetric table then to trailing true union unique unpivot "
    "using variadic when where window with by join is like between exists natural left right inner outer full cross semi "
    "anti asof positional set values rowid"
)
_RESERVED = frozenset(_RESERVED_WORDS.split())


def safe_name(label: str, otherwise: str) -> str:
    """``Order Details (€)`` as ``Order_Details``. Accents go, other scripts stay; ``otherwise`` where nothing is left."""
    folded = "".join(c for c in unicodedata.normalize("NFKD", label) if not unicodedata.combining(c))
    folded = folded.replace("ß", "ss")
    ascii_only = _NOT_WORD.sub("_", folded).strip("_")
    kept = ascii_only if ascii_only or not label.strip() else re.sub(r"\W+", "_", label).strip("_")
    name = kept[:LONGEST].strip("_") or otherwise
    if name[0].isdigit():
        name = f"_{name}"
    return f"{name}_" if name.lower() in _RESERVED else name


def unique(names: Iterable[str], more: str = "_{}") -> list[str]:
    """The same names, later ones with a number where an earlier one is alike but for case."""
    taken: set[str] = set()
    out = []
    for name in names:
        candidate, number = name, 2
        while candidate.casefold() in taken:
            candidate, number = name + more.format(number), number + 1
        taken.add(candidate.casefold())
        out.append(candidate)
    return out


def column_labels(cells: Iterable[str]) -> list[str]:
    """What people call the columns: empty ones by their place, repeated ones numbered: ``Name``, ``Name (2)``."""
    named = [" ".join(cell.split())[:200] or f"Column {at}" for at, cell in enumerate(cells, 1)]
    return unique(named, " ({})")


def column_names(labels: Iterable[str]) -> list[str]:
    return unique(safe_name(label, f"column_{at}") for at, label in enumerate(labels, 1))


def table_names(labels: Iterable[str]) -> list[str]:
    """What one query calls its tables: by sheet or file, without the file's extension."""
    return unique(safe_name(_EXTENSION.sub("", label), f"table_{at}") for at, label in enumerate(labels, 1))
