"""Results of tables among an answer's events: stored whole, shown only to who may read every table that was asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from assistants.answering import Asked

WITHHELD = "The tables that this was computed from are withheld: you may not read them."


def asked_as_json(event: Asked) -> dict[str, Any]:
    """As it is stored. ``hash`` is of columns and rows: equal means the same result."""
    result = event.result
    columns = [{"name": c.name, "type": c.type} for c in result.columns] if result else []
    rows = [list(row) for row in result.rows] if result else []
    digest = hashlib.sha256(json.dumps([columns, rows], ensure_ascii=False).encode()).hexdigest()
    return {
        "tables": [
            {"id": str(s.id), "node": str(s.node), "name": s.name, "title": s.title, "digest": s.digest}
            for s in event.sheets
        ],
        "sql": event.sql,
        "repaired": event.repaired,
        "error": event.error,
        "columns": columns,
        "rows": rows,
        "truncated": bool(result and result.truncated),
        "hash": digest,
    }


def shown_result(data: Mapping[str, Any], readable: Iterable[str]) -> dict[str, Any]:
    """The same for one reader. ``readable``: ids of nodes that they may read, of those that the answer read."""
    there = set(readable)
    if any(table["node"] not in there for table in data["tables"]):
        return {"withheld": True, "note": WITHHELD}
    kept = ("sql", "repaired", "error", "columns", "rows", "truncated", "hash")
    tables = [{key: table[key] for key in ("id", "name", "title")} for table in data["tables"]]
    return {"withheld": False, "tables": tables, **{key: data[key] for key in kept}}
