"""How an assistant is used, for its owners."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from assistants.insight.of_one import PERIODS, Insight, insight
from assistants.models import Assistant
from portal.access import WorkspaceRequest, workspace_view
from portal.charts import Columns, Series, columns, day_label, thin


@workspace_view("assistant.edit")
@require_GET
def page(request: WorkspaceRequest, handle: str) -> HttpResponse:
    """``?days=`` 7, 30 or 90."""
    rows = Assistant.objects.editable_by(request.membership).select_related("live", "latest", "workspace")
    assistant = get_object_or_404(rows, handle__iexact=handle)
    number = period_of(request.GET.get("days", ""))
    found = insight(request.membership, assistant, number)
    context = {
        "assistant": assistant,
        "version": assistant.live or assistant.latest,
        "found": found,
        "drawn": _charts(found),
        "number": number,
        "periods": PERIODS,
    }
    return render(request, "assistants/insight.html", context)


def period_of(text: str) -> int:
    return int(text) if text in {str(days) for days in PERIODS} else PERIODS[1]


def _charts(found: Insight) -> list[Columns]:
    labels = [day_label(day) for day in found.days]
    daily = found.use
    answered = [asked - empty for asked, empty in zip(daily.questions, daily.unanswered, strict=True)]
    return [
        columns("Questions", labels, [Series("Answered", answered), Series("Found nothing", daily.unanswered, "bad")]),
        columns("People by day", labels, [Series("People", daily.people)], total=f"{thin(daily.everybody)} in all"),
        columns(
            "People by week",
            [day_label(day) for day, _people in daily.weeks],
            [Series("People", [people for _day, people in daily.weeks])],
            heading="Week from",
        ),
        columns("Thumbs", labels, [Series("Up", found.ups), Series("Down", found.downs, "bad")]),
    ]
