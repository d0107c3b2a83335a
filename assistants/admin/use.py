"""What assistants hang up on the admin's first page: numbers of the week, and charts of use and of cost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from assistants.insight import of_workspace, use
from assistants.insight.of_workspace import MOST, ByAssistant, NamedSpending, WorkspaceUse
from assistants.models import Assistant
from portal.admin.overview import CHARTS, Number, charts, days_of, period
from portal.charts import Columns, Ranking, Series, columns, day_label, lines, money, thin
from portal.models import UsageDay, Workspace
from portal.registry import Panel, registries
from portal.usage_days import Spent


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
    found = of_workspace.used(workspace, days_of(period(request)))
    return charts("Use", _use_charts(found.value), found.at if found.old else None)


def _use_charts(found: WorkspaceUse) -> list[Columns | Ranking]:
    daily, ups, downs = found.use, found.ups, found.downs
    labels = [day_label(day) for day in daily.days]
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
        _by_use(found.assistants),
    ]


def share(part: int, whole: int) -> str:
    """ "12 %", or a dash where there is nothing to take a part of."""
    return f"{round(100 * part / whole)}\u202f%" if whole else "–"


def _by_use(found: Sequence[ByAssistant]) -> Ranking:
    rows = []
    for one in found:
        address = reverse("admin:assistants_assistant_change", args=[one.assistant]) if one.assistant else ""
        cells = [thin(one.use.people), thin(one.use.questions), share(one.use.unanswered, one.use.questions)]
        rows.append((one.name, one.use.people, cells, address))
    return Ranking(
        "Assistants by use",
        "Assistant",
        ["People", "Questions", "Found nothing"],
        lines(rows),
        empty="Nobody asked in these days.",
    )


def _cost(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    since = days_of(period(request))[0]
    found = {by: of_workspace.spent(workspace, by, since) for by in _COST}
    drawn = [_spent(workspace, *_COST[by], one.value) for by, one in found.items()]
    words = "" if any(chart.lines for chart in drawn) else "No model was called in these days."
    return charts("Tokens and cost", drawn, min((one.at for one in found.values() if one.old), default=None), words)


_COST = {
    UsageDay.By.MODEL: ("By model", "Model"),
    UsageDay.By.ASSISTANT: ("By assistant", "Assistant"),
    UsageDay.By.PERSON: ("By person", "Person"),
}


def _spent(workspace: Workspace, title: str, heading: str, found: NamedSpending) -> Ranking:
    """The first that have a name here are lines; what all others come to is said in one."""
    others = [one for _name, one in found.named[MOST:]]
    others += [found.others] if found.others.calls else []
    by_cost = any(one.cost for _name, one in found.named) or bool(found.others.cost)
    rest = ""
    if others:
        tokens = thin(sum(one.tokens for one in others))
        spent = money(sum((one.cost for one in others), Decimal(0)), workspace.currency)
        rest = f"Others: {tokens} tokens, {spent}."
    shown = found.named[:MOST]
    drawn = [
        (name, one.cost if by_cost else one.tokens, [thin(one.tokens), _cost_words(one, workspace.currency)], "")
        for name, one in shown
    ]
    return Ranking(title, heading, ["Tokens", "Cost"], lines(drawn), empty="Nothing in these days.", rest=rest)


def _cost_words(one: Spent, currency: str) -> str:
    if one.unpriced == one.calls:
        # Nothing was sent to anybody: quotes, and the model on this machine.
        return "no price set" if one.tokens else "nothing"
    return money(one.cost, currency) + (" and more" if one.unpriced else "")


registries.panel("govern_charts").add("use", Panel(CHARTS, _use, weight=10))
registries.panel("govern_charts").add("cost", Panel(CHARTS, _cost, weight=30))
