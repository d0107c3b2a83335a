"""What a column of texts holds: read as numbers, dates or truth values where every cell allows it and no reading is a guess.

A cell is a text; each has the readings that it allows, and a column those that all its cells share. Where two readings
remain that mean different things (1,234 is a thousand or a little more than one; 03/04/2024 is in March or in April), the
column stays text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal

ColumnType = Literal["integer", "decimal", "boolean", "date", "timestamp", "text"]

# Readings.
EN, EU, TRUTH, YES_NO, ISO, DOTTED, DAY_FIRST, MONTH_FIRST, WORDS = (1 << n for n in range(9))
_NUMBER, _DATE = EN | EU, ISO | DOTTED | DAY_FIRST | MONTH_FIRST | WORDS
_ALL = _NUMBER | TRUTH | YES_NO | _DATE

# What a cell gives to think about.
COMMA_THREE, DOT_THREE, LARGE, TIMED, DAY, ZONED, UNZONED, SAYS_YES, SAYS_NO, POINT, COMMA, EXPONENT = (
    1 << n for n in range(12)
)

NULLS = frozenset({"", "NULL", "null", "\\N", "#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"})
"""Nothing, whatever the column."""
_MISSING = frozenset({"n/a", "na", "nan", "none", "-", "–", "—", "."})
"""Nothing in a column of numbers or dates; in one of texts these are texts."""

_CURRENCY = r"[$€£¥₹]|(?:USD|EUR|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CAD|AUD)"
_AMOUNT = re.compile(
    rf"(?P<open>\()?(?P<sign>-?)[ \u00a0]?(?P<before>{_CURRENCY})?[ \u00a0]?(?P<inner>-?)"
    rf"(?P<number>\d[\d.,\u00a0\u202f'’]*(?:[eE][+-]?\d+)?|\.\d+)[ \u00a0\u202f]?(?P<after>%|{_CURRENCY})?(?P<close>\))?"
)
_PLAIN = re.compile(r"(?:0|[1-9]\d*)")
_DOT_DECIMAL = re.compile(r"(?:0|[1-9]\d*)?\.\d+")
_SCIENTIFIC = re.compile(r"(?:0|[1-9]\d*)(?:\.\d+[eE][+-]?\d+|[eE][+-]\d+)")
_COMMA_GROUPS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_DOT_GROUPS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?")
_COMMA_DECIMAL = re.compile(r"(?:0|[1-9]\d*),\d+")
_MOST_DIGITS = 18

_CLOCK = r"(?:[T ]{1,2}(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)(?P<zone> ?Z|[ ]?UTC|[+-]\d{2}:?\d{2})?)?"
_ISO_DATE = re.compile(rf"(?P<y>\d{{4}})([-/])(?P<m>\d{{2}})\2(?P<d>\d{{2}}){_CLOCK}")
_DOT_DATE = re.compile(rf"(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}}){_CLOCK}")
_SLASH_DATE = re.compile(rf"(?P<a>\d{{1,2}})([/-])(?P<b>\d{{1,2}})\2(?P<y>\d{{4}}){_CLOCK}")
_WORD_DATE = re.compile(
    rf"(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?[ -](?P<m1>[A-Za-z]{{3,9}})\.?,?[ -](?P<y1>\d{{4}})"
    rf"|(?P<m2>[A-Za-z]{{3,9}})\.? (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y2>\d{{4}})){_CLOCK}"
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        [
            "jan january",
            "feb february",
            "mar march",
            "apr april",
            "may",
            "jun june",
            "jul july",
            "aug august",
            "sep sept september",
            "oct october",
            "nov november",
            "dec december",
        ],
        1,
    )
    for name in names.split()
}


@dataclass(frozen=True, slots=True)
class Reading:
    """``can``: readings; ``seen``: what there is to think about; ``unit``: a percent or currency sign beside a number."""

    can: int = 0
    seen: int = 0
    unit: str = ""


_TEXT = Reading()


def is_value(cell: str) -> bool:
    """Whether it reads as a number or a date, and as nothing else that a name could be ("No", "-")."""
    return reading_of(cell).can not in (0, TRUTH, YES_NO, _ALL)


@lru_cache(maxsize=20_000)
def reading_of(cell: str) -> Reading:
    """All readings that one cell allows; none: it is a text."""
    if len(cell) > 40:
        return _TEXT
    lower = cell.lower()
    if lower in _MISSING:
        return Reading(_ALL)
    if lower in ("true", "false"):
        return Reading(TRUTH)
    if lower in ("yes", "no"):
        return Reading(YES_NO, SAYS_YES if lower == "yes" else SAYS_NO)
    if not any(c.isdigit() for c in cell):
        return _TEXT
    found = _AMOUNT.fullmatch(cell)
    number = _as_number(found) if found else _TEXT
    return number if number.can else _as_date(cell)


def _as_number(found: re.Match[str]) -> Reading:
    before, after = found["before"] or "", found["after"] or ""
    if bool(found["open"]) != bool(found["close"]) or (before and after) or (found["sign"] and found["inner"]):
        return _TEXT
    number = re.sub("[\u00a0\u202f'’](?=\\d{3})", "", found["number"])
    can = seen = 0
    if sum(c.isdigit() for c in number) > _MOST_DIGITS and "." not in number:
        return _TEXT
    if _PLAIN.fullmatch(number):
        can, seen = EN | EU, LARGE if len(number) > 3 else 0
    elif _DOT_GROUPS.fullmatch(number):
        three = number.count(".") == 1 and "," not in number
        can, seen = (EN | EU, DOT_THREE | POINT) if three else (EU, COMMA if "," in number else 0)
    elif _DOT_DECIMAL.fullmatch(number):
        can, seen = EN, POINT
    elif _SCIENTIFIC.fullmatch(number):
        can, seen = EN, POINT | EXPONENT
    elif _COMMA_GROUPS.fullmatch(number):
        three = number.count(",") == 1 and "." not in number
        can, seen = (EN | EU, COMMA_THREE | COMMA) if three else (EN, POINT if "." in number else 0)
    elif _COMMA_DECIMAL.fullmatch(number):
        can, seen = EU, COMMA
    return Reading(can, seen, before or after) if can else _TEXT


def _as_date(cell: str) -> Reading:
    can = seen = 0
    for kind, _, time, zone in _dates(cell):
        can |= kind
        seen |= (TIMED | (ZONED if zone else UNZONED)) if time else DAY
    return Reading(can, seen) if can else _TEXT


def _dates(cell: str) -> list[tuple[int, date, str, str]]:
    """Every valid date that the cell can be: (reading, day, time, zone)."""
    if found := _ISO_DATE.fullmatch(cell):
        tries = [(ISO, found["y"], found["m"], found["d"])]
    elif found := _DOT_DATE.fullmatch(cell):
        tries = [(DOTTED, found["y"], found["m"], found["d"])]
    elif found := _SLASH_DATE.fullmatch(cell):
        tries = [
            (DAY_FIRST, found["y"], found["b"], found["a"]),
            (MONTH_FIRST, found["y"], found["a"], found["b"]),
        ]
    elif found := _WORD_DATE.fullmatch(cell):
        month = _MONTHS.get((found["m1"] or found["m2"]).lower(), 0)
        tries = [(WORDS, found["y1"] or found["y2"], str(month), found["d1"] or found["d2"])]
    else:
        return []
    out = []
    for kind, y, m, d in tries:
        try:
            out.append((kind, date(int(y), int(m), int(d)), found["time"] or "", found["zone"] or ""))
        except ValueError:
            continue
    return out


@dataclass(slots=True)
class Column:
    """Fed every cell of a column, then asked for its type. ``european``: the file parts its cells by semicolons."""

    european: bool = False
    can: int = _ALL
    seen: int = 0
    filled: int = 0
    nulls: int = 0
    missing: int = 0
    small: int = 0
    units: set[str] = field(default_factory=set)
    samples: list[str] = field(default_factory=list)
    # By the way of writing: the most digits before and after the mark.
    whole: dict[int, int] = field(default_factory=lambda: {EN: 1, EU: 1})
    scale: dict[int, int] = field(default_factory=lambda: {EN: 0, EU: 0})

    def feed(self, cell: str | None) -> None:
        if cell is None:
            self.nulls += 1
            return
        self.filled += 1
        if len(self.samples) < 5 and cell not in self.samples:
            self.samples.append(cell)
        if not self.can:
            return
        reading = reading_of(cell)
        if reading.can == _ALL:
            self.missing += 1
            return
        self.can &= reading.can
        self.seen |= reading.seen
        if reading.can & _NUMBER and self.can & _NUMBER:
            self._measure(cell, reading)

    def _measure(self, cell: str, reading: Reading) -> None:
        self.units.add(reading.unit)
        if not reading.seen & (LARGE | POINT | COMMA):
            self.small += 1
        digits = sum(c.isdigit() for c in cell)
        for way, mark, flag in ((EN, ".", POINT), (EU, ",", COMMA)):
            places = sum(c.isdigit() for c in cell.rpartition(mark)[2]) if reading.seen & flag else 0
            self.scale[way] = max(self.scale[way], places)
            self.whole[way] = max(self.whole[way], digits - places)

    def decided(self) -> Decided:
        """The one meaning that all cells allow, or text."""
        values = self.filled - self.missing
        if not values or not self.can:
            return Decided("text")
        if self.can & TRUTH:
            return Decided("boolean", TRUTH)
        if self.can & YES_NO:
            # A column of nothing but "no" may hold Norway.
            both = self.seen & SAYS_YES and self.seen & SAYS_NO
            return Decided("boolean", YES_NO) if both else Decided("text")
        return self._number() if self.can & _NUMBER else self._date()

    def _number(self) -> Decided:
        if len(self.units) > 1:
            return Decided("text")
        way = self.can & _NUMBER
        if way == _NUMBER:
            way = self._way()
            if not way:
                return Decided("text")
        unit = next(iter(self.units), "")
        if not self.seen & (POINT if way == EN else COMMA):
            return Decided("integer", way, unit)
        scale, digits = self.scale[way], self.whole[way] + self.scale[way]
        exact = not self.seen & EXPONENT and scale <= 6 and digits <= _MOST_DIGITS
        return Decided("decimal", way, unit, scale if exact else None)

    def _way(self) -> int:
        """Which of the two ways to write numbers, where each cell allows both; 0 where that would be a guess."""
        commas, dots = self.seen & COMMA_THREE, self.seen & DOT_THREE
        if not commas and not dots:
            return EN
        if commas and dots:
            return 0
        if dots:
            return 0 if self.european else EN
        # 1,200 beside 950 and nothing like 1200: thousands. Alone, it might be 1.2.
        return EN if not self.european and self.small and not self.seen & LARGE else 0

    def _date(self) -> Decided:
        way = self.can & _DATE
        # Day and month can't be told apart: 03/04/2024.
        if way & DAY_FIRST and way & MONTH_FIRST:
            return Decided("text")
        if self.seen & ZONED and self.seen & (UNZONED | DAY):
            return Decided("text")
        kind: ColumnType = "timestamp" if self.seen & TIMED else "date"
        return Decided(kind, way, "UTC" if self.seen & ZONED else "")


@dataclass(frozen=True, slots=True)
class Decided:
    """``scale``: digits after the point that are kept exactly; None: as a binary fraction."""

    type: ColumnType
    way: int = 0
    unit: str = ""
    scale: int | None = 0

    @property
    def sql(self) -> str:
        if self.type == "decimal":
            return "DOUBLE" if self.scale is None else f"DECIMAL(18,{self.scale})"
        kinds = {"integer": "BIGINT", "boolean": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMP"}
        return kinds.get(self.type, "VARCHAR")

    def canonical(self, cell: str | None) -> str | None:
        """The cell as DuckDB casts it."""
        if cell is None or self.type == "text":
            return cell
        lower = cell.lower()
        if lower in _MISSING:
            return None
        if self.type == "boolean":
            return "true" if lower in ("true", "yes") else "false"
        return _number_text(cell, self.way) if self.way & _NUMBER else _moment_text(cell, self.way)


def _number_text(cell: str, way: int) -> str:
    found = _AMOUNT.fullmatch(cell)
    assert found is not None
    number = re.sub("[\u00a0\u202f'’]", "", found["number"])
    number = number.replace(",", "") if way == EN else number.replace(".", "").replace(",", ".")
    return f"-{number}" if found["open"] or found["sign"] or found["inner"] else number


def _moment_text(cell: str, way: int) -> str:
    _, day, time, zone = next(found for found in _dates(cell) if found[0] & way)
    if not time:
        return day.isoformat()
    clock = time.replace(",", ".").zfill(5) if time[1] == ":" else time.replace(",", ".")
    if not zone:
        return f"{day} {clock}"
    offset = "+00:00" if zone.strip() in ("Z", "UTC") else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    base, _, fraction = clock.partition(".")
    moment = datetime.fromisoformat(f"{day}T{base}{offset}").astimezone(UTC).replace(tzinfo=None)
    return f"{moment:%Y-%m-%d %H:%M:%S}" + (f".{fraction[:6]}" if fraction else "")
