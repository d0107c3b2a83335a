"""What model calls spent. Higher floors call ``record`` once a call has ended, also a broken one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from portal.models import Credential, UsageRecord, User, Workspace
from portal.prepared import insert
from portal.providers.types import Usage


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
) -> UsageRecord:
    """One call as it is kept, not saved yet. ``purpose``: answer, condense, title, embed or test."""
    return UsageRecord(
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


def record(**spent: Any) -> UsageRecord:
    """Keep one call; takes what ``row`` takes."""
    made = row(**spent)
    made.save(force_insert=True)
    return made


def record_all(rows: Iterable[UsageRecord]) -> None:
    """Keep many calls at once."""
    insert(rows)
