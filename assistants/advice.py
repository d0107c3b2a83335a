"""Advice while an assistant is being built, each piece beside the field that it is about. Nothing here stops anybody.

The portal asks for it as the form changes; the API for an assistant as it was saved last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from django.db.models import Count
from django.utils import timezone

from assistants.likeness import similar_blocking
from assistants.likeness.describing import told
from assistants.models import Assistant, AssistantVersion, UseDay
from assistants.where_cited import LEAST_PEOPLE, Cited, where_cited
from datasources.access import readable_branches, within
from datasources.models import Node
from datasources.reading import branch_of
from datasources.retrieval.types import Branch, IndexUnavailable
from portal.models import Credential, Membership
from portal.providers.errors import ProviderError
from portal.spending.offers import models_for

log = structlog.get_logger(__name__)

WIDE = 2000
"""Pages. A search looks at the hundred best passages by meaning and the hundred best by words: of 2,000 pages, with some five
passages each, that is one in fifty, and each further page only makes it likelier that the right one is not among them."""
COUNTED = 50_000
"""Pages that are counted; beyond that "more than" does."""
LONG = 6000
"""Characters of instructions, some 1,500 tokens. Each question pays for them, and models follow the first few rules best."""
ALIKE = 0.42
"""Likeness from which two assistants seem to do the same. Of the 378 pairs of templates that come with Atrium one reaches it;
of six of them that were put in other words, five reach it with the one that they stand for."""
MOST_ALIKE = 2
LEAST_TO_COMPARE = 30
"""Characters of name, description and instructions: less says too little to be like anything."""
DAYS = 30

Field = Literal["description", "instructions", "knowledge", "model", "starters"]


@dataclass(frozen=True, slots=True)
class Draft:
    """What advice looks at. ``branches`` None is all that whoever asks may read; ``model`` empty is the workspace's default."""

    name: str = ""
    description: str = ""
    instructions: str = ""
    starters: tuple[str, ...] = ()
    branches: tuple[Branch, ...] | None = ()
    credential: UUID | None = None
    model: str = ""

    @classmethod
    def of(cls, version: AssistantVersion) -> Draft:
        return cls(
            version.name,
            version.description,
            version.instructions,
            tuple(version.starters),
            None if version.reads_all else tuple(branch_of(entry) for entry in version.knowledge),
            version.credential_id,
            version.model,
        )

    @property
    def begun(self) -> bool:
        """Whether enough stands there that what is missing is worth a word."""
        return bool(self.name.strip() and (self.description.strip() or self.instructions.strip()))


@dataclass(frozen=True, slots=True)
class Alike:
    """An assistant that seems to do the same, and how many people asked it in 30 days; None where they are fewer than three."""

    assistant: Assistant
    people: int | None


@dataclass(frozen=True, slots=True)
class Advice:
    """``code`` is for scripts. ``cited``: where its answers were found lately; ``alike``: what is there already."""

    field: Field
    code: str
    words: str
    cited: tuple[Cited, ...] = ()
    alike: tuple[Alike, ...] = ()


def advise(membership: Membership, draft: Draft, assistant: Assistant | None = None) -> list[Advice]:
    """All there is to say of this draft, to this person. ``assistant``: the one that is being edited. Blocking; never raises
    for an index or a vendor that does not answer: then it says less."""
    said: list[Advice | None] = [
        *_missing(draft),
        _long(draft),
        _wide(membership, draft, assistant),
        _not_offered(membership, draft),
        _similar(membership, draft, assistant),
    ]
    return [advice for advice in said if advice is not None]


def _missing(draft: Draft) -> list[Advice]:
    if not draft.begun:
        return []
    found = []
    if not draft.description.strip():
        words = "Without a line on what it does, people can’t tell it from others, and it is found by its name alone."
        found.append(Advice("description", "no_description", words))
    if not draft.instructions.strip():
        words = (
            "It has no instructions: it answers like any other. Say its task, for whom it works, and what to leave out."
        )
        found.append(Advice("instructions", "no_instructions", words))
    if not draft.starters:
        words = "Starter questions show people what to ask. Two or three that it answers well are enough."
        found.append(Advice("starters", "no_starters", words))
    return found


