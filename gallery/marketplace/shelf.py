"""What stands on the shelf: found by words, department and task, in the order of its stars and installs."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, F, FloatField, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Cast, Coalesce

from gallery.marketplace.blueprint import DEPARTMENTS, TASKS, Blueprint, of_version
from gallery.marketplace.rating import PRIOR_PEOPLE, PRIOR_STARS
from gallery.models import Rating, Template
from portal.models import Membership

ORDERS = {"rated": "Best rated", "installed": "Most installed", "newest": "Newest"}
MOST_FEATURED = 4
_SEARCHED = (
    *("latest__name", "latest__description", "latest__sample_question"),
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
    membership: Membership, text: str = "", *, department: str = "", task: str = "", order: str = "rated"
) -> QuerySet[Template]:
    """What this person can install. ``text``: each word in a name, a description, a question, the instructions or a tag, or
    what a department or task is called."""
    rows = rated(Template.objects.on_shelf(membership.workspace_id)).select_related("latest")
    if department:
        rows = rows.filter(department=department)
    if task:
        rows = rows.filter(task=task)
    for word in text.split()[:8]:
        within = Q(department__in=_called(word, DEPARTMENTS)) | Q(task__in=_called(word, TASKS))
        for place in _SEARCHED:
            within |= Q(**{f"{place}__icontains": word})
        rows = rows.filter(within)
    orders = {
        "rated": ["-smoothed", "-installs"],
        "installed": ["-installs", "-smoothed"],
        "newest": ["-latest__created"],
    }
    return rows.order_by(*orders.get(order, orders["rated"]), "latest__name", "pk")


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
