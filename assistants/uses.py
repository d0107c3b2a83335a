"""What people asked by hand, day by day: one row for each person, assistant and day, kept as answers end.

An answer counts where its question was asked in the portal, and it was completed or was stopped with some text. What comes
through the API, evaluations, schedules and trials never does. An answer that was asked for again counts again. The day is
that on which it ended, in the installation's time zone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from assistants.models import Message
from portal.models import Workspace
from portal.prepared import statement


@dataclass(frozen=True, slots=True)
class Use:
    """One answer that counts. ``assistant`` None is the plain one; ``found`` False: nothing in the sources answers it."""

    workspace: UUID
    assistant: UUID | None
    user: int
    found: bool | None


def counts(via: str, status: str, content: str) -> bool:
    """Whether an answer that ended so is use by a person. The same stands in SQL below."""
    if via != "portal":
        return False
    return status == Message.Status.COMPLETED or (status == Message.Status.STOPPED and bool(content))


def count(uses: Iterable[Use], ended: datetime) -> None:
    """Keep them, in the caller's transaction. One statement for however many, or none."""
    asked: Counter[tuple[UUID, UUID | None, int]] = Counter()
    unanswered: Counter[tuple[UUID, UUID | None, int]] = Counter()
    for use in uses:
        key = (use.workspace, use.assistant, use.user)
        asked[key] += 1
        unanswered[key] += use.found is False
    if not asked:
        return
    # In one order everywhere, so that two processes never wait for each other's rows.
    keys = sorted(asked, key=str)
    statement(
        """
            INSERT INTO assistants_useday AS kept (workspace_id, assistant_id, user_id, day, questions, unanswered)
            SELECT w.workspace, w.assistant, w.person, $1::date, w.asked, w.unanswered
            FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::int[], $6::int[])
                 AS w (workspace, assistant, person, asked, unanswered)
            ON CONFLICT (workspace_id, assistant_id, user_id, day) DO UPDATE
            SET questions = kept.questions + EXCLUDED.questions, unanswered = kept.unanswered + EXCLUDED.unanswered
            """,
        [
            timezone.localdate(ended),
            [workspace for workspace, _, _ in keys],
            [assistant for _, assistant, _ in keys],
            [user for _, _, user in keys],
            [asked[key] for key in keys],
            [unanswered[key] for key in keys],
        ],
    )


@transaction.atomic
def rebuild(workspace: Workspace | None = None) -> int:
    """Count anew from the messages that there are, of one workspace or of all; gives how many rows that makes.

    Answers that end meanwhile wait, so that each is counted once. What was counted of conversations that were deleted since
    is lost.
    """
    only = None if workspace is None else workspace.pk
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE assistants_useday IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(
            "DELETE FROM assistants_useday WHERE %(only)s::uuid IS NULL OR workspace_id = %(only)s", {"only": only}
        )
        cursor.execute(
            """
            INSERT INTO assistants_useday (workspace_id, assistant_id, user_id, day, questions, unanswered)
            SELECT c.workspace_id, m.assistant_id, m.author_id, (m.finished AT TIME ZONE %(zone)s)::date,
                   count(*), count(*) FILTER (WHERE m.found IS FALSE)
            FROM assistants_message m JOIN assistants_conversation c ON c.id = m.conversation_id
            WHERE m.role = 'assistant' AND m.via = 'portal' AND m.author_id IS NOT NULL AND m.finished IS NOT NULL
              AND (m.status = 'completed' OR (m.status = 'stopped' AND m.content <> ''))
              AND (%(only)s::uuid IS NULL OR c.workspace_id = %(only)s)
            GROUP BY 1, 2, 3, 4
            """,
            {"only": only, "zone": settings.TIME_ZONE},
        )
        return cursor.rowcount
