"""A follow-up question ("and in Germany?") as a query that stands by itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import aclosing

import structlog

from assistants.answering import prompts
from assistants.answering.spec import AssistantSpec, Meter, Said
from portal.providers.errors import ProviderError
from portal.providers.terms import terms
from portal.providers.types import ChatModel, ChatRequest, Delta, Finish

log = structlog.get_logger(__name__)

SECONDS = 15
_LONGEST_QUERY = 400
# A question with fewer words of its own than this leans on what was said before.
_FEW = 4
_POINTS_BACK = re.compile(
    r"\b(it|its|that|this|these|those|they|them|their|he|she|him|his|her|there|then|one|ones|same|former|latter|either|both|else|instead)\b",
    re.IGNORECASE,
)
_LEANS_ON = re.compile(r"^\W*(and|but|or|so|also|what about|how about|why|what if|then|only|even)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:[.'’-][^\W_]+)*")


async def condense(spec: AssistantSpec, history: Sequence[Said], question: str, meter: Meter) -> str:
    """The query to search with; empty where nothing has to be looked up. Falls back on ``carried`` when the model fails."""
    if not spec.writes:
        return carried(history, question)
    try:
        async with asyncio.timeout(SECONDS):
            text = await said_by(
                spec.chat, "condense", prompts.condensing(history, question), meter, longest=_LONGEST_QUERY
            )
    except (ProviderError, TimeoutError) as error:
        log.warning("condensing failed", vendor=spec.chat.vendor, error=str(error))
        return carried(history, question)
    if text.strip(' ."').upper() == prompts.NO_SEARCH:
        return ""
    query = " ".join(text.split())[:_LONGEST_QUERY].strip(' "')
    return query or carried(history, question)


def carried(history: Sequence[Said], question: str) -> str:
    """Without a model: the subject of the question before, put in front where this one is short or points back."""
    own = terms(question)
    leans = len(own) < _FEW or _POINTS_BACK.search(question) or _LEANS_ON.match(question)
    earlier = [turn.text for turn in history if turn.role == "user"]
    if not leans or not earlier:
        return question
    # What leaned on something itself had its subject one question further back.
    subject: list[str] = []
    for text in reversed(earlier[-3:]):
        subject = [*_subject(text, {*own, *(t for word in subject for t in terms(word))}), *subject]
        if len(terms(text)) >= _FEW:
            break
    return f"{' '.join(subject)} {question}".strip()


def _subject(text: str, known: set[str]) -> list[str]:
    words: list[str] = []
    for word in _WORD.findall(text):
        stems = terms(word)
        if stems and not known.intersection(stems):
            known.update(stems)
            words.append(word)
    return words[:12]


async def said_by(chat: ChatModel, purpose: str, request: ChatRequest, meter: Meter, *, longest: int) -> str:
    """A short reply. A model that goes on past ``longest`` characters is hung up on. Raises ProviderError."""
    call = await meter.open(purpose, chat, request)
    parts: list[str] = []
    async with aclosing(call.stream()) as stream:
        async for item in stream:
            if isinstance(item, Delta):
                parts.append(item.text)
                call.written += len(item.text)
                if call.written > longest:
                    break
            elif isinstance(item, Finish):
                call.usage = item.usage
    return "".join(parts)
