"""What stands on the shelf: found by words, department and task, in the order of its stars and installs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    Case,
    Count,
    F,
    FloatField,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    UUIDField,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce

from gallery.marketplace.blueprint import DEPARTMENTS, TASKS, Blueprint, of_version
from gallery.marketplace.rating import PRIOR_PEOPLE, PRIOR_STARS
from gallery.models import Rating, Template
from portal.models import Membership

ORDERS = {"rated": "Best rated", "installed": "Most installed", "newest": "Newest"}
MOST_FEATURED = 4
_TOLD = ("latest__name", "latest__description", "latest__sample_question")
_SEARCHED = (
    *_TOLD,
    *("latest__body__instructions", "latest__body__tags", "latest__body__starters"),
)


@dataclass(frozen=True, slots=True)
class Card:
    """``stars``: the mean as it was given, 0 where nobody has; ``people``: how many have."""

    template: Template
    blueprint: Blueprint
    stars: float
    people: int

    @property
    def department(self) -> str:
        return DEPARTMENTS.get(self.template.department, "")

    @property
    def task(self) -> str:
        return TASKS.get(self.template.task, "")


def found(
    membership: Membership,
    text: str = "",
    *,
    department: str = "",
    task: str = "",
    order: str = "rated",
    alike: Sequence[UUID] = (),
) -> QuerySet[Template]:
    """What this person can install. ``text``: each word in a name, a description, a question, the instructions or a tag, or
    what a department or task is called. ``alike``: what means the same, as ``meaning`` finds it; it comes after
    what says the words of itself, and before what has them in its instructions, unless another ``order`` is asked for than the
    usual one.
    """
    rows = rated(Template.objects.on_shelf(membership.workspace_id)).select_related("latest")
    rows = narrowed(rows, text, department=department, task=task, alike=alike)
    fits: list[Any] = []
    if text.split() and alike and order == "rated":
        rows = rows.annotate(near=Case(When(_with_words(text, _TOLD), then=Value(0)), default=_place(alike)))
        fits = [F("near").asc(nulls_last=True)]
    orders = {
        "rated": ["-smoothed", "-installs"],
        "installed": ["-installs", "-smoothed"],
        "newest": ["-latest__created"],
    }
    return rows.order_by(*fits, *orders.get(order, orders["rated"]), "latest__name", "pk")


def narrowed(
    rows: QuerySet[Template],
    text: str = "",
    *,
    department: str = "",
    task: str = "",
    alike: Sequence[UUID] = (),
    waiting: bool = False,
) -> QuerySet[Template]:
    """Those of ``rows`` that fit, as ``found`` says. ``waiting``: of what was not approved yet, look through what waits."""
    if department:
        rows = rows.filter(department=department)
    if task:
        rows = rows.filter(task=task)
    fits = _with_words(text)
    if not fits:
        return rows
    if waiting:
        fits |= Q(latest=None) & _with_words(text, [place.replace("latest", "offered", 1) for place in _SEARCHED])
    return rows.filter(fits | Q(pk__in=alike))


def _with_words(text: str, places: Sequence[str] = _SEARCHED) -> Q:
    condition = Q()
    for word in text.split()[:8]:
        within = Q(department__in=_called(word, DEPARTMENTS)) | Q(task__in=_called(word, TASKS))
        for place in places:
            within |= Q(**{f"{place}__icontains": word})
        condition &= within
    return condition


def _place(keys: Sequence[UUID]) -> Any:
    """At which place a template stands among them, from 1 on."""
    listed = Value(list(keys), output_field=ArrayField(UUIDField()))
    return Func(listed, F("pk"), function="array_position", output_field=IntegerField())


def _called(word: str, names: dict[str, str]) -> list[str]:
    return [key for key, name in names.items() if word.casefold() in f"{key} {name}".casefold()]


def rated(rows: QuerySet[Template]) -> QuerySet[Template]:
    """With ``people``, ``stars`` in all, and ``smoothed``: see ``rating.smoothed``."""
    given = Rating.objects.filter(template=OuterRef("pk")).order_by().values("template")
    people = Subquery(given.annotate(n=Count("pk")).values("n"), output_field=IntegerField())
    stars = Subquery(given.annotate(n=Sum("stars")).values("n"), output_field=IntegerField())
    rows = rows.annotate(people=Coalesce(people, 0), stars=Coalesce(stars, 0))
    total = Cast(F("stars"), FloatField()) + Value(PRIOR_PEOPLE * PRIOR_STARS)
    return rows.annotate(smoothed=total / (Cast(F("people"), FloatField()) + Value(float(PRIOR_PEOPLE))))


def featured(membership: Membership) -> QuerySet[Template]:
    return found(membership).filter(featured=True)[:MOST_FEATURED]


def offered_by(membership: Membership) -> QuerySet[Template]:
    """What this person offered that is not on the shelf as they offered it last: it waits, or was declined."""
    mine = Template.objects.filter(workspace=membership.workspace_id, offered_by=membership.user_id)
    unsettled = Q(offered__isnull=False) | Q(state=Template.State.DECLINED)
    return mine.filter(unsettled).select_related("latest", "offered").order_by("-updated")


def card(row: Template) -> Card:
    """Of a row of ``rated``, whose shown version was fetched along."""
    version = row.shown
    assert version is not None
    people, stars = getattr(row, "people", 0), getattr(row, "stars", 0)
    return Card(row, of_version(row, version), round(stars / people, 1) if people else 0.0, people)
