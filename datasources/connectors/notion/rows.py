"""Properties of Notion's pages: as lines of text for the page, as typed cells for the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from datasources.connectors.lines import moment
from datasources.connectors.markup import escaped, linked
from datasources.connectors.notion.words import file_name, plain, words

Json = Mapping[str, Any]
Named = Callable[[str], str]
"""The title of a page by its id; empty where it is not known."""

TAGGED = ("select", "multi_select", "status")
_NOT_TOLD = ("button", "verification", "place", "unsupported")


def title_of(page: Json) -> str:
    for value in (page.get("properties") or {}).values():
        if isinstance(value, Mapping) and value.get("type") == "title":
            return " ".join(plain(value.get("title")).split()) or "Untitled"
    return "Untitled"


def tags_of(page: Json) -> tuple[str, ...]:
    found: list[str] = []
    for value in (page.get("properties") or {}).values():
        if value.get("type") in TAGGED:
            found += _names(value)
    return tuple(dict.fromkeys(tag[:80] for tag in found))[:20]


def lines(page: Json, named: Named) -> str:
    """``**Status:** In progress`` a line, the title left out, and what is empty too."""
    said = []
    for name, value in (page.get("properties") or {}).items():
        if value.get("type") == "title":
            continue
        text = words(value["rich_text"]) if value.get("type") == "rich_text" else _told(value, named)
        if text.strip():
            said.append(f"**{escaped(name)}:** {' '.join(text.split())}")
    return "  \n".join(said)


def _told(value: Json, named: Named) -> str:
    cell = cell_of(value, named)
    if value.get("type") == "date" and isinstance(value.get("date"), Mapping):
        end = value["date"].get("end")
        return f"{value['date'].get('start')}{f' → {end}' if end else ''}"
    if value.get("type") == "url":
        return linked(escaped(str(cell or "")), cell)
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return "" if cell is None else escaped(str(cell))


def cell_of(value: Json, named: Named) -> Any:
    """str, int, float, bool, date, datetime or None. Of a span of days, its beginning."""
    kind = str(value.get("type"))
    inner = value.get(kind)
    match kind:
        case "title" | "rich_text":
            return plain(inner) or None
        case "number" | "checkbox":
            return inner
        case "url" | "email" | "phone_number":
            return str(inner) if inner else None
        case "date":
            return day(inner)
        case "created_time" | "last_edited_time":
            return moment(inner)
        case "formula":
            return (
                cell_of(inner, named)
                if isinstance(inner, Mapping) and inner.get("type") != "string"
                else _string(inner)
            )
        case "rollup":
            return _rollup(inner if isinstance(inner, Mapping) else {}, named)
        case "unique_id":
            prefix = (inner or {}).get("prefix")
            number = (inner or {}).get("number")
            return None if number is None else f"{prefix}-{number}" if prefix else number
        case "boolean":
            return inner
    return ", ".join(_names(value, named)) or None


def _string(inner: Any) -> str | None:
    return str(inner["string"]) if isinstance(inner, Mapping) and inner.get("string") else None


def _rollup(inner: Json, named: Named) -> Any:
    if inner.get("type") == "array":
        cells = [cell_of(item, named) for item in inner.get("array") or ()]
        return ", ".join(str(cell) for cell in cells if cell is not None) or None
    return cell_of(inner, named)


def _names(value: Json, named: Named = lambda page: "") -> list[str]:
    """Of everything that is a choice, a person, a page or a file, or several."""
    kind = str(value.get("type"))
    inner = value.get(kind)
    many = inner if isinstance(inner, list) else [inner] if isinstance(inner, Mapping) else []
    if kind == "relation":
        return [named(str(item.get("id"))) or "a page that is not shared" for item in many]
    if kind in ("files",):
        return [file_name(item) for item in many]
    if kind == "verification":
        return [str(item.get("state") or "") for item in many]
    if kind == "place":
        return [str(item.get("name") or item.get("address") or "") for item in many]
    if kind in _NOT_TOLD:
        return []
    return [_person_or_choice(item) for item in many if isinstance(item, Mapping)]


def _person_or_choice(item: Json) -> str:
    if name := item.get("name"):
        return str(name)
    return "a person whose name is not told" if item.get("object") in ("user", "group") else ""


def day(inner: Any, key: str = "start") -> date | datetime | None:
    """A date without an hour stays one."""
    if not isinstance(inner, Mapping) or not inner.get(key):
        return None
    text = str(inner[key])
    if len(text) == 10:
        try:
            return date.fromisoformat(text)
        except ValueError:
            return None
    return moment(text)


def columns(schema: Json) -> list[tuple[str, str]]:
    """(name, kind) of a data source's properties, the title first."""
    found = [(str(name), str(value.get("type"))) for name, value in (schema.get("properties") or {}).items()]
    return sorted(found, key=lambda column: column[1] != "title")


def as_table(schema: Json, pages: Iterable[Json], named: Named) -> tuple[tuple[str, ...], list[list[Any]]]:
    """Columns and rows. A date that is a span in some row gets a column for its end."""
    heads: list[str] = []
    wanted = [column for column in columns(schema) if column[1] != "button"]
    spans = {name: False for name, kind in wanted if kind == "date"}
    rows: list[list[Any]] = []
    for page in pages:
        values = page.get("properties") or {}
        row: list[Any] = []
        for name, _ in wanted:
            value = values.get(name) or {}
            row.append(cell_of(value, named) if value else None)
            if name in spans:
                row.append(end := day(value.get("date"), "end"))
                spans[name] = spans[name] or end is not None
        rows.append(row)
    for name, _ in wanted:
        heads += [name, f"{name} (end)"] if name in spans else [name]
    keep = [at for at, head in enumerate(heads) if not head.endswith(" (end)") or spans.get(head[:-6], True)]
    return tuple(heads[at] for at in keep), [[row[at] for at in keep] for row in rows]


def described(schema: Json) -> str:
    """The columns in words, with the choices that some of them have."""
    said = []
    for name, kind in columns(schema):
        inner = (schema.get("properties") or {}).get(name, {}).get(kind) or {}
        options = inner.get("options") if isinstance(inner, Mapping) else None
        choices = ", ".join(escaped(str(option.get("name"))) for option in (options or [])[:40])
        said.append(f"- {escaped(name)} ({kind.replace('_', ' ')}{f': {choices}' if choices else ''})")
    return "\n".join(said)
