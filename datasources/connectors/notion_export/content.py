"""What an export's files say: Markdown with its links made good, databases as typed tables."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import unquote

from datasources.connectors.markup import escaped, quoted, table
from datasources.connectors.notion_export.layout import PAGES, named, notion_url

_LINK = re.compile(r"(!?)\[((?:[^\[\]\\]|\\.|\[[^\[\]]*\])*)\]\(((?:[^()\s\\]|\\.|\([^()\s]*\))*)\)")
_ABSOLUTE = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:|^//|^#")
_ASIDE = re.compile(r"<aside>\s*(.*?)\s*</aside>", re.DOTALL)
_CODE = re.compile(r"(^(?:`{3,}|~{3,}).*?^(?:`{3,}|~{3,})[ \t]*$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?")
_DATES = ("%B %d, %Y", "%b %d, %Y", "%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y")
_TIMES = ("%B %d, %Y %I:%M %p", "%B %d, %Y %H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S")


def relinked(text: str) -> str:
    """Links to other pages of the export lead to these pages at Notion; callouts become quotes. Code is left as it is."""
    parts = _CODE.split(text)
    return "".join(part if number % 2 else _prose(part) for number, part in enumerate(parts))


def _prose(text: str) -> str:
    text = _ASIDE.sub(lambda found: quoted(found[1]), text)
    return _LINK.sub(_link, text)


def _link(found: re.Match[str]) -> str:
    picture, label, target = found[1], found[2], found[3]
    if _ABSOLUTE.match(target):
        return found[0]
    name = unquote(target).rpartition("/")[2]
    stem, dot, extension = name.rpartition(".")
    title, one, _ = named(stem if dot else name)
    if extension.lower() in (*PAGES, "csv"):
        shown = title if not label or label == name else label
        return f"[{shown}]({notion_url(one)})" if one else shown
    return f"[{'Image' if picture else 'File'}: {label or escaped(name)}]"


def read_table(data: bytes) -> tuple[tuple[str, ...], list[list[Any]]]:
    """Columns and rows of a database's CSV, each column of the one type that all its cells have, else text."""
    text = data.decode("utf-8-sig", "replace")
    csv.field_size_limit(10_000_000)
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(cell.strip() for cell in row)]
    if not rows:
        return (), []
    heads = _heads(rows[0])
    cells = [[cell.strip() for cell in row[: len(heads)]] + [""] * (len(heads) - len(row)) for row in rows[1:]]
    typed = [_typed([row[at] for row in cells]) for at in range(len(heads))]
    return heads, [list(row) for row in zip(*typed, strict=True)] if typed else []


def _heads(row: Sequence[str]) -> tuple[str, ...]:
    """Names of columns, none empty and none twice."""
    heads: list[str] = []
    for number, cell in enumerate(row, 1):
        name, again = cell.strip() or f"Column {number}", 2
        while name in heads:
            name, again = f"{cell.strip() or f'Column {number}'} ({again})", again + 1
        heads.append(name)
    return tuple(heads)


def _typed(cells: list[str]) -> list[Any]:
    filled = [cell for cell in cells if cell]
    for parse in (_boolean, _number, _day, _moment) if filled else ():
        try:
            return [parse(cell) if cell else None for cell in cells]
        except ValueError:
            continue
    return [cell or None for cell in cells]


def _boolean(cell: str) -> bool:
    """A checkbox, as Notion writes it."""
    return {"Yes": True, "No": False}[cell] if cell in ("Yes", "No") else _refuse(cell)


def _number(cell: str) -> int | float:
    if not _NUMBER.fullmatch(cell) or (cell.lstrip("-").startswith("0") and cell.lstrip("-")[1:2].isdigit()):
        return int(_refuse(cell))
    plain = cell.replace(",", "")
    return float(plain) if "." in plain else int(plain)


def _refuse(cell: str) -> bool:
    raise ValueError(cell)


def _parsed(formats: Sequence[str]) -> Callable[[str], datetime]:
    def parse(cell: str) -> datetime:
        for form in formats:
            try:
                return datetime.strptime(cell.removeprefix("@"), form)  # noqa: DTZ007  (an export names no zone)
            except ValueError:
                continue
        raise ValueError(cell)

    return parse


def _day(cell: str) -> date:
    return _parsed(_DATES)(cell).date()


def _moment(cell: str) -> datetime:
    return _parsed((*_TIMES, *_DATES))(cell)


def described(title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]], *, whole: bool, most: int) -> str:
    """The database in words; with ``whole``, its rows too, where they have no pages of their own."""
    number = f"{len(rows)} row{'s' * (len(rows) != 1)}"
    columns = "\n".join(f"- {escaped(head)}" for head in heads)
    text = f"# {escaped(title)}\n\nA database with {number} and these columns:\n\n{columns}\n"
    if whole and rows:
        shown = [["" if cell is None else escaped(str(cell)) for cell in row] for row in rows[:most]]
        text += "\n" + table([[escaped(head) for head in heads], *shown]) + "\n"
        if len(rows) > most:
            text += f"\nThe table goes on for {len(rows) - most:,} more rows.\n"
    return text
