"""What is typed into the gallery, as conditions on assistants: words and their beginnings, and what means the same."""

from __future__ import annotations

import re
from uuid import UUID

import structlog
from django.contrib.postgres.search import SearchQuery
from django.db.models import Q

from assistants.likeness import similar_blocking
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
LONG_ENOUGH = 4
"""Characters below which a text means nothing yet that could be likened."""


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())[:MOST_WORDS]


def with_words(membership: Membership, words: list[str]) -> Q:
    """Each word has to begin one of the handle, the name, the description, a starter question or a tag; or of the instructions,
    for those who may read them. On rows annotated with ``shown`` (the version that they show) and ``is_own``."""
    condition = Q()
    for word in words:
        condition &= _has(membership, word)
    return condition


def _has(membership: Membership, word: str) -> Q:
    if len(word) == 1 and word.isascii():
        # The beginning of nearly everything: only what people look at first.
        return (
            Q(handle__istartswith=word)
            | Q(live__name__istartswith=word)
            | Q(is_own=True, latest__name__istartswith=word)
        )
    asked = SearchQuery(f"{word}:*", search_type="raw", config="simple") | SearchQuery(word, config="english")
    versions = AssistantVersion.objects.filter(assistant__workspace=membership.workspace_id).order_by()
    told = versions.alias(words=TOLD_WORDS).filter(words=asked).values("pk")
    works = versions.alias(words=INSTRUCTION_WORDS).filter(words=asked).values("pk")
    named = Q(handle__icontains=word) | Q(shown__in=told) | Q(live__tags__icontains=word)
    return named | (instructions_shown_to(membership) & Q(shown__in=works))


def instructions_shown_to(membership: Membership) -> Q:
    """Whose instructions this person may read: their own, those that show them, and for admins all that are not personal."""
    shown = Q(is_own=True) | Q(shows_instructions=True)
    if membership.is_admin:
        shown |= ~Q(scope=Assistant.Scope.PERSONAL)
    return shown


def alike(membership: Membership, text: str) -> list[UUID]:
    """Assistants that do what ``text`` says in other words, best first. None where the index or the embedder is away."""
    if len(text.strip()) < LONG_ENOUGH:
        return []
    try:
        found = similar_blocking(membership, text, MOST_ALIKE)
    except (IndexUnavailable, ProviderError) as error:
        log.warning("gallery searched by words alone", error=str(error))
        return []
    return [key for key, score in found if score >= ALIKE]
