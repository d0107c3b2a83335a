"""Assistants and templates in the palette (Cmd/Ctrl-K)."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse

from gallery import listing
from gallery.marketplace import shelf
from portal.models import Membership

MOST, MOST_TEMPLATES = 8, 6
FEW = 3
"""Where fewer assistants than this have the words, those that mean the same are looked for, too."""

Entries = list[tuple[str, str, str]]


def assistants(request: HttpRequest, text: str) -> Entries:
    """By handle, name, description, starter questions and tags, as in the gallery; without a text those that are used most."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    among = listing.listed(membership)
    wanted = listing.Wanted(text=text)
    keys = list(listing.found(membership, wanted, among=among, by_meaning=False)[:MOST])
    if text and len(keys) < FEW:
        keys = list(listing.found(membership, wanted, among=among)[:MOST])
    return [
        (
            f"{version.emoji} {version.name}".strip(),
            reverse("assistant", args=[membership.workspace.slug, row.handle]),
            f"@{row.handle}",
        )
        for row in listing.loaded(membership, keys)
        if (version := row.live or row.latest)
    ]


def templates(request: HttpRequest, text: str) -> Entries:
    """By what they say of themselves. Words of their instructions, which the marketplace looks through as well, mean little here."""
    membership: Membership = request.membership  # type: ignore[attr-defined]
    if len(text) < 2:
        return []
    rows = shelf.found(membership, text)
    for word in text.split():
        told = Q(latest__name__icontains=word) | Q(latest__description__icontains=word)
        rows = rows.filter(told | Q(latest__body__tags__icontains=word))
    cards = [shelf.card(row) for row in rows[:MOST_TEMPLATES]]
    slug = membership.workspace.slug
    return [(one.blueprint.name, reverse("template", args=[slug, one.template.pk]), one.department) for one in cards]
