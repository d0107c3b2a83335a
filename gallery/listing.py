"""What stands in the gallery, and in which order. Portal and API list the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, Exists, F, FloatField, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from assistants.models import Assistant, AssistantVersion, Favourite, LivePart
from datasources.connectors.registry import CONNECTORS
from datasources.models import DataSource, Grant
from gallery import ranking, searching
from gallery.for_you import Nearby, used_by, used_nearby
from portal.kept import kept
from portal.models import Membership, Space

SCOPES = {
    "vetted": Assistant.Scope.WORKSPACE,
    "published": Assistant.Scope.PUBLISHED,
    # Of these one's own alone: nobody is listed another's.
    "personal": Assistant.Scope.PERSONAL,
}
SCOPE_LABELS = {"vetted": "Vetted", "published": "Published", "personal": "Personal"}
ORDERS = {"used": "Most used", "rated": "Best rated", "new": "Newest", "you": "For me"}
MOST_TAGS = 30
TAGS_OF = 300
"""Of so many assistants tags are offered to filter by."""
_NOT_SHOWN = ("instructions", "tags_all", "tags_none")
"""On cards, of a version."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for. ``order`` empty: what fits the text best, or without a text the most used.

    ``space``: one of theirs, which it needs; ``kind``: of a source that it reads; ``hidden``: what an admin took out.
    """

    text: str = ""
    scope: str = ""
    stage: str = ""
    tag: str = ""
    space: UUID | None = None
    kind: str = ""
    mine: bool = False
    favourites: bool = False
    hidden: bool = False
    order: str = ""

    @classmethod
    def read(cls, query: Mapping[str, Any]) -> Wanted:
        """Of an address; what is none of ours is passed over."""
        one_of = {"scope": SCOPES, "stage": Assistant.Stage.values, "kind": CONNECTORS, "order": ORDERS}
        chosen = {name: query.get(name, "") for name in one_of}
        return cls(
            text=query.get("q", "").replace("\x00", "").strip()[:200],
            tag=query.get("tag", "").replace("\x00", "")[:40],
            space=_uuid(query.get("space", "")),
            mine=_yes(query.get("mine", "")),
            favourites=_yes(query.get("favourites", "")),
            hidden=_yes(query.get("hidden", "")),
            **{name: value for name, value in chosen.items() if value in one_of[name]},
        )

    @property
    def is_filtered(self) -> bool:
        return replace(self, text="", order="") != Wanted()


def _yes(text: str) -> bool:
    return text.strip().lower() not in {"", "0", "false", "no"}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def listed(membership: Membership, *, hidden: bool = False) -> QuerySet[Assistant]:
    """What this person may use, with the version that they are shown, whether it is theirs, and where it stands.

    ``hidden``: what an admin took out of the gallery instead; nothing for others than admins.
    """
    rows = Assistant.objects.listed_for(membership)
    if hidden:
        rows = Assistant.objects.visible_to(membership).filter(hidden__isnull=False)
        rows = rows if membership.is_admin else rows.none()
    rows = rows.with_owner(membership.user_id)
    vetted = Case(When(scope=Assistant.Scope.WORKSPACE, then=Value(0)), default=Value(1), output_field=IntegerField())
    return rows.annotate(
        shown=Coalesce("live", "latest"),
        rank=vetted,
        score=Coalesce("standing__score", 0.0),
        approval=Coalesce("standing__approval", ranking.approval(0, 0)),
    ).filter(shown__isnull=False)


def found(
    membership: Membership,
    wanted: Wanted,
    *,
    among: QuerySet[Assistant] | None = None,
    nearby: Nearby | None = None,
    by_meaning: bool = True,
) -> QuerySet[Assistant, UUID]:
    """The ids of those that are wanted, in their order: ready to be sliced, and then to be ``loaded``.

    Ids alone, as ten thousand rows with all that a card shows take many times as long to sort. ``among`` (as
    ``listed`` gives it) and ``nearby``: where the caller has them already. ``by_meaning``: also those that have none of the
    words and do what the text says, which asks the embedder and the index.
    """
    rows = among if among is not None else listed(membership, hidden=wanted.hidden)
    rows = _filtered(membership, rows, wanted)
    order = wanted.order or ("fits" if wanted.text else "used")
    if wanted.text:
        alike = searching.alike(membership, wanted.text) if by_meaning else []
        rows = _that_fit(membership, rows, wanted.text, alike)
    by_use = (F("score").desc(), F("rank").asc(), F("created").desc(), F("handle").asc())
    if order == "fits":
        rows = rows.order_by(F("fits").desc(), *by_use)
    elif order == "rated":
        rows = rows.order_by(F("approval").desc(), *by_use)
    elif order == "new":
        rows = rows.order_by(F("created").desc(), F("handle").asc())
    elif order == "you":
        nearby = nearby or used_nearby(membership)
        asked = Case(When(pk__in=used_by(membership), then=Value(1)), default=Value(0), output_field=IntegerField())
        rows = rows.annotate(near=_place(nearby.order), asked=asked)
        rows = rows.order_by(F("near").asc(nulls_last=True), F("asked").asc(), *by_use)
    else:
        rows = rows.order_by(*by_use)
    return rows.values_list("pk", flat=True)


def loaded(membership: Membership, keys: Iterable[UUID]) -> list[Assistant]:
    """The assistants of these ids, in their order, with what a card shows. Two queries, and one where some were never offered."""
    keys = list(keys)
    rows = Assistant.objects.filter(pk__in=keys).annotate(kept=_kept(membership)).prefetch_related("owners")
    rows = rows.select_related("live", "standing").defer(*(f"live__{field}" for field in _NOT_SHOWN))
    by_key = {row.pk: row for row in rows}
    drafts = [row for row in by_key.values() if row.live_id is None]
    models.prefetch_related_objects(drafts, models.Prefetch("latest", AssistantVersion.objects.defer(*_NOT_SHOWN)))
    return [by_key[key] for key in keys if key in by_key]


def _kept(membership: Membership) -> Exists:
    return Exists(Favourite.objects.filter(user=membership.user_id, assistant=OuterRef("pk")))


def _filtered(membership: Membership, rows: QuerySet[Assistant], wanted: Wanted) -> QuerySet[Assistant]:
    if not wanted.hidden and not wanted.mine:
        rows = rows.filter(hidden__isnull=True)
    if wanted.scope:
        rows = rows.filter(scope=SCOPES[wanted.scope])
    if wanted.stage:
        rows = rows.filter(stage=wanted.stage)
    if wanted.tag:
        rows = rows.filter(
            live__in=AssistantVersion.objects.filter(tags__contains=[wanted.tag]).order_by().values("pk")
        )
    if wanted.mine:
        rows = rows.filter(owners=membership.user_id)
    if wanted.favourites:
        rows = rows.filter(favourites__user=membership.user_id)
    if wanted.space:
        rows = rows.filter(pk__in=_needing(membership, wanted.space, wanted.kind))
    elif wanted.kind:
        rows = rows.filter(reads__overlap=_sources(membership, wanted.kind))
    return rows


def _sources(membership: Membership, kind: str) -> list[UUID]:
    """Of this kind, as far as this person may know of them."""
    return list(DataSource.objects.visible_to(membership).filter(kind=kind).values_list("pk", flat=True))


def _needing(membership: Membership, space: UUID, kind: str) -> QuerySet[LivePart, UUID]:
    """The assistants that need this space: some part of their knowledge lies in what it is granted, of this kind where one is
    given. What ``assistants.needs`` says of one, about all of them. One query, and none for a space of others."""
    spaces = Space.objects.of_member(membership).filter(pk=space).order_by().values("pk")
    grants = Grant.objects.filter(space__in=spaces).exclude(source__state=DataSource.State.DELETING)
    if kind:
        grants = grants.filter(source__kind=kind)
    whole, partly, covered = [], [], Q(pk__in=[])
    for source, inside in grants.values_list("source", "parents_in"):
        if inside is None:
            whole.append(source)
        else:
            partly.append(source)
            covered |= Q(source=source, node__parents__overlap=inside)
    parts = LivePart.objects.filter(source__in=[*whole, *partly])
    return parts.filter(Q(source__in=whole) | covered).values_list("assistant", flat=True)


def _that_fit(
    membership: Membership, rows: QuerySet[Assistant], text: str, alike: Sequence[UUID]
) -> QuerySet[Assistant]:
    """Those that have the words, or do what the text says; ``fits``: how well. Its handle or name is 4, all words in one of
    these 3, words anywhere 1.5; what means the same adds at most 1, so that it never comes before what has the words."""
    words = searching.words_of(text)
    has_words = searching.with_words(membership, words) if words else Q(pk__in=[])
    rows = rows.filter(has_words | Q(pk__in=alike))
    literal = Case(
        When(searching.called(text, words), then=Value(4.0)),
        *([When(searching.named(words), then=Value(3.0))] if words else []),
        *([When(has_words, then=Value(1.5))] if alike else []),
        default=Value(0.0),
        output_field=FloatField(),
    )
    if not alike:
        return rows.annotate(fits=literal)
    return rows.annotate(
        fits=literal + Coalesce(Value(2.0) / (_place(alike) + Value(1.0)), 0.0, output_field=FloatField())
    )


def _place(keys: Sequence[UUID]) -> Any:
    """At which place an assistant stands among ``keys``, from 1 on; null where it does not."""
    listed = Value(list(keys), output_field=ArrayField(models.UUIDField()))
    return models.Func(listed, F("pk"), function="array_position", output_field=FloatField())


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to filter by, as far as this person may see it."""

    tags: Sequence[str]
    spaces: Sequence[Space]
    kinds: Sequence[tuple[str, str]]


def choices(membership: Membership) -> Choices:
    """Tags by how many assistants have them, kept for some minutes; spaces by name; kinds of sources. Two queries and, where the
    tags are not kept, one more, and those of visibility."""
    kinds = DataSource.objects.visible_to(membership).order_by().values_list("kind", flat=True).distinct()
    return Choices(
        tags=kept(f"gallery.tags:{membership.pk}", lambda: _tags(membership), slow=0.02).value,
        spaces=list(Space.objects.of_member(membership)),
        kinds=sorted(
            ((kind, CONNECTORS[kind].label) for kind in kinds if kind in CONNECTORS), key=lambda k: k[1].lower()
        ),
    )


def _tags(membership: Membership) -> list[str]:
    """Of those that are used most, the tag of most of them first."""
    first = list(found(membership, Wanted())[:TAGS_OF])
    tags = (
        AssistantVersion.objects.filter(pk__in=Assistant.objects.filter(pk__in=first).values("live"))
        .order_by()
        .annotate(tag=models.Func("tags", function="unnest", output_field=models.CharField()))
        .values("tag")
        .annotate(number=models.Count("pk"))
        .order_by("-number", "tag")
    )
    return [row["tag"] for row in tags[:MOST_TAGS]]
