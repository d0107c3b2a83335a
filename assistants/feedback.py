"""What an answer was worth to those who read it."""

from __future__ import annotations

from django.db import transaction

from assistants.conversations import require_owner
from assistants.errors import Refused
from assistants.likeness import rounds
from assistants.models import Feedback, Message
from portal import events
from portal.models import Membership


@transaction.atomic
def give_feedback(
    membership: Membership,
    answer: Message,
    *,
    up: bool,
    reason: str = "",
    comment: str = "",
    include_conversation: bool = False,
) -> Feedback:
    """One person's thumb on one answer; a second one changes the first. It names the version that answered.

    ``include_conversation`` lets those who improve the assistant read along; only the conversation's owner can give that.
    """
    if answer.role != Message.Role.ASSISTANT:
        raise Refused("invalid", "Only an answer can be judged.")
    if answer.status in Message.OPEN:
        raise Refused("answer_running", "Wait until the answer is there.")
    if reason and reason not in Feedback.Reason.values:
        raise Refused("invalid", f"Unknown reason {reason!r}; it takes one of {', '.join(Feedback.Reason.values)}.")
    if len(comment) > 2000:
        raise Refused("too_long", "Keep the comment under 2,000 characters.")
    if include_conversation:
        require_owner(membership, answer.conversation)
    feedback, _ = Feedback.objects.update_or_create(
        message=answer,
        user_id=membership.user_id,
        defaults={
            "version_id": answer.version_id,
            "up": up,
            "reason": "" if up else reason,
            "comment": comment.strip(),
            "include_conversation": include_conversation,
        },
    )
    _judged(membership, answer)
    return feedback


@transaction.atomic
def take_feedback_back(membership: Membership, answer: Message) -> None:
    Feedback.objects.filter(message=answer, user=membership.user_id).delete()
    _judged(membership, answer)


def _judged(membership: Membership, answer: Message) -> None:
    if answer.assistant_id:
        rounds.judged(answer)
        events.send(events.AnswerJudged(membership.workspace_id, answer.assistant_id))
