"""Where messages stand in their conversation: which answer a question follows, and what is above it. Blocking."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from assistants.answering.spec import Said
from assistants.errors import Refused
from assistants.models import Conversation, Message
from assistants.presenting import shown_answers
from assistants.specs import BUILT_IN
from portal.models import Membership

LONGEST_PATH = 24
"""Messages of the branch that are looked at for history; the prompt's budget is spent long before."""


def followed(conversation: Conversation, parent: Message | UUID | None) -> UUID | None:
    """The answer that the next question follows: ``parent``, which has to be one of this conversation's, else its head. A query
    where there is a parent. Raises Refused.

    What stands above a question is told to the model, so that another conversation's would be read by whoever asks.
    """
    if parent is None:
        return conversation.head_id
    key = parent.pk if isinstance(parent, Message) else parent
    if not conversation.messages.filter(pk=key, role=Message.Role.ASSISTANT).exists():
        raise Refused("not_found", "There is no such answer in this conversation. Ask at its end.")
    return key


def above(messages: Sequence[Message]) -> list[Message]:
    """What stands above these messages and is not among them, oldest first: questions with their text, answers without. One
    query, where anything is missing."""
    there = {message.pk for message in messages}
    leaves = {message.parent_id for message in messages if message.parent_id and message.parent_id not in there}
    if not leaves:
        return []
    path = Message.objects.raw(
        """
        WITH RECURSIVE path AS (
            SELECT m.id, m.parent_id, 1 AS depth FROM assistants_message m WHERE m.id = ANY(%s)
            UNION ALL
            SELECT m.id, m.parent_id, path.depth + 1 FROM assistants_message m JOIN path ON m.id = path.parent_id
            WHERE path.depth < %s
        )
        SELECT m.id, m.parent_id, m.role, CASE WHEN m.role = 'user' THEN m.content ELSE '' END AS content
        FROM assistants_message m WHERE m.id IN (SELECT id FROM path) ORDER BY m.created, m.id
        """,
        [list(leaves), LONGEST_PATH],
    )
    return [message for message in path if message.pk not in there]


def said_above(asker: Membership, leaf: UUID | None, who: UUID | None) -> list[Said]:
    """The branch down to ``leaf``, oldest first, as its reader may see it today. Answers of others than ``who`` are named."""
    if leaf is None:
        return []
    path = Message.objects.raw(
        """
        WITH RECURSIVE path AS (
            SELECT m.id, m.parent_id, 1 AS depth FROM assistants_message m WHERE m.id = %s
            UNION ALL
            SELECT m.id, m.parent_id, path.depth + 1 FROM assistants_message m JOIN path ON m.id = path.parent_id
            WHERE path.depth < %s
        )
        SELECT m.*, v.name AS by FROM assistants_message m JOIN path ON m.id = path.id
        LEFT JOIN assistants_assistantversion v ON v.id = m.version_id ORDER BY path.depth DESC
        """,
        [leaf, LONGEST_PATH],
    )
    messages = [m for m in path if m.content]
    shown = shown_answers(asker, messages)
    return [
        Said("assistant", shown[m.pk].content, "" if m.assistant_id == who else m.by or BUILT_IN)  # type: ignore[attr-defined]
        if m.pk in shown
        else Said("user", m.content)
        for m in messages
    ]
