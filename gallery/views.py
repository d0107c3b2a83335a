"""The gallery's page, and what it hangs up on others' pages: the assistants for me on home, and why one stands where it does."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET

from assistants.models import Assistant
from gallery import listing
from gallery.cards import Card, cards
from gallery.explaining import why
from gallery.for_you import used_nearby
from portal.access import WorkspaceRequest, workspace_view
from portal.charts import Series, columns, day_label
from portal.models import Membership
from portal.pages import is_fragment

PAGE = 24
FEATURED = 3
MOST_VETTED, MOST_AT_HOME = 4, 6


@workspace_view("assistant.view")
@require_GET
def assistants(request: WorkspaceRequest) -> HttpResponse:
    """The page; for htmx its cards, or the next of them (``from``: how many were there)."""
    membership = request.membership
    wanted = listing.Wanted.read(request.GET)
    start = _number(request.GET.get("from", ""))
    among = listing.listed(membership, hidden=wanted.hidden)
    nearby = used_nearby(membership) if wanted.order == "you" else None
    keys = list(listing.found(membership, wanted, among=among, nearby=nearby)[start : start + PAGE + 1])
    top: list[UUID] = []
    if not start and wanted == listing.Wanted() and len(keys) > PAGE // 2:
        top = list(listing.found(membership, listing.Wanted(scope="vetted"), among=among)[:FEATURED])
    people = dict(nearby.people) if nearby else {}
    loaded = listing.loaded(membership, {*keys[:PAGE], *top})
    shown = {card.assistant.pk: card for card in cards(membership, loaded, people)}
    context: dict[str, Any] = {
        "wanted": wanted,
        "cards": [shown[key] for key in keys[:PAGE] if key in shown],
        "featured": [shown[key] for key in top if key in shown],
        "start": start,
        # What colleagues use comes first: where the first is none of it, there is nothing of it.
        "nothing_near": bool(nearby and keys and not start and keys[0] not in nearby.order),
        "more": _address(request, start + PAGE) if len(keys) > PAGE else "",
        "admin": membership.is_admin,
    }
    if is_fragment(request):
        name = "gallery/assistants.html#more" if start else "gallery/assistants.html#cards"
    else:
        name = "gallery/assistants.html"
        context |= {
            "choices": listing.choices(membership),
            "orders": listing.ORDERS.items(),
            "scopes": listing.SCOPE_LABELS.items(),
            "stages": Assistant.Stage.choices,
        }
    response = render(request, name, context)
    if is_fragment(request) and not start:
        response["HX-Push-Url"] = _address(request, 0)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _number(text: str) -> int:
    return min(int(text), 100_000) if text.isdecimal() and len(text) < 7 else 0


def _address(request: HttpRequest, start: int) -> str:
    """The same again from there on, without what was left empty."""
    kept = [(name, value) for name, value in request.GET.items() if value and name != "from"]
    query = urlencode([*kept, ("from", start)] if start else kept)
    return f"{request.path}?{query}" if query else request.path


def home(request: HttpRequest, workspace: Any) -> dict[str, Any] | None:
    """For the home page: vetted ones first, then what people of my spaces use and I do not yet, then what is used most."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    shown = for_home(membership)
    return {"cards": shown} if shown else None


def for_home(membership: Membership) -> list[Card]:
    """At most six. As many queries whoever asks."""
    nearby = used_nearby(membership)
    among = listing.listed(membership).filter(live__isnull=False)
    vetted = list(listing.found(membership, listing.Wanted(scope="vetted"), among=among)[:MOST_VETTED])
    others = listing.found(membership, listing.Wanted(order="you"), among=among, nearby=nearby)
    keys = dict.fromkeys([*vetted, *others[: MOST_AT_HOME + MOST_VETTED]])
    return cards(membership, listing.loaded(membership, list(keys)[:MOST_AT_HOME]), dict(nearby.people))


def standing(request: HttpRequest, assistant: Assistant) -> dict[str, Any] | None:
    """For the page of one: its use, and why it is ranked where it is. Nothing for what is not in the gallery."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    if assistant.scope == Assistant.Scope.PERSONAL or assistant.live_id is None:
        return None
    found = why(membership, assistant)
    chart = None
    if found.days:
        people = Series("People", [day.people for day in found.days])
        chart = columns("People who asked it, day by day", [day_label(day.day) for day in found.days], [people])
    return {"why": found, "chart": chart}
