"""Cells of XLSX and ODS sheets, each as the text that a person sees of its value: 12.5%, $3.50, 2024-01-31, true."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import IO
from xml.etree.ElementTree import Element, iterparse

from datasources.ingestion.results import CORRUPT, Limits, fail

Row = list[str | None]

_DATE_FORMATS = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_TIME_FORMATS = {18, 19, 20, 21, 45, 46, 47}
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!\$)[^\]]*\]')
_CURRENCY = re.compile(r"\[\$([^-\]]{1,3})|([$€£¥₹])")
_REFERENCE = re.compile(r"([A-Z]{1,3})\d+")
_MOST_EMPTY = 1000
"""Empty columns in a row, or rows in a sheet, that are kept as such; what repeats more often is formatting."""


def sheets(data: bytes, kind: str, limits: Limits) -> Iterator[tuple[str, Iterator[Row]]]:
    """(name, rows) of each sheet, in order; read a sheet's rows before the next. Raises Refusal where it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > limits.archive_bytes:
                raise fail(CORRUPT)
            yield from _ods(archive) if kind == "ods" else _Workbook(archive).sheets()
    except (zipfile.BadZipFile, KeyError, SyntaxError, ValueError, EOFError) as error:
        raise fail(CORRUPT) from error


def _elements(file: IO[bytes], *names: str) -> Iterator[Element]:
    """Elements of these local names as they end; whatever ends is let go of, so that memory stays small."""
    depth_kept = 0
    for event, element in iterparse(file, events=("start", "end")):  # noqa: S314  (see the import)
        name = _local(element)
        if event == "start":
            depth_kept += name in names
        else:
            if name in names:
                depth_kept -= 1
                yield element
            if not depth_kept:
                element.clear()


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _attribute(element: Element, name: str) -> str:
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


