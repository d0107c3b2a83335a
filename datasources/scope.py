"""How much of what was asked for a search goes through, and how much of it its reader may not read."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from datasources.models import Node
from datasources.narrowing import chains_of, meet
from datasources.retrieval.types import Branch


@dataclass(frozen=True, slots=True)
class Scope:
    """What a search of this reader with this knowledge goes through.

    ``sources``: those that are searched. ``folders``: branches below the root of a source; ``missing``: how many of the
    knowledge's parts the reader may not read, wholly or in part. ``narrowed``: it is what one question was confined to.
    """

    sources: tuple[UUID, ...] = ()
    folders: int = 0
    parts: int = 0
    missing: int = 0
    narrowed: bool = False

    @property
    def empty(self) -> bool:
        return not self.sources


def scope_of(
    allowed: tuple[Branch, ...], wanted: tuple[Branch, ...] | None, narrow: tuple[Branch, ...] | None = None
) -> Scope:
    """What is searched, and how much of it the reader may not read. A query only where a grant is of a part."""
    if narrow is not None:
        return _narrowed(allowed, wanted, narrow)
    if wanted is None:
        folders = sum(len(b.parents_in) for b in allowed if b.parents_in is not None)
        return Scope(tuple(b.source for b in allowed), folders, len(allowed), 0)
    granted = {branch.source: branch for branch in allowed}
    sources: dict[UUID, None] = {}
    folders = missing = parts = 0
    for branch in wanted:
        readable = granted.get(branch.source)
        roots: tuple[UUID | None, ...] = (None,) if branch.parents_in is None else branch.parents_in
        parts += len(roots)
        if readable is None:
            missing += len(roots)
            continue
        whole = len(roots) if readable.parents_in is None else _covered(roots, readable.parents_in)
        missing += len(roots) - whole
        sources[branch.source] = None
        folders += 0 if branch.parents_in is None else len(branch.parents_in)
    return Scope(tuple(sources), folders, parts, missing)


def _narrowed(allowed: tuple[Branch, ...], wanted: tuple[Branch, ...] | None, narrow: tuple[Branch, ...]) -> Scope:
    """What grants, knowledge and the question's own narrowing have in common."""
    chains = chains_of(allowed, wanted or (), narrow)
    common = meet(narrow, allowed, chains)
    if wanted is not None:
        common = meet(common, wanted, chains)
    folders = sum(len(branch.parents_in or ()) for branch in common)
    return Scope(tuple(branch.source for branch in common), folders, len(common), 0, narrowed=True)


def _covered(roots: tuple[UUID | None, ...], granted: tuple[UUID, ...]) -> int:
    """How many of these branches lie wholly below what is granted."""
    chains = Node.objects.filter(pk__in=[r for r in roots if r is not None]).values_list("parents", flat=True)
    return sum(1 for parents in chains if set(parents) & set(granted))
