"""Conversations as tests need them: rows, without a run behind them."""

from __future__ import annotations

from typing import Any

from assistants.models import Citation, Conversation, EventBatch, Message
from datasources.models import Document, Node
from portal.models import Membership


def conversation(owner: Membership, title: str = "Holidays", **more: Any) -> Conversation:
    return Conversation.objects.create(workspace=owner.workspace, owner=owner.user, title=title, **more)


def question(row: Conversation, text: str = "How many days?", parent: Message | None = None) -> Message:
    made = Message.objects.create(
        conversation=row, parent=parent, role=Message.Role.USER, author=row.owner, content=text
    )
    return _head(row, made)


def answer(row: Conversation, parent: Message, text: str = "27 days.", **more: Any) -> Message:
    made = Message.objects.create(
        conversation=row,
        parent=parent,
        role=Message.Role.ASSISTANT,
        author=row.owner,
        content=text,
        model="quotes/quotes",
        **more,
    )
    return _head(row, made)


def exchange(row: Conversation, text: str = "27 days.", **more: Any) -> Message:
    """A question and its answer, at the end of the conversation."""
    return answer(row, question(row, parent=row.head), text, **more)


def cite(message: Message, node: Node, n: int = 1, *, start: int = 0, end: int = 20, cited: bool = True) -> Citation:
    document = Document.objects.get(node=node)
    return Citation.objects.create(
        message=message,
        n=n,
        cited=cited,
        source=node.source_id,
        node=node.pk,
        start=start,
        end=end,
        content_hash=document.content_hash,
    )


def step(message: Message, text: str) -> None:
    last = message.event_batches.order_by("-last").values_list("last", flat=True).first() or 0
    data = {"kind": "search", "text": text}
    events = [
        {"seq": last + 1, "type": "step", "data": data},
        {"seq": last + 2, "type": "token", "data": {"text": "a token"}},
    ]
    EventBatch.objects.create(message=message, first=last + 1, last=last + 2, events=events)


def noted(message: Message, kind: str, note: str) -> None:
    """An event of this type that carries a note."""
    last = message.event_batches.order_by("-last").values_list("last", flat=True).first() or 0
    events = [{"seq": last + 1, "type": kind, "data": {"note": note}}]
    EventBatch.objects.create(message=message, first=last + 1, last=last + 1, events=events)


def _head(row: Conversation, message: Message) -> Message:
    row.head = message
    row.save(update_fields=["head"])
    return message
