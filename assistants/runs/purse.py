"""Who pays for an answer, or a draft: each call to its model is reserved before, where budgets apply."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from django.conf import settings

from portal.credentials import NO_MODEL
from portal.models import Credential
from portal.providers.errors import ProviderError
from portal.providers.types import ChatModel, ChatRequest
from portal.spending.accounts import Account
from portal.spending.holding import release
from portal.threads import in_database

PER_TURN = 32
"""Bytes more for each turn: its role, and the marks that a vendor puts around it."""


class Purse:
    """Asks nothing of anybody where no budget applies, or where passages are quoted for free."""

    def __init__(self, account: Account, credential: Credential | None) -> None:
        self._account, self._credential = account, credential

    async def hold(self, chat: ChatModel, request: ChatRequest) -> tuple[ChatRequest, UUID | None]:
        if not self._account.applying or self._credential is None or chat.vendor == NO_MODEL:
            return request, None
        back = request.max_output_tokens or settings.ANSWER_TOKENS
        limited = replace(request, max_output_tokens=back, keep_limit=True)
        hold = self._account.hold
        work = in_database(hold, self._credential, chat.model, sent=bytes_of(limited), back=back)
        return limited, await _or_released(asyncio.ensure_future(work))


async def _or_released(holding: asyncio.Future[UUID | None]) -> UUID | None:
    """What was reserved. Stopped just then, the reservation is taken back rather than left to be charged."""
    try:
        return await asyncio.shield(holding)
    except asyncio.CancelledError:
        with suppress(ProviderError):
            if (key := await holding) is not None:
                await in_database(release, key)
        raise


def bytes_of(request: ChatRequest) -> int:
    """What is sent, at least: no token is shorter than a byte."""
    return sum(len(turn.text.encode()) for turn in request.turns) + PER_TURN * (len(request.turns) + 1)
