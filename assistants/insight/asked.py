"""What one assistant, or many, were asked of late: as topics, and what they could not answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection
from django.db.models import F, Q

from assistants.insight.topics import LEAST_PEOPLE, Question, Topics, topics_of
from assistants.likeness.questions import unpacked
from assistants.models import Conversation, Feedback, Message
from portal.models import Membership

NEWEST = 2000
"""Questions that topics are made of."""
MOST_UNANSWERED = 1000
MOST_SHOWN = 20

# The newest of each assistant by its index, so that one that is asked all day does not crowd out the others.
_QUESTIONS = """
    SELECT q.assistant_id, q.space, q.vector, question.author_id, left(question.content, 2000),
           EXISTS (SELECT 1 FROM assistants_message answer WHERE answer.parent_id = q.message_id
                   AND answer.role = 'assistant' AND answer.found IS FALSE)
    FROM unnest(%(assistants)s::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT v.message_id, v.assistant_id, v.space, v.vector, v.created FROM assistants_questionvector v
        WHERE v.assistant_id = wanted.id AND v.created >= %(since)s ORDER BY v.created DESC LIMIT %(each)s
    ) q
    JOIN assistants_message question ON question.id = q.message_id
    WHERE question.author_id IS NOT NULL
"""
_UNANSWERED = """
    SELECT answer.id, question.author_id, left(question.content, 2000), answer.created
    FROM unnest(%(assistants)s::uuid[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT m.id, m.parent_id, m.created FROM assistants_message m
        WHERE m.assistant_id = wanted.id AND m.role = 'assistant' AND m.via = 'portal' AND m.found IS FALSE
          AND m.created >= %(since)s ORDER BY m.created DESC LIMIT %(each)s
    ) answer
    JOIN assistants_message question ON question.id = answer.parent_id AND question.role = 'user'
    WHERE question.author_id IS NOT NULL
    ORDER BY answer.created DESC
"""


@dataclass(frozen=True, slots=True)
class Unmet:
    """A question that found no answer. ``people`` asked it, word for word; or its author ``shared`` it."""

    text: str
    people: int
    shared: bool
    newest: datetime


@dataclass(frozen=True, slots=True)
class Unanswered:
    """``hidden``: how many more there are that nobody but their author may read."""

    shown: Sequence[Unmet]
    number: int
    hidden: int


def topics(assistants: Sequence[UUID], since: datetime) -> Topics:
    """Of the newest questions to these assistants. One query. Vectors of another embedding model than most are left out."""
    rows = _rows(_QUESTIONS, assistants, since, NEWEST)
    spaces: dict[str, int] = defaultdict(int)
    for row in rows:
        spaces[row[1]] += 1
    space = max(spaces, key=lambda name: spaces[name], default="")
    used = [row for row in rows if row[1] == space]
    if not used:
        return Topics([], 0)
    questions = [Question(person, text, unanswered) for _a, _s, _v, person, text, unanswered in used]
    return topics_of(questions, np.stack([unpacked(row[2]) for row in used]))


def unanswered(assistants: Sequence[UUID], since: datetime, reader: Membership | None) -> Unanswered:
    """The texts are those that this reader may see: shared with them, or asked by three people in the same words.

    No reader is an operator, who is no member: only what three people asked.
    """
    rows = _rows(_UNANSWERED, assistants, since, MOST_UNANSWERED)
    shared = _shared([row[0] for row in rows], reader) if reader else set()
    alike: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        alike[_plain(row[2])].append(row)
    shown, hidden = [], 0
    for group in alike.values():
        people = {person for _answer, person, _text, _at in group}
        open_ones = [row for row in group if row[0] in shared]
        if len(people) >= LEAST_PEOPLE:
            shown.append(Unmet(group[0][2], len(people), bool(open_ones), group[0][3]))
        elif open_ones:
            shown.append(Unmet(open_ones[0][2], len({row[1] for row in open_ones}), True, open_ones[0][3]))
            hidden += len(group) - len(open_ones)
        else:
            hidden += len(group)
    shown.sort(key=lambda one: (one.people, one.newest), reverse=True)
    return Unanswered(shown[:MOST_SHOWN], len(rows), hidden)


def _shared(answers: Sequence[UUID], reader: Membership) -> set[UUID]:
    """Those whose conversation this reader may open, or whose asker sent it along with their feedback. Two queries."""
    # Of these conversations alone: whatever a reader may open in a large workspace is no short list.
    theirs = Message.objects.filter(pk__in=answers).order_by()
    mine = Conversation.objects.visible_to(reader).filter(pk__in=theirs.values("conversation")).values("pk")
    rows = theirs.filter(conversation__in=mine).values_list("pk", flat=True)
    sent = Feedback.objects.filter(sent_along(), message__in=answers).values_list("message", flat=True)
    return {*rows, *sent}


def sent_along() -> Q:
    """Feedback whose author owns the conversation, and lets the assistant's owners and admins read it."""
    return Q(include_conversation=True, user=F("message__conversation__owner"))


def _plain(text: str) -> str:
    """What two people typed who asked the same, but for capitals, spaces and the end of the sentence."""
    return " ".join(text.casefold().split()).rstrip("?!. ")


def _rows(sql: str, assistants: Sequence[UUID], since: datetime, most: int) -> list[Any]:
    if not assistants:
        return []
    each = max(50, most // len(assistants))
    with connection.cursor() as cursor:
        cursor.execute(sql, {"assistants": list(assistants), "since": since, "each": each})
        return list(cursor.fetchall())[:most]
