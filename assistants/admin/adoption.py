"""What assistants say on the page on adoption: teams without one, questions without an answer, people who never asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, Func, OuterRef, QuerySet, Sum, UUIDField
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from assistants.insight import asked, use
from assistants.insight.topics import LEAST_PEOPLE, Topics
from assistants.models import Assistant, SpaceDefault, UseDay, VettingRequest
from datasources.models import Grant
from portal.admin.adoption import MOST, TEMPLATE, Row, Suggestion, section
from portal.kept import kept
from portal.models import Membership, Space, Workspace
from portal.registry import Panel, registries

DAYS = 30
GRACE = timedelta(days=14)
"""An assistant that is younger is not called unused."""
MOST_ASSISTANTS = 20
"""Those with the most questions that found nothing; their questions are looked at."""
LIKED_BY = 5
"""People in 30 days, from which a published assistant is worth vetting."""


def offered(workspace: Workspace) -> QuerySet[Assistant]:
    rows = Assistant.objects.filter(workspace=workspace, archived=None, live__isnull=False)
    return rows.exclude(scope=Assistant.Scope.PERSONAL)


@dataclass(frozen=True, slots=True)
class Team:
    """A restricted space that no offered assistant serves. ``data``: whether a source is its own."""

    space: Space
    people: int
    data: bool


def teams_without(workspace: Workspace) -> list[Team]:
    """Restricted spaces with people, none of whose own sources an offered assistant reads; the largest first. Four queries.

    A source that everybody reads is no team's own.
    """
    restricted = Space.objects.filter(workspace=workspace, kind=Space.Kind.RESTRICTED)
    spaces = list(restricted.annotate(people=Count("members")).filter(people__gt=0).order_by("-people", "name"))
    own: dict[UUID, set[UUID]] = {space.pk: set() for space in spaces}
    common: set[UUID] = set()
    for space, kind, source in Grant.objects.filter(space__workspace=workspace).values_list(
        "space", "space__kind", "source"
    ):
        if kind == Space.Kind.OPEN:
            common.add(source)
        elif space in own:
            own[space].add(source)
    one = Func(F("reads"), function="unnest", output_field=UUIDField())
    read = set(offered(workspace).order_by().annotate(one=one).values_list("one", flat=True).distinct())
    served = set(SpaceDefault.objects.filter(space__workspace=workspace).values_list("space", flat=True))
    return [
        Team(space, space.people, bool(own[space.pk] - common))
        for space in spaces
        if space.pk not in served and not (own[space.pk] - common) & read
    ]


def _teams(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    found = teams_without(workspace)
    rows = [
        Row(
            team.space.name,
            f"{team.people} {'person' if team.people == 1 else 'people'}, {'has' if team.data else 'without'} data of its own",
            reverse("admin:portal_space_change", args=[team.space.pk]),
        )
        for team in found
    ]
    suggestions = []
    for team in found[:3]:
        if team.data:
            words = f"{team.space} has data of its own, and no assistant reads it."
            new = reverse("assistant_start", args=[workspace.slug])
            suggestions.append(Suggestion(words, "Make an assistant", new, 12))
        else:
            words = f"{team.space} has no data of its own. Grant it a source, or a part of one."
            suggestions.append(Suggestion(words, "Grant data", reverse("data", args=[workspace.slug]), 14))
    return section(
        "Teams without an assistant",
        "Restricted spaces whose own data no published assistant reads.",
        rows,
        nothing="Every restricted space with people in it has one.",
        suggestions=suggestions,
    )


def _unmet(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    """Counts for everything; words only for what three people share, and for what its author shared."""
    first = timezone.localdate() - timedelta(days=DAYS - 1)
    since = timezone.make_aware(datetime.combine(first, time.min))
    worst = kept(f"adoption:worst:{workspace.pk}:{first}", lambda: _worst(workspace, first)).value
    ids = [row["assistant"] for row in worst]
    heavy = kept(f"adoption:topics:{workspace.pk}:{first}", lambda: asked.topics(ids, since), seconds=900)
    reader: Membership | None = getattr(request, "membership", None)
    texts = asked.unanswered(ids, since, reader)
    rows = [
        *(_topic_row(topics) for topics in _unmet_topics(heavy.value)),
        *(Row(f"“{one.text[:160]}”", _asked_by(one)) for one in texts.shown[:5]),
        *(
            Row(
                f"@{row['assistant__handle']}",
                f"{row['number']} questions found nothing",
                reverse("assistant_insight", args=[workspace.slug, row["assistant__handle"]]),
            )
            for row in worst[:5]
        ),
    ]
    suggestions = []
    if worst:
        handle, number = worst[0]["assistant__handle"], worst[0]["number"]
        words = f"{number} questions to @{handle} found nothing in 30 days. Its knowledge may lack something."
        address = reverse("assistant_insight", args=[workspace.slug, handle])
        suggestions.append(Suggestion(words, "See what is asked", address, 25))
    return section(
        "Questions without an answer",
        "In 30 days. A topic or a text is shown where three people share it, or its author shared it; all else is counted.",
        rows,
        number=len(rows),
        nothing="Every question to an offered assistant found something.",
        suggestions=suggestions,
        at=heavy.at if heavy.old else None,
    )


def _worst(workspace: Workspace, first: date) -> list[dict[str, Any]]:
    """The offered assistants with the most questions that found nothing."""
    rows = UseDay.objects.filter(
        workspace=workspace, day__gte=first, unanswered__gt=0, assistant__in=offered(workspace)
    )
    summed = rows.order_by().values("assistant", "assistant__handle").annotate(number=Sum("unanswered"))
    return [dict(row) for row in summed.order_by("-number")[:MOST_ASSISTANTS]]


def _unmet_topics(topics: Topics) -> Sequence[Any]:
    return [one for one in topics.topics if one.unanswered >= LEAST_PEOPLE][:5]


def _topic_row(topic: Any) -> Row:
    what = f"{topic.questions} questions by {topic.people} people, {topic.unanswered} found nothing"
    return Row(", ".join(topic.words), what)


def _asked_by(one: asked.Unmet) -> str:
    return f"asked by {one.people} people" if one.people >= LEAST_PEOPLE else "shared by who asked"


def _never_asked(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    used = UseDay.objects.filter(workspace=workspace, user=OuterRef("user"))
    rows = Membership.objects.active().filter(~Exists(used), workspace=workspace, last_seen__isnull=False)
    number = rows.count()
    suggestions = []
    if number:
        words = f"{number} {'person has' if number == 1 else 'people have'} come and never asked anything. Show them one good question."
        suggestions.append(Suggestion(words, "Open the gallery", reverse("assistants", args=[workspace.slug]), 30))
    return section(
        "Here, but never asked",
        "They opened Atrium and did not ask.",
        [
            Row(str(one.user), f"last seen on {one.last_seen:%-d %B}" if one.last_seen else "")
            for one in rows.select_related("user").order_by("-last_seen")[:MOST]
        ],
        number=number,
        nothing="Everybody who came has asked.",
        suggestions=suggestions,
    )


def _unused(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    first = timezone.localdate() - timedelta(days=DAYS - 1)
    used = UseDay.objects.filter(assistant=OuterRef("pk"), day__gte=first)
    rows = offered(workspace).filter(~Exists(used), created__lt=timezone.now() - GRACE)
    listed = rows.select_related("live").prefetch_related("owners").order_by("created")[:MOST]
    return section(
        "Assistants that nobody uses",
        "Offered for two weeks or more, and not asked in 30 days. Tell people of them, or archive them.",
        [
            Row(
                str(one),
                "by " + (", ".join(str(owner) for owner in one.owners.all()) or "nobody who is still here"),
                reverse("admin:assistants_assistant_change", args=[one.pk]),
            )
            for one in listed
        ],
        number=rows.count(),
        nothing="Each was asked in the last 30 days.",
        suggestions=_worth_vetting(workspace, first),
    )


def _worth_vetting(workspace: Workspace, since: Any) -> list[Suggestion]:
    used = kept(f"adoption:used:{workspace.pk}:{since}", lambda: use.by_assistant(workspace, since, 50)).value
    liked = {one.assistant: one.people for one in used if one.people >= LIKED_BY}
    row = next(
        iter(
            sorted(
                offered(workspace)
                .filter(pk__in=[key for key in liked if key], scope=Assistant.Scope.PUBLISHED)
                .exclude(vetting_requests__state=VettingRequest.State.OPEN),
                key=lambda one: -liked[one.pk],
            )
        ),
        None,
    )
    suggestions = []
    if row is not None:
        words = (
            f"{row} was asked by {liked[row.pk]} people in 30 days and is not vetted. Vetted, everybody is offered it."
        )
        address = reverse("admin:assistants_assistant_change", args=[row.pk])
        suggestions.append(Suggestion(words, "Look at it", address, 15))
    if not offered(workspace).filter(is_default=True).exists():
        words = "No assistant answers by default: whoever chooses none gets the plain one."
        address = reverse("admin:assistants_assistant_changelist")
        suggestions.append(Suggestion(words, "Choose one", address, 40))
    return suggestions


registries.panel("adoption").add("teams", Panel(TEMPLATE, _teams, weight=10))
registries.panel("adoption").add("unmet", Panel(TEMPLATE, _unmet, weight=20))
registries.panel("adoption").add("never asked", Panel(TEMPLATE, _never_asked, weight=30))
registries.panel("adoption").add("unused", Panel(TEMPLATE, _unused, weight=40))
