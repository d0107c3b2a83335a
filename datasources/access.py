"""Who may read which part of which source: grants of spaces, turned into index filters and into querysets.

Where a source mirrors who may read what at its vendor, a node has to name the reader too, as one of their principals; what
names nobody is for nobody. ``readable_branches`` feeds the index; ``NodeQuerySet.readable_by`` is the same rule in SQL. A test
holds them equal. Why somebody may or may not read something: datasources/explaining.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import models

from datasources.retrieval.types import Branch
from portal.models import Membership, Space
from portal.prepared import Prepared

if TYPE_CHECKING:
    from datasources.models import DataSource, Grant, Node  # noqa: F401  (named in strings below)


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


EVERYONE = "everyone"
"""Whoever the source is granted to."""
AGREED = "agreed"
"""``Node.Gone.AGREED``: unticked, or its removal was agreed to. It is read no more from that moment, whenever a worker comes."""


def readable_branches(membership: Membership) -> tuple[Branch, ...]:
    """What this person's spaces grant, one branch a source; ``parents_in`` None where any grant is whole.

    One query, and two more where a source among them mirrors its vendor's access.
    """
    if not membership.active:
        return ()
    granted, mirrored = _granted(_GRANTED_TO.all(membership.workspace_id, membership.user_id))
    principals = principals_of(membership, mirrored)
    return tuple(
        Branch(source, parents, readers=principals.get(source))
        for source, parents in granted
        if parents is None or parents
    )


def branches_of_spaces(spaces: models.QuerySet[Space], workspace: UUID) -> tuple[Branch, ...]:
    """What these spaces are granted together, one branch a source; whom the vendor lets read is left aside. One query."""
    granted, _mirrored = _granted(_granted_in(spaces, workspace))
    return tuple(Branch(source, parents) for source, parents in granted if parents is None or parents)


def _granted_in(spaces: models.QuerySet[Space], workspace: UUID) -> models.QuerySet[Grant]:
    rows = _grants().filter(space__in=spaces.values("pk"), source__workspace=workspace).order_by()
    rows = rows.exclude(source__state="deleting").select_related("source")
    return rows.only("source_id", "parents_in", "source__mirror")


def _granted_to(workspace: UUID, user: int) -> models.QuerySet[Grant]:
    person = Membership(workspace_id=workspace, user_id=user)
    return _granted_in(Space.objects.of_member(person), workspace)


# Asked twice for each answer and each search: before the index looks, and again of what it found.
_GRANTED_TO = Prepared(_granted_to, UUID(int=1), 1_000_000_007, first=False)


def _granted(grants: Iterable[Grant]) -> tuple[list[tuple[UUID, tuple[UUID, ...] | None]], set[UUID]]:
    """Each source with the nodes that are granted of it (None: all), and those that mirror their vendor's access."""
    granted: dict[UUID, set[UUID] | None] = {}
    mirrored: set[UUID] = set()
    for grant in grants:
        source, parents = grant.source_id, grant.parents_in
        if grant.source.mirror:
            mirrored.add(source)
        if parents is None or granted.get(source, set()) is None:
            granted[source] = None
        else:
            granted[source] = (granted.get(source) or set()) | set(parents)
    found = [(key, None if parents is None else tuple(sorted(parents))) for key, parents in sorted(granted.items())]
    return found, mirrored


def principals_of(membership: Membership, sources: Collection[UUID]) -> dict[UUID, tuple[str, ...]]:
    """What this person counts as at the vendors of these sources. Two queries, or none.

    Only addresses that they have proven count; groups are those that one of these is in, as the vendor said last.
    """
    if not sources:
        return {}
    from datasources.models import SourceGroup

    emails = verified_addresses(membership)
    own = {EVERYONE}
    own |= {f"mail:{email}" for email in emails} | {f"domain:{email.rpartition('@')[2]}" for email in emails}
    found = {source: set(own) for source in sources}
    if emails:
        groups = SourceGroup.objects.filter(source__in=sources, emails__overlap=emails)
        for source, group in groups.values_list("source", "external_id"):
            found[source].add(f"group:{group}")
    return {source: tuple(sorted(principals)) for source, principals in found.items()}


def verified_addresses(membership: Membership) -> list[str]:
    rows = EmailAddress.objects.filter(user=membership.user_id, verified=True)
    return sorted({email.strip().lower() for email in rows.values_list("email", flat=True)})


def within(branches: Iterable[Branch]) -> models.Q:
    """The nodes that lie in any of these branches, as a condition on Node."""
    condition = models.Q(pk__in=[])
    for branch in branches:
        part = models.Q(source=branch.source)
        if branch.parents_in is not None:
            part &= models.Q(parents__overlap=list(branch.parents_in))
        if branch.parents_not_in:
            part &= ~models.Q(parents__overlap=list(branch.parents_not_in))
        if branch.readers is not None:
            part &= models.Q(readers__overlap=list(branch.readers))
        condition |= part
    return condition


def leading_to(branches: Iterable[Branch]) -> models.Q:
    """The folders above what lies in these branches, as a condition on Node: a tree is walked down through them.

    Of a mirrored source, those above something that the reader may read; a part that was granted does not do.
    """
    from datasources.models import Node

    branches = list(branches)
    roots = [part for branch in branches if branch.readers is None for part in branch.parents_in or ()]
    chains = Node.objects.filter(pk__in=roots).values_list("parents", flat=True) if roots else ()
    condition = models.Q(pk__in={node for chain in chains for node in chain})
    if mirrored := [branch for branch in branches if branch.readers is not None]:
        readable = Node.objects.filter(within(mirrored)).exclude(gone=AGREED)
        condition |= models.Q(pk__in=readable.values(above=_Unnest("parents")))
    return condition


class _Unnest(models.Func):
    function = "unnest"
    set_returning = True
    output_field = models.UUIDField()


class NodeQuerySet(models.QuerySet["Node"]):
    def readable_by(self, membership: Membership) -> NodeQuerySet:
        """The nodes whose content this person may read; what is being removed is nobody's any more."""
        mine = self.filter(workspace=membership.workspace_id).exclude(gone=AGREED)
        return mine.filter(within(readable_branches(membership)))

    def browsable_by(self, membership: Membership) -> NodeQuerySet:
        """Readable nodes and the folders above them, so that a tree can be walked down to what one may read.

        Who manages a source sees its whole tree (titles and states, never the text).
        """
        from datasources.models import DataSource

        branches = readable_branches(membership)
        managed = DataSource.objects.manageable_by(membership).values("pk")
        return (
            self.filter(workspace=membership.workspace_id)
            .exclude(gone=AGREED)
            .filter(within(branches) | leading_to(branches) | models.Q(source__in=managed))
        )
