"""From a text to assistants: those that are like it, and those that fit it as a question."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib.postgres.search import SearchQuery
from django.db import close_old_connections

from assistants.likeness.collection import answered_space, does_space, findable_by, index_of
from assistants.likeness.yours import asked_before
from assistants.models import Assistant, AssistantVersion
from assistants.models.assistant import TOLD_WORDS
from datasources import reading
from datasources.retrieval.remembering import Remembering, remembered
from datasources.retrieval.types import Filter, WorkspaceIndex
from portal.models import Membership
from portal.providers.types import Embedder
from portal.spending.accounts import Account
from portal.threads import in_database

LONGEST = 2000
"""Characters that are read of a text: more than the local model's window holds."""
LOOKED_AT = 40
"""Found in each collection. SQL takes few of them away, as the index filters by the same rules."""
FITS = 0.1
"""Below this nothing is suggested. Asked of the templates that come with Atrium, questions on nothing of theirs stay below it,
and nine of ten that belong to one have it among the first three."""
SHORT = 3
"""Words up to which a text is no question yet."""
_ABOUT = "I have a question about {}."
_WORD = re.compile(r"\w+")
SAID = 0.3
"""How much of the way to 1 an assistant is brought by saying every word of so short a text itself."""
ANSWERED_COUNTS = 0.5
"""What the questions that an assistant answered well weigh, beside what it does, once three people asked it some."""
THE_SAME = 0.8
"""From here on two questions ask the same in other words."""

Why = Literal["does", "answered", "yours"]


@dataclass(frozen=True, slots=True)
class Fit:
    """An assistant (its live version at hand) that fits a question; ``score`` is at most 1."""

    assistant: Assistant
    score: float
    why: Why

    @property
    def words(self) -> str:
        """Why it is suggested, in a line."""
        if self.why == "yours":
            return "Answered you this well before"
        if self.why == "answered":
            return "Answers such questions well"
        return self.assistant.live.description if self.assistant.live else ""


async def similar(membership: Membership, text: str, limit: int = 10) -> list[tuple[UUID, float]]:
    """Assistants that do what ``text`` says, best first, with their scores.

    A score is at most 1, for the same text; about 0 is what two texts of other subjects have with this embedding model.
    """
    best = await _near(membership, text, max(LOOKED_AT, 2 * limit))
    visible = await in_database(_visible, membership, [key for key, _score in best])
    return [(key, score) for key, score in best if key in visible][:limit]


def similar_blocking(membership: Membership, text: str, limit: int = 10) -> list[tuple[UUID, float]]:
    """``similar``, for code without an event loop."""
    return async_to_sync(similar)(membership, text, limit)


def near_blocking(membership: Membership, text: str, limit: int = 10) -> list[tuple[UUID, float]]:
    """``similar`` as the index alone has it, for callers whose own query says which of them this person may use today."""
    return async_to_sync(_near)(membership, text, limit)


async def _near(membership: Membership, text: str, limit: int) -> list[tuple[UUID, float]]:
    asked = await _Asked.about(membership, text)
    return [] if asked is None else _best(await asked.found(does_space(asked.space), limit))


async def fitting(membership: Membership, question: str, limit: int = 3) -> list[Fit]:
    """The assistants that fit a question best: by what they do, by what they answered well, by what this person asked
    them before. Fewer than ``limit`` where fewer fit.

    Of other people's questions only means over three or more of them are looked at. A text of a word or a few is looked for as
    what a question is about, and also as it stands in what assistants say of themselves.
    """
    short = len(_WORD.findall(question)) <= SHORT
    asked = await _Asked.about(membership, _ABOUT.format(question.strip()) if short and question.strip() else question)
    if asked is None:
        return []
    does, answered, yours, saying = await asyncio.gather(
        asked.found(does_space(asked.space), LOOKED_AT),
        asked.found(answered_space(asked.space), LOOKED_AT),
        asked.before(),
        in_database(_saying, membership, question if short else ""),
    )
    scores = {key: _score(key, does, answered, yours) for key in {*does, *answered, *yours, *saying}}
    scores |= {key: (score + SAID * (1 - score), why) for key, (score, why) in scores.items() if key in saying}
    good = {key: score for key, (score, _why) in scores.items() if score >= FITS}
    rows = await in_database(_shown, membership, [key for key, _score in _best(good)], limit)
    return [Fit(row, *scores[row.pk]) for row in rows]


def _score(
    key: UUID, does: Mapping[UUID, float], answered: Mapping[UUID, float], yours: Mapping[UUID, float]
) -> tuple[float, Why]:
    """What was not among the best of one half scores there at most what the last of them does."""
    score, why = does.get(key, min(does.values(), default=0.0)), "does"
    if key in answered:
        mixed = (1 - ANSWERED_COUNTS) * score + ANSWERED_COUNTS * answered[key]
        score, why = mixed, "answered" if answered[key] > score else "does"
    if yours.get(key, 0.0) >= max(THE_SAME, score):
        score, why = yours[key], "yours"
    return score, why  # type: ignore[return-value]


