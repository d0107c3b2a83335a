"""Rare notices over the channel layer: "look again", "stop". Never tokens. What gets lost is found by asking again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings

log = structlog.get_logger(__name__)


def group_of(conversation: UUID | str) -> str:
    return f"conversation.{conversation}"


async def changed(conversation: UUID, **what: Any) -> None:
    """Those who have this conversation open look again: ``what`` names the question and the answer, or the new title."""
    layer = get_channel_layer()
    assert layer is not None
    try:
        await layer.group_send(
            group_of(conversation), {"type": "conversation.changed", "id": str(conversation), **what}
        )
    except OSError as error:
        log.warning("notice not sent", error=str(error))


def ask_to_stop(worker: str, answer: UUID) -> None:
    """Tell the process that runs it, where that is another one. Blocking."""
    if not worker or not settings.REDIS_URL:
        return
    layer = get_channel_layer()
    assert layer is not None
    try:
        async_to_sync(layer.send)(worker, {"type": "answer.stop", "answer": str(answer)})
    except OSError as error:
        log.warning("notice not sent", error=str(error))
