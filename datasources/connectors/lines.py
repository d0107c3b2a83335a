"""What is chosen, for connectors whose ids are no paths: the nearest line at or above a node decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from datasources.connectors.base import Chosen


class Lines:
    """Asked with a node's chain: its own external id first, then each one above it. The root need not be named."""

    def __init__(self, chosen: Sequence[Chosen]) -> None:
        self._lines = {line.external_id: line for line in chosen}
        if None not in self._lines:
            self._lines[None] = Chosen(None, include=not any(line.include for line in chosen))

    def all(self) -> Mapping[str | None, Chosen]:
        """By external id, None being the root, which is always there."""
        return self._lines

    def nearest(self, chain: Iterable[str]) -> Chosen:
        return next((self._lines[key] for key in chain if key in self._lines), self._lines[None])

    def takes(self, *chain: str, created: datetime | None = None) -> bool:
        """``created``: where it is known, "not what is added later" is obeyed."""
        line = self.nearest(chain)
        return line.include and not (not line.future and is_later(created, line.options))

    def options(self, *chain: str) -> Mapping[str, Any]:
        return self.nearest(chain).options

    def named(self, prefix: str, *, include: bool) -> list[str]:
        """Ids that lines of this sort name themselves."""
        return sorted(
            key for key, line in self._lines.items() if key and key.startswith(prefix) and line.include == include
        )


def is_later(created: datetime | None, options: Mapping[str, Any]) -> bool:
    """Whether it was made after the line above it was chosen (``chosen_at``, ISO)."""
    chosen_at = moment(options.get("chosen_at"))
    return created is not None and chosen_at is not None and created > chosen_at


def moment(value: object) -> datetime | None:
    """An aware time from ISO text, Unix seconds or milliseconds; None where it is none of these."""
    if isinstance(value, bool) or value in (None, ""):
        return None
    try:
        if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit() and len(value) > 8):
            number = float(value)
            return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
        found = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
