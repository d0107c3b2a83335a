"""Which space sees which part of a source, in words: for its pages, the admin and the API. The verbs are in granting.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count

from datasources import browsing, offering
from datasources.models import DataSource, Grant, Node
from portal.access import may
from portal.models import Membership, Space

UNSEEN = "A part that you may not see"
ABSENT = "A part that is not in it now"


@dataclass(frozen=True, slots=True)
class Share:
    """What one space sees. ``parts``: paths of the nodes at and below which it sees; none where it is all, or nothing."""

    space: Space
    grant: Grant | None
    parts: tuple[str, ...] = ()

    @property
    def sees(self) -> str:
        """``all``, ``part``, or empty for nothing."""
        return "" if self.grant is None else "all" if self.whole else "part"

    @property
    def whole(self) -> bool:
        return self.grant is not None and self.grant.parents_in is None

    @property
    def people(self) -> int | None:
        """How many a restricted space lists; an open one is everyone's."""
        return self.space.people if self.space.kind == Space.Kind.RESTRICTED else None  # type: ignore[attr-defined]


def shares_of(membership: Membership, source: DataSource) -> list[Share]:
    """For each space that the person may know: what it sees of the source. A constant number of queries."""
    spaces = Space.objects.filter(pk__in=Space.objects.governed_by(membership).values("pk"))
    spaces = spaces.annotate(people=Count("members", distinct=True)).order_by("kind", "name")
    grants = {grant.space_id: grant for grant in Grant.objects.filter(source=source)}
    parts = {key for grant in grants.values() for key in grant.parents_in or ()}
    # What is still to come is known by what the place offered; only who decides about the source gets so far.
    decides = may(membership, "grant.manage")
    paths = offering.paths_of(source, parts) if decides else {}
    paths |= dict(browsing.browsable(membership, source).filter(pk__in=parts).values_list("pk", "path"))
    unknown = ABSENT if decides else UNSEEN
    return [Share(space, grant, named(grant, paths, unknown)) for space in spaces for grant in [grants.get(space.pk)]]


def named(grant: Grant | None, paths: Mapping[UUID, str], unknown: str) -> tuple[str, ...]:
    """The parts of a grant by their paths; ``unknown`` stands for one that has none."""
    keys: Iterable[UUID] = () if grant is None else grant.parents_in or ()
    return tuple(paths.get(key, unknown) for key in keys)


def paths_of_parts(grants: Iterable[Grant]) -> dict[UUID, str]:
    """What the parts of these grants are called, for who governs. One query; a few more for each source that has parts still to
    come."""
    wanted = {(grant.source_id, key): grant.source for grant in grants for key in grant.parents_in or ()}
    nodes = Node.objects.filter(pk__in={key for _, key in wanted}).values_list("source", "pk", "path")
    paths = {key: path for source, key, path in nodes if (source, key) in wanted}
    missing: dict[DataSource, list[UUID]] = defaultdict(list)
    for (_, key), source in wanted.items():
        if key not in paths:
            missing[source].append(key)
    for source, keys in missing.items():
        paths |= offering.paths_of(source, keys)
    return paths


@dataclass(frozen=True, slots=True)
class Seen:
    """A source that a space sees. ``parts``: paths of what it sees, where that is not the whole."""

    source: DataSource
    whole: bool
    parts: tuple[str, ...]


def seen_by(membership: Membership, spaces: Sequence[Space]) -> dict[UUID, list[Seen]]:
    """By space, the sources that it sees. Two queries more than visibility takes.

    Sources that the person may not know are left out, parts are counted.
    """
    living = DataSource.objects.visible_to(membership).exclude(state=DataSource.State.DELETING)
    found: dict[UUID, list[Seen]] = defaultdict(list)
    rows = Grant.objects.filter(
        space__in=[space.pk for space in spaces], source__in=living.values("pk")
    ).select_related("source")
    grants = list(rows.defer("source__cursor").order_by("source__name"))
    parts = {key for grant in grants for key in grant.parents_in or ()}
    known = Node.objects.browsable_by(membership).filter(pk__in=parts) if parts else Node.objects.none()
    paths = dict(known.values_list("pk", "path"))
    for grant in grants:
        found[grant.space_id].append(Seen(grant.source, grant.parents_in is None, named(grant, paths, UNSEEN)))
    return found
