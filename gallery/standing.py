"""Keeps every assistant's standing as the formula of gallery/ranking.py has it, in a few statements for however many.

What is computed anew each minute: assistants that somebody asked for the first time on that day, those that were judged, and
once a day all of them, as use ages. Nothing waits for it but a page that shows the rank.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from assistants.models import Assistant
from gallery import ranking
from gallery.models import Standing
from portal.events import AnswerJudged, handles
from portal.models import Workspace

_DUE = """
    WITH recent AS (
        SELECT assistant_id, count(*) AS rows FROM assistants_useday
        WHERE workspace_id = %(workspace)s AND day BETWEEN %(on)s::date - 1 AND %(on)s AND assistant_id IS NOT NULL
        GROUP BY 1
    ), known AS (SELECT * FROM gallery_standing WHERE workspace_id = %(workspace)s)
    SELECT COALESCE(known.assistant_id, recent.assistant_id)
    FROM known FULL JOIN recent USING (assistant_id)
    WHERE known.assistant_id IS NULL OR known.due OR known.on <> %(on)s OR known.recent <> COALESCE(recent.rows, 0)
"""

# ``spans``: a bit for each span of days in which the person asked.
_COMPUTE = """
    WITH wanted AS (SELECT unnest(%(ids)s::uuid[]) AS id),
    people AS (
        SELECT assistant_id, user_id, max(day) AS last, bit_or(1 << ((%(on)s::date - day) / %(span)s)) AS spans,
               count(*) FILTER (WHERE day >= %(on)s::date - 1) AS recent
        FROM assistants_useday
        WHERE workspace_id = %(workspace)s AND day > %(on)s::date - %(window)s AND day <= %(on)s
              AND assistant_id = ANY(%(ids)s)
        GROUP BY 1, 2
    ), used AS (
        SELECT assistant_id, count(*) AS people, sum(recent) AS recent,
               sum(power(0.5::float8, (%(on)s::date - last)::float8 / %(half)s)) AS damped,
               ARRAY[{spans}]::int[] AS trend
        FROM people GROUP BY 1
    ), thumbs AS (
        SELECT DISTINCT ON (v.assistant_id, f.user_id) v.assistant_id, f.up
        FROM assistants_assistantversion v
        JOIN assistants_feedback f ON f.version_id = v.id
        JOIN assistants_message m ON m.id = f.message_id
        WHERE v.assistant_id = ANY(%(ids)s) AND m.via = 'portal'
        ORDER BY v.assistant_id, f.user_id, f.created DESC, f.id DESC
    ), judged AS (
        SELECT assistant_id, count(*) FILTER (WHERE up) AS ups, count(*) FILTER (WHERE NOT up) AS downs
        FROM thumbs GROUP BY 1
    ), ranked AS (
        SELECT w.id, COALESCE(u.people, 0) AS people, COALESCE(u.damped, 0) AS damped, COALESCE(u.recent, 0) AS recent,
               COALESCE(u.trend, array_fill(0, ARRAY[{number}])) AS trend,
               COALESCE(j.ups, 0) AS ups, COALESCE(j.downs, 0) AS downs,
               (COALESCE(j.ups, 0) + %(prior)s::float8) / (COALESCE(j.ups, 0) + COALESCE(j.downs, 0) + %(thumbs)s) AS approval
        FROM wanted w JOIN assistants_assistant a ON a.id = w.id AND a.workspace_id = %(workspace)s
        LEFT JOIN used u ON u.assistant_id = w.id LEFT JOIN judged j ON j.assistant_id = w.id
    )
    INSERT INTO gallery_standing AS kept (assistant_id, workspace_id, score, people, damped, trend, ups, downs, approval,
                                          "on", recent, due, updated)
    SELECT id, %(workspace)s, damped * approval, people, damped, trend, ups, downs, approval, %(on)s, recent, false, now()
    FROM ranked ORDER BY id
    ON CONFLICT (assistant_id) DO UPDATE SET
        score = EXCLUDED.score, people = EXCLUDED.people, damped = EXCLUDED.damped, trend = EXCLUDED.trend,
        ups = EXCLUDED.ups, downs = EXCLUDED.downs, approval = EXCLUDED.approval, "on" = EXCLUDED."on",
        recent = EXCLUDED.recent, due = false, updated = now()
""".format(  # noqa: S608  numbers of ours
    spans=", ".join(f"sum(spans >> {span} & 1)" for span in reversed(range(ranking.SPANS))), number=ranking.SPANS
)


@transaction.atomic
def refresh(workspace: UUID, on: date | None = None, only: Iterable[UUID] | None = None) -> int:
    """Bring up to date what changed since it was last computed, or just ``only``; gives how many were computed.

    ``on``: the day that counts as today. Where another process is at it, nothing is done: it goes on in a minute.
    """
    on = on or timezone.localdate()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('gallery_standing'), hashtext(%s))", [str(workspace)])
        if not cursor.fetchone()[0]:
            return 0
        ids = list(only) if only is not None else _due(workspace, on)
        if not ids:
            return 0
        # Whoever judges meanwhile waits for this row, and marks it again; who did before is seen by the next statement.
        Standing.objects.filter(assistant__in=ids, due=True).update(due=False)
        cursor.execute(
            _COMPUTE,
            {
                "ids": ids,
                "workspace": workspace,
                "on": on,
                "window": ranking.WINDOW_DAYS,
                "half": float(ranking.HALF_LIFE_DAYS),
                "span": ranking.SPAN_DAYS,
                "prior": ranking.PRIOR * ranking.PRIOR_THUMBS,
                "thumbs": ranking.PRIOR_THUMBS,
            },
        )
        return cursor.rowcount


def _due(workspace: UUID, on: date) -> list[UUID]:
    """The first time on a day: all that there are."""
    if not Standing.objects.filter(workspace=workspace, on=on).exists():
        return list(Assistant.objects.filter(workspace=workspace).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"workspace": workspace, "on": on})
        return [key for (key,) in cursor.fetchall()]


def refresh_all(*, everything: bool = False, workspace: Workspace | None = None) -> int:
    """Every workspace or one, each in a transaction of its own. ``everything``: also what seems to be up to date."""
    done = 0
    wanted = [workspace.pk] if workspace else Workspace.objects.values_list("pk", flat=True)
    for key in wanted:
        every = Assistant.objects.filter(workspace=key).values_list("pk", flat=True) if everything else None
        done += refresh(key, only=every)
    return done


@handles(AnswerJudged)
def _judged(event: AnswerJudged) -> None:
    """Marked with the thumb, so that it is never forgotten; computed at once where nobody else is at it."""
    row = Standing(assistant_id=event.assistant, workspace_id=event.workspace, on=timezone.localdate(), due=True)
    Standing.objects.bulk_create([row], update_conflicts=True, unique_fields=["assistant"], update_fields=["due"])
    transaction.on_commit(lambda: refresh(event.workspace, only=[event.assistant]), robust=True)
