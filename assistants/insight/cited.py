"""Which passages carry an assistant's answers, and which of its sources none of them cites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from assistants.insight.topics import LEAST_PEOPLE
from assistants.models import Assistant, AssistantVersion, Citation
from assistants.presenting import Source, sources_of
from assistants.reads import what_it_reads
from datasources.models import DataSource
from portal.models import Membership

NEWEST = 2000
"""Answers that are looked at."""
MOST_PASSAGES = 10

_CITED = """
    SELECT c.source, c.node, c.start, c."end", max(c.content_hash), count(*), count(DISTINCT answer.author_id)
    FROM (
        SELECT id, author_id FROM assistants_message
        WHERE assistant_id = %(assistant)s AND role = 'assistant' AND via = 'portal' AND created >= %(since)s
        ORDER BY created DESC LIMIT %(newest)s
    ) answer
    JOIN assistants_citation c ON c.message_id = answer.id AND c.cited
    GROUP BY c.source, c.node, c.start, c."end"
    ORDER BY count(*) DESC
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """One passage, and how many answers to how many people cite it. Not yet anybody's to see."""

    source: str
    node: str
    start: int
    end: int
    content_hash: str
    answers: int
    people: int


@dataclass(frozen=True, slots=True)
class Passage:
    source: Source
    answers: int
    people: int


@dataclass(frozen=True, slots=True)
class Cited:
    """``withheld``: passages that this reader may not read, or that fewer than three people were shown.

    ``unused``: sources of the assistant that this reader knows and no answer cites; ``hidden``: those that they don't know.
    """

    passages: Sequence[Passage]
    withheld: int
    few: int
    unused: Sequence[DataSource]
    hidden: int


def counted(assistant: Assistant, since: datetime) -> list[Counted]:
    """Of its newest answers, the most cited first. One query; the same for every reader."""
    with connection.cursor() as cursor:
        cursor.execute(_CITED, {"assistant": assistant.pk, "since": since, "newest": NEWEST})
        return [Counted(str(source), str(node), *rest) for source, node, *rest in cursor.fetchall()]


def as_read_by(reader: Membership, version: AssistantVersion | None, rows: Sequence[Counted]) -> Cited:
    """What this reader may see of it. The number of queries does not depend on how many there are."""
    enough = [row for row in rows if row.people >= LEAST_PEOPLE]
    listed = enough[: MOST_PASSAGES * 3]
    shown = sources_of(reader, [_citation(at, row) for at, row in enumerate(listed, start=1)])
    passages = [
        Passage(source, row.answers, row.people)
        for row, source in zip(listed, shown, strict=True)
        if not (source.withheld or source.gone)
    ]
    withheld = sum(1 for source in shown if source.withheld)
    unused, hidden = _unused(reader, version, {UUID(row.source) for row in rows})
    return Cited(passages[:MOST_PASSAGES], withheld, len(rows) - len(enough), unused, hidden)


def _citation(number: int, row: Counted) -> Citation:
    return Citation(
        n=number,
        cited=True,
        source=UUID(row.source),
        node=UUID(row.node),
        start=row.start,
        end=row.end,
        content_hash=row.content_hash,
    )


def _unused(reader: Membership, version: AssistantVersion | None, cited: set[UUID]) -> tuple[list[DataSource], int]:
    if version is None or version.reads_all:
        return [], 0
    reads: Any = what_it_reads(reader, version)
    return [part.source for part in reads.parts if part.source.pk not in cited], reads.hidden_sources
