"""The gallery's order while nothing is known of use: vetted first, then the newest."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from assistants.models import Assistant, AssistantVersion
from assistants.reads import sources_of
from datasources.models import DataSource
from portal.models import Membership, User

SHOWS = {"all": "All", "vetted": "Vetted", "published": "Published", "mine": "Mine"}


@dataclass(frozen=True, slots=True)
class Card:
    assistant: Assistant
    version: AssistantVersion
    sources: list[DataSource]
    owners: list[User]
    mine: bool


def found(membership: Membership, text: str = "", show: str = "all") -> QuerySet[Assistant]:
    """What this person may use. ``text``: each word has to be in the handle, the name, the description or a starter question."""
    rows = Assistant.objects.visible_to(membership)
    if show == "vetted":
        rows = rows.filter(scope=Assistant.Scope.WORKSPACE)
    elif show == "published":
        rows = rows.filter(scope=Assistant.Scope.PUBLISHED)
    elif show == "mine":
        rows = rows.filter(owners=membership.user_id)
    for word in text.lstrip("@").split()[:8]:
        within = Q(handle__icontains=word)
        for version in ("live", "latest"):
            within |= Q(**{f"{version}__name__icontains": word}) | Q(**{f"{version}__description__icontains": word})
            within |= Q(**{f"{version}__starters__icontains": word})
        rows = rows.filter(within)
    vetted = Case(When(scope=Assistant.Scope.WORKSPACE, then=Value(0)), default=Value(1), output_field=IntegerField())
    return (
        rows.annotate(rank=vetted, since=Coalesce("live__created", "created"))
        .select_related("live", "latest")
        .prefetch_related("owners")
        .order_by("rank", "-since", "handle")
    )


def cards(membership: Membership, rows: list[Assistant]) -> list[Card]:
    """What the gallery shows of each. Owners see their newest version, others the one that answers them. One query."""
    shown = []
    for row in rows:
        owners = list(row.owners.all())
        mine = any(owner.pk == membership.user_id for owner in owners)
        version = row.live or (row.latest if mine else None)
        if version is not None:
            shown.append((row, version, owners, mine))
    sources = sources_of(membership, [version for _row, version, _owners, _mine in shown])
    return [Card(row, version, sources.get(version.pk, []), owners, mine) for row, version, owners, mine in shown]