def _long(draft: Draft) -> Advice | None:
    if len(draft.instructions) <= LONG:
        return None
    words = (
        f"These instructions have {spaced(len(draft.instructions))} characters. Each question carries all of them, and the "
        "last rules are the first to be missed. Put what is to be looked up into a data source, and keep the task."
    )
    return Advice("instructions", "long_instructions", words)


def _wide(membership: Membership, draft: Draft, assistant: Assistant | None) -> Advice | None:
    """How many pages it searches, as far as the editor may read them, and where its answers were really found."""
    readable = readable_branches(membership)
    nodes = Node.objects.filter(within(readable), workspace=membership.workspace_id, status=Node.Status.INDEXED)
    nodes = nodes.exclude(gone=Node.Gone.AGREED)
    if draft.branches is not None:
        nodes = nodes.filter(within(draft.branches))
    if draft.branches == () or (pages := nodes[: COUNTED + 1].count()) <= WIDE:
        return None
    many = f"more than {spaced(COUNTED)}" if pages > COUNTED else spaced(pages)
    words = f"It searches {many} pages; narrower answers better."
    cited = where_cited(membership, assistant, readable if draft.branches is None else draft.branches)
    return Advice("knowledge", "wide", words, cited=cited)


def _not_offered(membership: Membership, draft: Draft) -> Advice | None:
    if draft.credential is None or not draft.model:
        return None
    credential = Credential.objects.filter(workspace=membership.workspace_id, pk=draft.credential).first()
    # A server that lists nothing may still have it.
    if credential is not None and not credential.offered:
        return None
    offered = {(c.pk, model["name"]) for c, models in models_for(membership) for model in models}
    if (draft.credential, draft.model) in offered:
        return None
    listed = credential is not None and any(model["name"] == draft.model for model in credential.offered)
    why = "is not offered to you" if listed else "is not offered any more"
    return Advice("model", "not_offered", f"{draft.model} {why}. Choose another model, or leave it to the workspace.")


def _similar(membership: Membership, draft: Draft, assistant: Assistant | None) -> Advice | None:
    text = told(draft.name, draft.description, draft.starters, draft.instructions)
    if len(text) < LEAST_TO_COMPARE:
        return None
    try:
        found = similar_blocking(membership, text, MOST_ALIKE + 1)
    except (IndexUnavailable, ProviderError) as error:
        log.warning("nothing said of similar assistants", error=str(error))
        return None
    own = assistant.pk if assistant else None
    keys = [key for key, score in found if score >= ALIKE and key != own][:MOST_ALIKE]
    if not keys:
        return None
    rows = Assistant.objects.visible_to(membership).select_related("live").in_bulk(keys)
    people = people_of(keys)
    alike = tuple(Alike(rows[key], people.get(key)) for key in keys if key in rows)
    return Advice("description", "similar", _like(alike), alike=alike) if alike else None


def _like(alike: Sequence[Alike]) -> str:
    named = [
        f"@{one.assistant.handle}" + (f", used by {spaced(one.people)} people" if one.people else "") for one in alike
    ]
    return f"This looks like {' and like '.join(named)}. Perhaps it does what you need, or is better made better than again."


def people_of(assistants: Sequence[UUID]) -> dict[UUID, int]:
    """How many people asked each by hand in the last 30 days, where they are three or more. One query."""
    since = timezone.localdate() - timedelta(days=DAYS)
    rows = UseDay.objects.filter(assistant__in=assistants, day__gt=since).order_by()
    counted: Any = rows.values_list("assistant").annotate(people=Count("user", distinct=True))
    return dict(counted.filter(people__gte=LEAST_PEOPLE))


def spaced(number: int) -> str:
    """With thin spaces between thousands, as everywhere on screens."""
    return f"{number:,}".replace(",", "\u202f")
