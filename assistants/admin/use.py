"""What assistants hang up on the admin's first page: numbers of the week, and charts of use and of cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from assistants.insight import use
from assistants.models import Assistant
from portal import usage_days
from portal.admin.overview import CHARTS, Number, charts, days_of, period
from portal.charts import Columns, Ranking, Series, columns, day_label, lines, money, thin
from portal.kept import kept
from portal.models import UsageDay, User, Workspace
from portal.registry import Panel, registries
from portal.usage_days import Spent

MOST = 8
NO_ASSISTANT = "No assistant chosen"
PERSONAL = "Personal assistants"


def numbers(workspace: Workspace | None) -> list[Number]:
    """Of the last seven days. Two queries."""
    here = {} if workspace is None else {"workspace": workspace}
    offered = Assistant.objects.filter(archived=None, **here).exclude(scope=Assistant.Scope.PERSONAL)
    address = reverse("admin:assistants_assistant_changelist")
    shown = [Number("Assistants offered", offered.count(), address)]
    if workspace is None:
        return shown
    people, questions, unanswered = use.totals(workspace, days_of(7)[0])
    return [
        *shown,
        Number("People who asked this week", people),
        Number("Questions this week", questions),
        Number("Found nothing", unanswered),
    ]


def _use(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    days = days_of(period(request))
    drawn = kept(f"govern:use:{workspace.pk}:{days[0]}:{days[-1]}", lambda: _use_charts(workspace, days))
    return charts("Use", drawn.value, drawn.at if drawn.old else None)


def _use_charts(workspace: Workspace, days: Sequence[date]) -> list[Columns | Ranking]:
    daily = use.of_workspace(workspace, days)
    ups, downs = use.thumbs(use.thumbs_of_workspace(workspace), days)
    labels = [day_label(day) for day in days]
    answered = [asked - empty for asked, empty in zip(daily.questions, daily.unanswered, strict=True)]
    return [
        columns(
            "People active by day", labels, [Series("People", daily.people)], total=f"{thin(daily.everybody)} in all"
        ),
        columns(
            "People active by week",
            [day_label(day) for day, _people in daily.weeks],
            [Series("People", [people for _day, people in daily.weeks])],
            heading="Week from",
        ),
        columns(
            "Questions",
            labels,
            [Series("Answered", answered), Series("Found nothing", daily.unanswered, "bad")],
            total=f"{thin(sum(daily.questions))}, {share(sum(daily.unanswered), sum(daily.questions))} found nothing",
        ),
        columns(
            "Thumbs",
            labels,
            [Series("Up", ups), Series("Down", downs, "bad")],
            total=f"{share(sum(ups), sum(ups) + sum(downs))} up",
        ),
        _by_use(workspace, days[0]),
    ]


def share(part: int, whole: int) -> str:
    """ "12 %", or a dash where there is nothing to take a part of."""
    return f"{round(100 * part / whole)}\u202f%" if whole else "–"


def _by_use(workspace: Workspace, since: date) -> Ranking:
    found = use.by_assistant(workspace, since, MOST)
    known = {
        row.pk: row for row in Assistant.objects.filter(pk__in=[o.assistant for o in found]).select_related("live")
    }
    rows = []
    for one in found:
        assistant = known.get(one.assistant) if one.assistant else None
        address = reverse("admin:assistants_assistant_change", args=[assistant.pk]) if assistant else ""
        name = str(assistant) if assistant else PERSONAL if one.kind == "personal" else NO_ASSISTANT
        cells = [thin(one.people), thin(one.questions), share(one.unanswered, one.questions)]
        rows.append((name, one.people, cells, address))
    return Ranking(
        "Assistants by use",
        "Assistant",
        ["People", "Questions", "Found nothing"],
        lines(rows),
        empty="Nobody asked in these days.",
    )


def _cost(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    since = days_of(period(request))[0]
    key = f"govern:cost:{workspace.pk}:{since}:{timezone.localdate()}"
    drawn = kept(key, lambda: _cost_charts(workspace, since))
    words = "" if any(chart.lines for chart in drawn.value) else "No model was called in these days."
    return charts("Tokens and cost", drawn.value, drawn.at if drawn.old else None, words)


def _cost_charts(workspace: Workspace, since: date) -> list[Ranking]:
    models = usage_days.spent(workspace, UsageDay.By.MODEL, since)
    assistants = usage_days.spent(workspace, UsageDay.By.ASSISTANT, since)
    people = usage_days.spent(workspace, UsageDay.By.PERSON, since)
    named = {one.key: one.key or "Unknown model" for one in models}
    return [
        _spent(workspace, "By model", "Model", models, named),
        _spent(workspace, "By assistant", "Assistant", assistants, _handles(workspace, assistants)),
        _spent(workspace, "By person", "Person", people, _people(workspace, people)),
    ]


def _spent(workspace: Workspace, title: str, heading: str, found: Sequence[Spent], named: dict[str, str]) -> Ranking:
    """Those that have a name here are lines; what all others come to is said in one."""
    shown = [one for one in found if one.key in named][:MOST]
    others = [one for one in found if one not in shown]
    drawn_by_cost = any(one.cost for one in found)
    rest = ""
    if others:
        tokens = thin(sum(one.tokens for one in others))
        spent = money(sum((one.cost for one in others), Decimal(0)), workspace.currency)
        rest = f"Others: {tokens} tokens, {spent}."
    return Ranking(
        title,
        heading,
        ["Tokens", "Cost"],
        lines(
            [
                (
                    named[one.key],
                    one.cost if drawn_by_cost else one.tokens,
                    [thin(one.tokens), _cost_words(one, workspace.currency)],
                    "",
                )
                for one in shown
            ]
        ),
        empty="Nothing in these days.",
        rest=rest,
    )


def _cost_words(one: Spent, currency: str) -> str:
    if one.unpriced == one.calls:
        return "no price set"
    return money(one.cost, currency) + (" and more" if one.unpriced else "")


def _handles(workspace: Workspace, found: Sequence[Spent]) -> dict[str, str]:
    """Offered ones by name; personal ones are their owners' business and stand among the others. One query."""
    ids = [UUID(one.key) for one in found[:200] if one.key]
    rows = Assistant.objects.filter(workspace=workspace, pk__in=ids).exclude(scope=Assistant.Scope.PERSONAL)
    return {str(pk): f"@{handle}" for pk, handle in rows.values_list("pk", "handle")} | {"": NO_ASSISTANT}


def _people(workspace: Workspace, found: Sequence[Spent]) -> dict[str, str]:
    ids = [int(one.key) for one in found[: MOST * 2] if one.key]
    rows = User.objects.filter(pk__in=ids, memberships__workspace=workspace)
    return {str(user.pk): str(user) for user in rows} | {"": "Nobody: syncs and the like"}


registries.panel("govern_charts").add("use", Panel(CHARTS, _use, weight=10))
registries.panel("govern_charts").add("cost", Panel(CHARTS, _cost, weight=30))
