"""Where the answers of an assistant were found lately: the branches of its knowledge that its citations lie in.

An aggregate: only with three people or more behind it, or where all of them is whoever looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Count
from django.utils import timezone

from assistants.models import Assistant, Citation, Message
from datasources.models import Node
from datasources.retrieval.types import Branch
from portal.models import Membership

DAYS = 90
ANSWERS = 500
LEAST_PEOPLE = 3
MOST_SHOWN = 3
DEEPEST = 4
"""Levels below what was chosen at which citations are gathered: a branch that holds all of them says nothing."""


@dataclass(frozen=True, slots=True)
class Cited:
    """A branch, by its path, and how many of the citations lie in it."""

    node: UUID
    path: str
    times: int


def where_cited(membership: Membership, assistant: Assistant | None, branches: Iterable[Branch]) -> tuple[Cited, ...]:
    """The branches below ``branches`` that were cited most, of those that this person may read. Four queries at most."""
    if assistant is None:
        return ()
    since = timezone.now() - timedelta(days=DAYS)
    answers = Message.objects.filter(assistant=assistant, role=Message.Role.ASSISTANT, via="portal", created__gte=since)
    recent = list(answers.order_by("-created").values_list("pk", "author")[:ANSWERS])
    people = {author for _, author in recent}
    if len(people) < LEAST_PEOPLE and people != {membership.user_id}:
        return ()
    cited = Citation.objects.filter(message__in=[pk for pk, _ in recent], cited=True).order_by()
    times: dict[UUID, int] = dict(cited.values_list("node").annotate(times=Count("pk")))
    readable = Node.objects.readable_by(membership).filter(pk__in=times)
    chains: dict[UUID, Sequence[UUID]] = dict(readable.values_list("pk", "parents"))
    roots = {node for branch in branches for node in branch.parents_in or ()}
    best = gathered(chains, times, roots)
    paths = dict(
        Node.objects.browsable_by(membership).filter(pk__in=[key for key, _ in best]).values_list("pk", "path")
    )
    return tuple(Cited(key, paths[key], number) for key, number in best if key in paths)


def gathered(
    chains: Mapping[UUID, Sequence[UUID]], times: Mapping[UUID, int], roots: set[UUID]
) -> list[tuple[UUID, int]]:
    """(node, citations) of the branches cited most. ``chains``: of each cited node its own id, then its ancestors up to the top.

    One level below what was chosen; deeper where one branch holds all of them, as long as that is still a branch.
    """
    best: list[tuple[UUID, int]] = []
    for level in range(1, DEEPEST + 1):
        counted: Counter[UUID] = Counter()
        for node, chain in chains.items():
            counted[_ancestor(chain, roots, level)] += times[node]
        if best and all(node in chains for node in counted):
            break
        # Equal ones by id, so that the order never flickers.
        best = sorted(counted.items(), key=lambda pair: (-pair[1], str(pair[0])))[:MOST_SHOWN]
        if len(counted) != 1:
            break
    return best


def _ancestor(chain: Sequence[UUID], roots: set[UUID], level: int) -> UUID:
    """``level`` steps below the chosen node, or below the source where all of it was chosen; the node itself where it ends."""
    down = list(reversed(chain))
    chosen = max((place for place, node in enumerate(down) if node in roots), default=-1)
    return down[min(chosen + level, len(down) - 1)]
