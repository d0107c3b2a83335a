"""All that the owners of an assistant see of its use, for its page and for the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from assistants.insight import asked, cited, use
from assistants.insight.topics import Topics
from assistants.models import Assistant, Feedback, Message
from assistants.presenting import shown_answers
from portal.kept import kept
from portal.models import Membership

PERIODS = (7, 30, 90)
MOST_COMMENTS = 30
KEPT_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody said of an answer. ``who``, ``question`` and ``answer`` only where they sent the conversation along."""

    up: bool
    reason: str
    comment: str
    at: datetime
    version: int | None
    who: str = ""
    question: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Insight:
    """``worked_out``: when topics and passages were; the rest is of this moment."""

    days: Sequence[date]
    use: use.Days
    ups: Sequence[int]
    downs: Sequence[int]
    comments: Sequence[Comment]
    topics: Topics
    unanswered: asked.Unanswered
    cited: cited.Cited
    worked_out: datetime


def insight(reader: Membership, assistant: Assistant, number: int) -> Insight:
    """Of the last ``number`` days. The reader may edit the assistant: whoever calls has looked."""
    today = timezone.localdate()
    days = [today - timedelta(days=back) for back in reversed(range(number))]
    since = timezone.make_aware(datetime.combine(days[0], time.min))
    ups, downs = use.thumbs(use.thumbs_of_assistant(assistant), days)
    key = f"insight:{assistant.workspace_id}:{assistant.pk}:{number}:{today}"
    heavy = kept(key, lambda: _heavy(assistant.pk, assistant, since), seconds=KEPT_SECONDS)
    topics, counted = heavy.value
    return Insight(
        days=days,
        use=use.of_assistant(assistant, days),
        ups=ups,
        downs=downs,
        comments=comments(reader, assistant, since),
        topics=topics,
        unanswered=asked.unanswered([assistant.pk], since, reader),
        cited=cited.as_read_by(reader, assistant.live or assistant.latest, counted),
        worked_out=heavy.at,
    )


def _heavy(key: UUID, assistant: Assistant, since: datetime) -> tuple[Topics, list[cited.Counted]]:
    """What is the same for every reader, and takes long."""
    return asked.topics([key], since), cited.counted(assistant, since)


def comments(reader: Membership, assistant: Assistant, since: datetime) -> list[Comment]:
    """The newest thumbs that say more than up or down. A constant number of queries."""
    said = ~Q(comment="") | ~Q(reason="") | asked.sent_along()
    rows = list(
        use.thumbs_of_assistant(assistant)
        .filter(said, created__gte=since)
        .select_related("user", "version", "message__conversation", "message__parent")
        .order_by("-created")[:MOST_COMMENTS]
    )
    open_ones = [row.message for row in rows if _sent_along(row)]
    answers = shown_answers(reader, open_ones)
    return [_comment(row, answers[row.message_id].content if row.message_id in answers else "") for row in rows]


def _sent_along(row: Feedback) -> bool:
    return row.include_conversation and row.user_id == row.message.conversation.owner_id


def _comment(row: Feedback, answer: str) -> Comment:
    open_to_owners = _sent_along(row)
    question = _question_of(row.message) if open_to_owners else ""
    return Comment(
        up=row.up,
        reason=row.get_reason_display() if row.reason else "",
        comment=row.comment,
        at=row.created,
        version=row.version.number if row.version else None,
        who=str(row.user) if open_to_owners else "",
        question=question,
        answer=answer if open_to_owners else "",
    )


def _question_of(answer: Message) -> str:
    """Several assistants answer one question in a row: then its answers stand between."""
    question = answer.parent
    while question is not None and question.role == Message.Role.ASSISTANT:
        question = question.parent
    return question.content if question else ""