class _Workbook:
    """Source of the parts and their meaning: ECMA-376 part 1, section 18."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = {name.lower().lstrip("/"): name for name in archive.namelist()}
        self._book = "xl/workbook.xml"
        self._from_1904 = False
        self._strings = self._shared_strings()
        self._formats = self._styles()

    def sheets(self) -> Iterator[tuple[str, Iterator[Row]]]:
        targets = self._targets()
        listed = []
        with self._open(self._book) as file:
            for element in _elements(file, "sheet", "workbookPr"):
                if _local(element) == "workbookPr":
                    self._from_1904 = element.get("date1904") in ("1", "true")
                else:
                    listed.append((element.get("name") or "", targets.get(_attribute(element, "id"), "")))
        for name, part in listed:
            if part.lower() in self._names and "/worksheets/" in f"/{part}":
                with self._open(part) as file:
                    yield name, self._rows(file)

    def _open(self, part: str) -> IO[bytes]:
        return self._archive.open(self._names[part.lower()])

    def _targets(self) -> dict[str, str]:
        with self._open("xl/_rels/workbook.xml.rels") as file:
            relations = {e.get("Id") or "": e.get("Target") or "" for e in _elements(file, "Relationship")}
        return {
            key: target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            for key, target in relations.items()
        }

    def _shared_strings(self) -> list[str]:
        if "xl/sharedstrings.xml" not in self._names:
            return []
        with self._open("xl/sharedStrings.xml") as file:
            return [_text(element) for element in _elements(file, "si")]

    def _styles(self) -> list[tuple[int, str]]:
        """(format's number, its code) of each cell style."""
        if "xl/styles.xml" not in self._names:
            return []
        codes: dict[int, str] = {}
        styles: list[int] = []
        with self._open("xl/styles.xml") as file:
            for element in _elements(file, "numFmt", "cellXfs"):
                if _local(element) == "numFmt":
                    codes[int(element.get("numFmtId") or 0)] = element.get("formatCode") or ""
                else:
                    styles = [int(xf.get("numFmtId") or 0) for xf in element]
        return [(number, codes.get(number, "")) for number in styles]

    def _rows(self, file: IO[bytes]) -> Iterator[Row]:
        for element in _elements(file, "row"):
            row: Row = []
            for cell in element:
                if _local(cell) != "c":
                    continue
                at = _column(cell.get("r") or "", len(row))
                if at - len(row) > _MOST_EMPTY:
                    break
                row.extend([None] * (at - len(row)))
                row.append(self._value(cell))
            yield row

    def _value(self, cell: Element) -> str | None:
        kind = cell.get("t") or "n"
        if kind == "inlineStr":
            return _text(cell)
        raw = next((child.text for child in cell if _local(child) == "v"), None)
        if raw is None or raw == "":
            return None
        if kind == "s":
            index = int(raw)
            return self._strings[index] if 0 <= index < len(self._strings) else None
        if kind == "b":
            return "true" if raw.strip() == "1" else "false"
        if kind != "n":
            return None if kind == "e" else raw
        style = int(cell.get("s") or 0)
        number, code = self._formats[style] if 0 <= style < len(self._formats) else (0, "")
        return _shown(float(raw), number, code, self._from_1904)


def _column(reference: str, otherwise: int) -> int:
    found = _REFERENCE.fullmatch(reference)
    if not found:
        return otherwise
    at = 0
    for letter in found[1]:
        at = at * 26 + ord(letter) - 64
    return max(at - 1, otherwise)


def _text(element: Element) -> str:
    """All runs of a rich text, without the reading aids beside it."""
    parts = []
    for child in element:
        if _local(child) == "t":
            parts.append(child.text or "")
        elif _local(child) in ("r", "is"):
            parts.append(_text(child))
    return "".join(parts)


def _shown(value: float, number: int, code: str, from_1904: bool) -> str:
    plain = _LITERAL.sub("", code.split(";")[0])
    dated = number in _DATE_FORMATS if not code else bool(re.search(r"[ydhs]|m(?!m*%)", plain.lower()))
    if dated and "general" not in plain.lower() and "[h" not in code.lower() and -1 < value < 2_958_466:
        timed = number in _TIME_FORMATS or number == 22 or bool(re.search(r"[hs]", plain.lower()))
        return _moment(value, timed, from_1904)
    if number in (9, 10) or "%" in plain:
        return f"{number_text(round(value * 100, 10))}%"
    found = _CURRENCY.search(re.sub(r"\\.|_.", "", code.split(";")[0]))
    sign = (found[1] or found[2]).strip() if found else ""
    return f"{sign}{number_text(value)}" if sign in ("$", "€", "£", "¥", "₹") else number_text(value)


def _moment(value: float, timed: bool, from_1904: bool) -> str:
    """A serial day as ISO; day 60 of 1900 never was, so days before March 1900 are one later."""
    if value < 1 and not from_1904:
        seconds = round(value * 86_400)
        return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
    base = date(1904, 1, 1) if from_1904 else date(1899, 12, 31 if value < 60 else 30)
    moment = datetime.combine(base, time()) + timedelta(seconds=round(value * 86_400))
    return moment.isoformat(" ") if timed or moment.hour or moment.minute or moment.second else f"{moment:%Y-%m-%d}"


def number_text(value: float) -> str:
    """A binary number as its shortest decimal, whole ones without a point."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _ods(archive: zipfile.ZipFile) -> Iterator[tuple[str, Iterator[Row]]]:
    """Source: OASIS OpenDocument 1.3 part 3, section 9. A sheet's rows are gathered as its element ends."""
    with archive.open("content.xml") as file:
        for table in _elements(file, "table"):
            yield _attribute(table, "name"), _ods_rows(table)


def _ods_rows(table: Element) -> Iterator[Row]:
    for element in table.iter():
        if _local(element) != "table-row":
            continue
        row: Row = []
        for cell in element:
            if _local(cell) not in ("table-cell", "covered-table-cell"):
                continue
            value = _ods_value(cell)
            times = int(_attribute(cell, "number-columns-repeated") or 1)
            row.extend([value] * min(times, _MOST_EMPTY))
            if len(row) > _MOST_EMPTY:
                break
        while row and row[-1] is None:
            row.pop()
        times = int(_attribute(element, "number-rows-repeated") or 1)
        for _ in range(times if row else 1):
            yield row


def _ods_value(cell: Element) -> str | None:
    kind = _attribute(cell, "value-type")
    if kind in ("float", "percentage", "currency"):
        value = float(_attribute(cell, "value"))
        if kind == "percentage":
            return f"{number_text(round(value * 100, 10))}%"
        sign = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}.get(_attribute(cell, "currency"), "")
        return f"{sign}{number_text(value)}"
    if kind == "date":
        return _attribute(cell, "date-value").replace("T", " ") or None
    if kind == "boolean":
        return _attribute(cell, "boolean-value")
    paragraphs = ["".join(child.itertext()) for child in cell if _local(child) == "p"]
    return "\n".join(paragraphs) or None
