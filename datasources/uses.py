"""What would miss a source: higher floors say what of theirs reads it.

They hang up a function in ``uses``; pages, admin and API of this floor ask ``used_by``. How it looks on a source's own pages is
the business of ``registries.panel("source")``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from datasources.models import DataSource
from portal.models import Membership
from portal.registry import Registry


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that reads a source. ``handle``: how people name it. ``everything``: it names no source, and reads all that
    whoever asks may read."""

    kind: str
    handle: str
    name: str
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Uses:
    """``seen``: those that the asker may see. ``personal``: how many other people's own ones read it too; None for those
    who are not told."""

    seen: tuple[Use, ...] = ()
    personal: int | None = None

    @property
    def named(self) -> list[Use]:
        """Those that lose part of what they were given."""
        return [use for use in self.seen if not use.everything]


Asked = Callable[[Membership | None, Sequence[DataSource]], Mapping[UUID, Uses]]
"""Of several sources of one workspace in a constant number of queries; without a membership, as its admins see it."""

uses: Registry[Asked] = Registry()


def used_by(membership: Membership | None, sources: Iterable[DataSource]) -> dict[UUID, Uses]:
    """For each of these sources what reads it, as far as this person may know."""
    asked = list(sources)
    found = [answer(membership, asked) for answer in uses] if asked else []
    return {source.pk: _joined(part[source.pk] for part in found if source.pk in part) for source in asked}


def _joined(parts: Iterable[Uses]) -> Uses:
    seen: tuple[Use, ...] = ()
    personal: int | None = None
    for part in parts:
        seen += part.seen
        if part.personal is not None:
            personal = (personal or 0) + part.personal
    return Uses(seen, personal)
