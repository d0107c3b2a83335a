"""What is typed into the gallery, as conditions on assistants: words and their beginnings, and what means the same."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import structlog
from django.contrib.postgres.search import SearchQuery
from django.db.models import Q, QuerySet

from assistants.likeness import near_blocking
from assistants.models import Assistant, AssistantVersion
from assistants.models.assistant import INSTRUCTION_WORDS, TOLD_WORDS
from datasources.retrieval.types import IndexUnavailable
from portal.models import Membership
from portal.providers.errors import ProviderError

log = structlog.get_logger(__name__)

MOST_WORDS = 8
MOST_ALIKE = 24
ALIKE = 0.18
"""From this likeness on an assistant that has none of the words is found, too: "vacation" finds what says holidays (0.22),
"zebra" nothing (0.12 at most), with the local embedding model."""
SHORT = 3
"""Characters from which a word is looked for in instructions: two begin a word in nearly all of them."""
LONG_ENOUGH = 4
"""Characters below which a text means nothing yet that could be likened."""


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())[:MOST_WORDS]


def with_words(membership: Membership, words: list[str]) -> Q:
    """Each word has to begin one of the handle, the name, the description, a starter question or a tag; or of the instructions,
    for those who may read them. On rows annotated with ``shown`` (the version that they show) and ``is_own``.

    Versions are found by their indexes, and never joined: a join would read all of them. Whose
    they are, the rows themselves say.
    """
    condition = Q()
    for word in words:
        condition &= _has(membership, word)
    return condition


def _has(membership: Membership, word: str) -> Q:
    if _is_letter(word):
        # The beginning of nearly everything: only what people look at first.
        return Q(handle__istartswith=word)
    told = Q(handle__icontains=word) | Q(shown__in=_told(word).values("pk"))
    if len(word) < SHORT:
        return told
    works = _versions(INSTRUCTION_WORDS, word).values("pk")
    return told | (instructions_shown_to(membership) & Q(shown__in=works))


def named(words: list[str]) -> Q:
    """All words are in the handle or the name."""
    condition = Q()
    for word in words:
        by_name = (
            Q(pk__in=[]) if _is_letter(word) else Q(shown__in=_told(word).filter(name__icontains=word).values("pk"))
        )
        condition &= Q(handle__icontains=word) | by_name
    return condition


def called(text: str, words: list[str]) -> Q:
    """That is its handle or its name."""
    by_name = _told(words[0]).filter(name__iexact=text) if words and not _is_letter(words[0]) else None
    return Q(handle__iexact=text.lstrip("@")) | (Q(pk__in=[]) if by_name is None else Q(shown__in=by_name.values("pk")))


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isascii()


def _asked(word: str) -> Any:
    return SearchQuery(f"{word}:*", search_type="raw", config="simple") | SearchQuery(word, config="english")


def _versions(words: Any, word: str) -> QuerySet[AssistantVersion]:
    return AssistantVersion.objects.alias(words=words).filter(words=_asked(word)).order_by()


def _told(word: str) -> QuerySet[AssistantVersion]:
    return _versions(TOLD_WORDS, word)


def instructions_shown_to(membership: Membership) -> Q:
    """Whose instructions this person may read: their own, those that show them, and for admins all that are not personal."""
    shown = Q(is_own=True) | Q(shows_instructions=True)
    if membership.is_admin:
        shown |= ~Q(scope=Assistant.Scope.PERSONAL)
    return shown


def alike(membership: Membership, text: str) -> list[UUID]:
    """Assistants that do what ``text`` says in other words, best first, for a query that leaves out those that this person may
    not use. None where the index or the embedder is away."""
    if len(text.strip()) < LONG_ENOUGH:
        return []
    try:
        found = near_blocking(membership, text, MOST_ALIKE)
    except (IndexUnavailable, ProviderError) as error:
        log.warning("gallery searched by words alone", error=str(error))
        return []
    return [key for key, score in found if score >= ALIKE]
