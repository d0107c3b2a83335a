"""Reading the audit log: what to look for, what changed in words, and all of it as CSV. Writing it: portal/audit.py."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from portal.models import AuditEvent, Workspace
from portal.spreadsheets import as_cell

MOST_EXPORTED = 100_000
COLUMNS = ("at", "actor_name", "via", "action", "object_type", "object_id", "object_name", "before", "after")
SURFACES = {"portal": "Portal", "admin": "Admin", "api": "API", "command": "Command", "system": "Atrium itself"}

# Jumps from one action to the next by the index, however many events each has: DISTINCT would read them all.
_ACTIONS = """
    WITH RECURSIVE known AS (
        (SELECT action FROM portal_auditevent WHERE workspace_id = %(workspace)s ORDER BY action LIMIT 1)
        UNION ALL
        SELECT (SELECT e.action FROM portal_auditevent e
                WHERE e.workspace_id = %(workspace)s AND e.action > known.action ORDER BY e.action LIMIT 1)
        FROM known WHERE known.action IS NOT NULL
    )
    SELECT action FROM known WHERE action IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One field of what was changed. ``changed`` is false where it is told only for context."""

    name: str
    before: str
    after: str
    changed: bool


def changes(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[Change]:
    """What the deed changed, field by field, in the order in which it was told; what stayed the same comes last."""
    old, new = before or {}, after or {}
    told = [
        Change(_words(name), shown(old.get(name)), shown(new.get(name)), old.get(name) != new.get(name))
        for name in dict.fromkeys([*old, *new])
    ]
    return sorted(told, key=lambda one: not one.changed)


def shown(value: Any) -> str:
    """A value as a person reads it."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{_words(name)} {shown(one)}" for name, one in value.items())
    return str(value)


def _words(name: str) -> str:
    return str(name).replace("_", " ")


def actions(workspace: Workspace) -> list[str]:
    """The kinds of deeds that were done in this workspace, in the order of the alphabet."""
    with connection.cursor() as cursor:
        cursor.execute(_ACTIONS, {"workspace": workspace.pk})
        return [action for (action,) in cursor.fetchall()]


def found(
    rows: QuerySet[AuditEvent],
    *,
    text: str = "",
    who: str = "",
    action: str = "",
    via: str = "",
    object_type: str = "",
    object_id: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[AuditEvent]:
    """What is empty does not narrow. ``action``: a kind of deed, or its noun alone (``assistant`` is all with assistants).

    ``who``: part of a name or of an e-mail address. ``until`` is not included.
    """
    if text:
        rows = rows.filter(Q(object_name__icontains=text) | Q(action__icontains=text) | Q(actor_name__icontains=text))
    if who:
        rows = rows.filter(Q(actor_name__icontains=who) | Q(actor__email__icontains=who))
    if action:
        rows = rows.filter(action=action) if "." in action else rows.filter(action__startswith=f"{action}.")
    same = {"via": via, "object_type": object_type, "object_id": object_id, "at__gte": since, "at__lt": until}
    return rows.filter(**{name: value for name, value in same.items() if value})


def moment(text: str, *, end: bool = False) -> datetime | None:
    """A day or a moment as ISO 8601 says it; with ``end``, a day's end. Raises ValidationError with a sentence."""
    if not text:
        return None
    try:
        day = parse_date(text)
        if day is not None:
            return _midnight(day + timedelta(days=1) if end else day)
        at = parse_datetime(text)
    except (ValueError, OverflowError):
        at = None
    if at is None:
        raise ValidationError(f"“{text[:40]}” is no day such as 2026-03-31 and no moment such as 2026-03-31T08:00:00Z.")
    return at if timezone.is_aware(at) else timezone.make_aware(at)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


class _Lines:
    """A file that gives each line back, so that a CSV writer can feed a stream."""

    def write(self, line: str) -> str:
        return line


def as_csv(rows: QuerySet[AuditEvent], most: int = MOST_EXPORTED) -> Iterator[str]:
    """Line by line, newest first, formulas escaped; where there is more than ``most``, the last line says so."""
    writer: Any = csv.writer(_Lines())
    yield writer.writerow(COLUMNS)
    for number, row in enumerate(_newest(rows, most + 1)):
        if number == most:
            yield writer.writerow(
                [as_cell(f"There is more: these are the newest {most}. Narrow it down for the rest.")]
            )
            return
        values = [row.at.isoformat(), *(getattr(row, name) for name in COLUMNS[1:])]
        yield writer.writerow([as_cell(value) for value in values])


def _newest(rows: QuerySet[AuditEvent], most: int) -> Iterable[AuditEvent]:
    return rows.select_related(None).order_by("-id")[:most].iterator(chunk_size=1000)
