"""Use, questions and thumbs as they are kept, without a model or a run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from assistants import lifecycle
from assistants.likeness.questions import packed
from assistants.models import Assistant, Citation, Conversation, Feedback, Message, QuestionVector, UseDay
from datasources.models import Node
from portal.models import Membership, Workspace


def published(workspace: Workspace, by: Any, handle: str, **more: Any) -> Assistant:
    made = lifecycle.create_assistant(workspace=workspace, by=by, handle=handle, **{"knowledge": []} | more)
    return lifecycle.publish(made, by)


def ask(
    who: Membership,
    assistant: Assistant | None,
    text: str = "?",
    *,
    topic: int | None = None,
    found: bool = True,
    days_ago: int = 0,
    cites: Node | None = None,
    shared: bool = False,
    **thumb: Any,
) -> Message:
    """One question of this person and its answer. ``topic``: an axis of its vector; ``thumb``: fields of Feedback."""
    at = timezone.now() - timedelta(days=days_ago)
    talk = Conversation.objects.create(
        workspace=who.workspace, owner=who.user, assistant=assistant, shared_with_workspace=shared
    )
    question = Message.objects.create(conversation=talk, role="user", content=text, author=who.user)
    answer = Message.objects.create(
        conversation=talk,
        role="assistant",
        parent=question,
        content="An answer [1].",
        author=who.user,
        assistant=assistant,
        version=assistant.live if assistant else None,
        found=found,
        finished=at,
    )
    Message.objects.filter(pk__in=[question.pk, answer.pk]).update(created=at)
    day, _made = UseDay.objects.get_or_create(
        workspace=who.workspace, assistant=assistant, user=who.user, day=timezone.localdate(at)
    )
    UseDay.objects.filter(pk=day.pk).update(questions=day.questions + 1, unanswered=day.unanswered + (not found))
    if topic is not None and assistant is not None:
        vector = np.eye(8)[topic] + 0.01
        QuestionVector.objects.create(message=question, assistant=assistant, space="test", vector=packed(vector))
    if cites is not None:
        Citation.objects.create(
            message=answer,
            n=1,
            cited=True,
            source=cites.source_id,
            node=cites.pk,
            start=0,
            end=9,
            content_hash=cites.document.content_hash,
        )
    if thumb:
        Feedback.objects.create(
            message=answer, version=answer.version, user=who.user, **{"up": not thumb.get("comment")} | thumb
        )
    return answer
