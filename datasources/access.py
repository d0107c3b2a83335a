"""Who may read which part of which source: grants of spaces, turned into index filters and into querysets.

``readable_branches`` feeds the index; ``NodeQuerySet.readable_by`` is the same rule in SQL. A test holds them equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models

from datasources.retrieval.types import Branch
from portal.models import Membership, Space

if TYPE_CHECKING:
    from datasources.models import DataSource, Node  # noqa: F401  (named in strings below)


class DataSourceQuerySet(models.QuerySet["DataSource"]):
    def visible_to(self, membership: Membership) -> DataSourceQuerySet:
        """Sources of which this person may read some part, or which they may manage."""
        spaces = Space.objects.of_member(membership).values("pk")
        readable = models.Q(pk__in=_grants().filter(space__in=spaces).values("source"))
        return self._here(membership).filter(readable | _manageable(membership))

    def manageable_by(self, membership: Membership) -> DataSourceQuerySet:
        """An admin: all. A builder: those that they made, or that a space of theirs reads in whole. Governing is not reading."""
        return self._here(membership).filter(_manageable(membership))

    def _here(self, membership: Membership) -> DataSourceQuerySet:
        if not membership.active:
            return self.none()
        return self.filter(workspace=membership.workspace_id)


def _manageable(membership: Membership) -> models.Q:
    if membership.is_admin:
        # Not an empty Q: that would vanish when it is ORed with another.
        return models.Q(pk__isnull=False)
    if membership.role != "builder":
        return models.Q(pk__in=[])
    spaces = Space.objects.of_member(membership).values("pk")
    whole = _grants().filter(space__in=spaces, parents_in=None).values("source")
    return models.Q(created_by=membership.user_id) | models.Q(pk__in=whole)


def _grants() -> models.QuerySet:
    from datasources.models import Grant

    return Grant.objects.all()


def readable_branches(membership: Membership) -> tuple[Branch, ...]:
    """What this person's spaces grant, one branch a source; ``parents_in`` None where any grant is whole. One query."""
    if not membership.active:
        return ()
    granted: dict[UUID, set[UUID] | None] = {}
    rows = (
        _grants()
        .filter(space__in=Space.objects.of_member(membership).values("pk"), source__workspace=membership.workspace_id)
        .exclude(source__state="deleting")
        .values_list("source", "parents_in")
    )
    for source, parents in rows:
        if parents is None or granted.get(source, set()) is None:
            granted[source] = None
        else:
            granted[source] = (granted.get(source) or set()) | set(parents)
    return tuple(
        Branch(source, None if parents is None else tuple(sorted(parents)))
        for source, parents in sorted(granted.items())
        if parents is None or parents
    )


def within(branches: Iterable[Branch]) -> models.Q:
    """The nodes that lie in any of these branches, as a condition on Node."""
    condition = models.Q(pk__in=[])
    for branch in branches:
        part = models.Q(source=branch.source)
        if branch.parents_in is not None:
            part &= models.Q(parents__overlap=list(branch.parents_in))
        if branch.parents_not_in:
            part &= ~models.Q(parents__overlap=list(branch.parents_not_in))
        condition |= part
    return condition


class NodeQuerySet(models.QuerySet["Node"]):
    def readable_by(self, membership: Membership) -> NodeQuerySet:
        """The nodes whose content this person may read."""
        return self.filter(workspace=membership.workspace_id).filter(within(readable_branches(membership)))

    def browsable_by(self, membership: Membership) -> NodeQuerySet:
        """Readable nodes and the folders above them, so that a tree can be walked down to what one may read.

        Who manages a source sees its whole tree (titles and states, never the text).
        """
        from datasources.models import DataSource

        branches = readable_branches(membership)
        managed = DataSource.objects.manageable_by(membership).values("pk")
        above = self._ancestors(branches)
        return self.filter(workspace=membership.workspace_id).filter(
            within(branches) | models.Q(pk__in=above) | models.Q(source__in=managed)
        )

    def _ancestors(self, branches: Iterable[Branch]) -> set[UUID]:
        roots = [p for branch in branches if branch.parents_in is not None for p in branch.parents_in]
        chains = self.model._default_manager.filter(pk__in=roots).values_list("parents", flat=True) if roots else ()
        return {node for chain in chains for node in chain}


def spaces_that_read(node: Node) -> list[Space]:
    """Why can somebody see this: the spaces of which some grant covers the node, by name."""
    grants = _grants().filter(source=node.source_id).select_related("space").order_by("space__name")
    return [g.space for g in grants if g.parents_in is None or set(g.parents_in) & set(node.parents)]


def readers_of(node: Node) -> dict[Space, str]:
    """Those spaces with who that is, in words."""
    words: dict[Space, str] = defaultdict(str)
    for space in spaces_that_read(node):
        words[space] = "every member" if space.kind == Space.Kind.OPEN else f"{space.members.count()} people"
    return dict(words)
