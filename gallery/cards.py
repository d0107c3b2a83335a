"""What a card shows of an assistant, and how much of its use is told to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from assistants.models import Assistant, AssistantVersion
from assistants.reads import sources_of
from datasources.models import DataSource
from gallery.for_you import FEW
from gallery.models import Standing
from portal.models import Membership, User

WIDTH, HEIGHT = 60, 18
"""Of the small line, in its own units."""


@dataclass(frozen=True, slots=True)
class Told:
    """Of its use and its thumbs what this person is told: to others than its owners, nothing about fewer than three people.

    ``people`` None: one or two, or, where ``unused``, nobody. ``approval``: in hundredths; none below three thumbs.
    """

    people: int | None = None
    unused: bool = True
    trend: Sequence[int] = ()
    approval: int | None = None
    thumbs: int = 0

    @property
    def line(self) -> str:
        """The trend as the points of an SVG polyline, the oldest at the left."""
        most = max([*self.trend, 1])
        step = WIDTH / (len(self.trend) - 1) if len(self.trend) > 1 else 0
        return " ".join(
            f"{place * step:.1f},{HEIGHT - 1 - value / most * (HEIGHT - 2):.1f}"
            for place, value in enumerate(self.trend)
        )


def told(standing: Standing | None, *, owner: bool) -> Told:
    if standing is None:
        return Told()
    thumbs = standing.ups + standing.downs
    counted = owner or standing.people >= FEW
    judged = thumbs > 0 and (owner or thumbs >= FEW)
    return Told(
        people=standing.people if counted else None,
        unused=standing.people == 0,
        trend=tuple(standing.trend) if counted and standing.people else (),
        approval=round(100 * standing.ups / thumbs) if judged else None,
        thumbs=thumbs if judged else 0,
    )


@dataclass(frozen=True, slots=True)
class Card:
    """``nearby``: how many people of the reader's spaces use it, where that is told."""

    assistant: Assistant
    version: AssistantVersion
    sources: list[DataSource]
    owners: list[User]
    mine: bool
    kept: bool
    told: Told
    nearby: int = 0
    kinds: list[str] = field(default_factory=list)

    @property
    def starter(self) -> str:
        return next(iter(self.version.starters), "")


def cards(membership: Membership, rows: Sequence[Assistant], nearby: Mapping[UUID, int] | None = None) -> list[Card]:
    """Of rows as ``listing.loaded`` gives them. Owners see their newest version where none is live. One query."""
    shown = [(row, version) for row in rows if (version := row.live or row.latest) is not None]
    sources = sources_of(membership, [version for _row, version in shown])
    return [_card(membership, row, version, sources.get(version.pk, []), nearby or {}) for row, version in shown]


def _card(
    membership: Membership,
    row: Assistant,
    version: AssistantVersion,
    sources: list[DataSource],
    nearby: Mapping[UUID, int],
) -> Card:
    owners = list(row.owners.all())
    mine = any(owner.pk == membership.user_id for owner in owners)
    return Card(
        assistant=row,
        version=version,
        sources=sources,
        owners=owners,
        mine=mine,
        kept=row.kept,  # type: ignore[attr-defined]
        told=told(getattr(row, "standing", None), owner=mine),
        nearby=nearby.get(row.pk, 0),
        kinds=list(dict.fromkeys(source.kind for source in sources)),
    )
