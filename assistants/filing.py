"""A person's conversations as the rail and the list show them, and what one does there: rename, pin, put away.

None of the verbs touches ``updated``: a conversation that was renamed does not move to the top.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from assistants.models import Conversation, Feedback, Message
from portal.models import Membership

MOST_IN_RAIL = 30
MOST_IN_LIST = 200


@dataclass(frozen=True, slots=True)
class Group:
    label: str
    conversations: list[Conversation]


def conversations_of(membership: Membership, text: str = "", *, archived: bool = False) -> QuerySet[Conversation]:
    """One's own and those shared with one, newest first. ``text`` looks in titles and in questions. Asks for the latter first."""
    # What was shared with everybody is not everybody's own list: it shows for those who were named. By their ids, as each of
    # the two has an index, and a join over both would read all conversations that there are.
    named = Conversation.shared_with.through._default_manager.filter(user=membership.user_id)
    mine = Q(owner=membership.user_id)
    if shared := list(named.values_list("conversation", flat=True)):
        mine |= Q(pk__in=shared)
    found = Conversation.objects.filter(mine, workspace=membership.workspace_id, archived__isnull=not archived)
    for word in text.split()[:8]:
        questions = Message.objects.filter(conversation=OuterRef("pk"), role=Message.Role.USER, content__icontains=word)
        found = found.filter(Q(title__icontains=word) | Exists(questions))
    return found.select_related("assistant__live").order_by("-updated")


def _label(conversation: Conversation, membership: Membership, midnight: datetime) -> str:
    if conversation.pinned and conversation.owner_id == membership.user_id:
        return "Pinned"
    for label, since in (
        ("Today", midnight),
        ("Yesterday", midnight - timedelta(days=1)),
        ("This week", midnight - timedelta(days=7)),
    ):
        if conversation.updated >= since:
            return label
    return "Older"


def grouped(membership: Membership, found: QuerySet[Conversation], limit: int) -> list[Group]:
    """At most ``limit`` conversations in their groups; those that are pinned come first, however old. One query.

    They are on every page, so that no more of them is read than lists show.
    """
    found = found.only("title", "pinned", "updated", "owner", "assistant__live__emoji", "assistant__live__name")
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    rows = sorted(
        found.order_by("-pinned", "-updated")[:limit],
        key=lambda c: (_label(c, membership, midnight) != "Pinned", -c.updated.timestamp()),
    )
    groups: dict[str, list[Conversation]] = {}
    for row in rows:
        groups.setdefault(_label(row, membership, midnight), []).append(row)
    return [Group(label, conversations) for label, conversations in groups.items()]


def rename(conversation: Conversation, title: str) -> None:
    """A title by a person is never replaced by a made one."""
    conversation.title, conversation.title_by_person = title, True
    _save(conversation, "title", "title_by_person")


def pin(conversation: Conversation, on: bool) -> None:
    conversation.pinned = on
    _save(conversation, "pinned")


def archive(conversation: Conversation, on: bool) -> None:
    """Out of the lists, or back; its address keeps working."""
    conversation.archived = timezone.now() if on else None
    _save(conversation, "archived")


@dataclass(frozen=True, slots=True)
class Loss:
    """What goes with a conversation that is deleted. ``readers``: whom it is shared with by name."""

    questions: int
    answers: int
    thumbs: int
    readers: list[str]


def what_goes(conversation: Conversation) -> Loss:
    """Three queries."""
    counted = conversation.messages.aggregate(
        questions=Count("pk", filter=Q(role=Message.Role.USER)), answers=Count("pk", filter=~Q(role=Message.Role.USER))
    )
    return Loss(
        **counted,
        thumbs=Feedback.objects.filter(message__conversation=conversation).count(),
        readers=[str(person) for person in conversation.shared_with.order_by("name", "email")],
    )


def _save(conversation: Conversation, *fields: str) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(**{name: getattr(conversation, name) for name in fields})
