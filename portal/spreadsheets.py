"""Cells of the CSV files that people download."""

from __future__ import annotations

import json
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_cell(value: Any) -> str:
    """Text that a spreadsheet shows and never runs: a leading quote marks it as text. Numbers stay numbers."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text
