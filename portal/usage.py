"""What model calls spent. Higher floors call ``record`` once a call has ended, also a broken one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction

from portal.models import Credential, UsageRecord, User, Workspace
from portal.prepared import insert
from portal.providers.types import Usage
from portal.spending import holding, prices


def row(
    *,
    workspace: Workspace,
    purpose: str,
    vendor: str,
    model: str,
    usage: Usage,
    user: User | None = None,
    credential: Credential | None = None,
    assistant: UUID | None = None,
    message: UUID | None = None,
    hold: UUID | None = None,
) -> UsageRecord:
    """One call as it is kept, not saved yet. ``purpose``: answer, condense, sql, title, embed or test.

    ``hold``: what was reserved for it (see portal.spending); it is let go when the row is recorded.
    """
    made = UsageRecord(
        workspace=workspace,
        user=user,
        credential=credential,
        purpose=purpose,
        vendor=vendor,
        model=model,
        assistant=assistant,
        message=message,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        exact=usage.exact,
    )
    made.hold = hold
    return made


def record(**spent: Any) -> UsageRecord:
    """Keep one call; takes what ``row`` takes."""
    made = row(**spent)
    record_all([made])
    return made


def record_all(rows: Iterable[UsageRecord]) -> None:
    """Keep calls with what they cost, and settle what was held for them, all or none."""
    rows = list(rows)
    if not rows:
        return
    prices.price_all(rows)
    held = [
        holding.Settling(row.hold, row.input_tokens + row.output_tokens, row.cost)
        for row in rows
        if row.hold is not None
    ]
    with transaction.atomic():
        insert(rows)
        holding.settle(held)
