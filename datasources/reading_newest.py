"""The newest that a reader may read, whatever is asked: for questions about what happened lately, and for small knowledge.

Access is checked as for a search: SQL says which documents are the newest that this person may read, the index lets through
only what its filter admits, and SQL is asked again about what came out of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Coalesce

from datasources import reading
from datasources.retrieval.joining import FoundPassage, as_passage, estimate_tokens
from datasources.retrieval.search import Timings
from datasources.retrieval.types import point_id
from portal.threads import in_database

if TYPE_CHECKING:
    from datasources.reading import Results, SourceReader

CERTAIN = 1.0
"""Whatever is newest is what was asked for: there is nothing to judge."""


async def newest(reader: SourceReader, *, limit: int, tokens: int) -> Results:
    """At most ``limit`` passages, newest document first and each from its beginning, until the next one would not fit.

    Two queries and one call of the index, however much there is. Raises IndexUnavailable, and
    ProviderError where a vendor does not say what space its vectors are of.
    """
    started = time.perf_counter()
    documents = await in_database(_documents, reader, limit)
    ids = [point_id(node, number) for node, passages in documents for number in range(passages)][:limit]
    if not ids:
        return reading.Results()
    handle = reading.open_index().for_workspace(reader.membership.workspace_id)
    hits = await handle.fetch(await reading.space_of(reader.embedder), ids, reader.filter)
    found = _until_full([as_passage(hit, CERTAIN) for hit in hits], tokens)
    checked = await in_database(reader.check, found)
    took = 1000 * (time.perf_counter() - started)
    return reading.Results(checked, bool(checked), CERTAIN, timings=Timings(index=took, total=took))


def _documents(reader: SourceReader, most: int) -> list[tuple[UUID, int]]:
    """The newest documents and how many passages each has. One without a time counts from when it came in."""
    nodes = reading.nodes_within(reader.membership, reader.knowledge).filter(document__passages__gt=0)
    newest_first = nodes.order_by(Coalesce("modified", "created").desc(), "pk")
    return list(newest_first.values_list("pk", F("document__passages"))[:most])


def _until_full(passages: list[FoundPassage], tokens: int) -> tuple[FoundPassage, ...]:
    """The first of them that fit; one at least."""
    kept: list[FoundPassage] = []
    for passage in passages:
        tokens -= estimate_tokens(passage.text)
        if kept and tokens < 0:
            break
        kept.append(passage)
    return tuple(kept)