def _saying(membership: Membership, text: str) -> set[UUID]:
    """Those of which name, description, starter questions or tags say every word, as English stems; words such as "the" count
    for nothing. Those whose version changed last, where there are many. At most four queries."""
    if not text.strip():
        return set()
    words = SearchQuery(text.replace("\x00", ""), config="english")
    versions = AssistantVersion.objects.filter(assistant__workspace=membership.workspace_id).order_by()
    told = versions.alias(words=TOLD_WORDS).filter(words=words)
    rows = Assistant.objects.visible_to(membership).filter(live__in=told.values("pk"), hidden__isnull=True)
    return set(rows.order_by("-updated").values_list("pk", flat=True)[:LOOKED_AT])


def _best(scores: Mapping[UUID, float]) -> list[tuple[UUID, float]]:
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def _visible(membership: Membership, ids: Collection[UUID]) -> set[UUID]:
    """Those of them that this person may use now and that are not hidden. Two queries."""
    if not ids:
        return set()
    rows = Assistant.objects.visible_to(membership, among=ids).filter(live__isnull=False, hidden__isnull=True)
    return set(rows.order_by().values_list("pk", flat=True))


def _shown(membership: Membership, ids: Sequence[UUID], limit: int) -> list[Assistant]:
    """The first of them that may be shown, in their order, with what is shown of them. Three queries."""
    visible = _visible(membership, ids)
    first = [key for key in ids if key in visible][:limit]
    if not first:
        return []
    rows = Assistant.objects.select_related("live").defer("live__instructions").in_bulk(first)
    return [rows[key] for key in first if key in rows]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A text as one person's vector, and the way to what is like it."""

    membership: Membership
    vector: list[float]
    space: str
    index: WorkspaceIndex
    reach: Filter
    usual: float

    @classmethod
    async def about(cls, membership: Membership, text: str) -> _Asked | None:
        text = text.strip()[:LONGEST]
        if not text:
            return None
        reach, (space, vector, usual) = await asyncio.gather(
            in_database(findable_by, membership), asyncio.to_thread(_embedded, membership, text)
        )
        return cls(membership, vector, space, index_of(membership.workspace_id), reach, usual)

    async def found(self, space: str, limit: int) -> dict[UUID, float]:
        """Assistant to score, in one of their collections."""
        found = await self.index.search(space, dense=self.vector, query="", filter=self.reach, limit=limit)
        return {hit.id: self._over_usual(hit.score) for hit in found.dense}

    async def before(self) -> dict[UUID, float]:
        """Assistant to the score of the question most like this one that this person may see and that it answered well."""
        best = await in_database(asked_before, self.membership, self.space, self.vector)
        return {key: self._over_usual(cosine) for key, cosine in best.items()}

    def _over_usual(self, cosine: float) -> float:
        return (cosine - self.usual) / (1 - self.usual)


def _embedded(membership: Membership, text: str) -> tuple[str, list[float], float]:
    """The space of the workspace's embedder, the text's vector there, and what is usual. Of a vendor's model the person pays, as
    for asking it."""
    account = None
    try:
        embedder = reading.embedder_for(membership.workspace)
        known, usual = remembered(embedder, text), _usual.get(embedder.space)
        if known is not None and usual is not None:
            return embedder.space, known, usual
        if membership.workspace.embedding_credential_id:
            account = Account.opened(membership.workspace, membership.user)
            embedder = reading.metered(embedder, account)
        return embedder.space, Remembering(embedder).embed_query(text).vectors[0], usual_likeness(embedder)
    finally:
        if account is not None:
            account.record()
        close_old_connections()


_UNLIKE = (
    "Answers questions about parental leave and sick days.",
    "Writes release notes from merged pull requests.",
    "Compares offers of suppliers for packaging material.",
    "Explains how to set up a printer in the Vienna office.",
    "Summarises last week's churn by region and plan.",
    "Drafts replies to customers whose parcel is late.",
)
_usual: dict[str, float] = {}


def usual_likeness(embedder: Embedder) -> float:
    """The mean cosine of sentences that have no subject in common, as this model sees them: some give 0.05, some 0.7.

    Scores are told above it, so that one threshold holds for every model. Blocking; one call for each model and process (two, where
    two come first at once: nobody waits for another's vendor), so that a vendor's embedder comes on somebody's account (see
    embedding.on_account).
    """
    known = _usual.get(embedder.space)
    if known is None:
        vectors = embedder.embed_documents(_UNLIKE).vectors
        pairs = [sum(x * y for x, y in zip(a, b, strict=True)) for i, a in enumerate(vectors) for b in vectors[:i]]
        known = _usual[embedder.space] = max(0.0, min(0.9, sum(pairs) / len(pairs)))
    return known
