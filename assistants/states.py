"""Where an assistant stands, in words, and what each button of the builder's bar does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assistants import lifecycle
from assistants.models import Assistant
from portal.access import may
from portal.models import Membership


@dataclass(frozen=True, slots=True)
class State:
    """Where an assistant stands, in a few words, and the one step that comes next."""

    words: str
    tone: str = ""
    next: str = ""
    next_words: str = ""


def state_of(assistant: Assistant | None, membership: Membership) -> State:
    if assistant is None:
        return State("Not saved yet")
    admin = may(membership, "assistant.vet")
    if assistant.in_review:
        if admin:
            return State("In review: people still get the vetted version", "warn", "vet", "Vet these changes")
        return State("In review: an admin looks at your changes; people still get the vetted version", "warn")
    if assistant.scope == Assistant.Scope.WORKSPACE:
        return State("Vetted: offered to everyone", "ok")
    if assistant.scope == Assistant.Scope.PUBLISHED:
        if admin:
            return State("Published", "ok", "vet", "Vet for everyone")
        return State("Published: whoever may read its sources can ask it", "ok")
    return State("Saved: only its owners see it", "ok", "publish", "Publish")


# What a button of the bar does once the form is saved; the words tell it on the next page.
STEPS: dict[str, tuple[Callable[..., Any], str]] = {
    "publish": (lifecycle.publish, "Published. Whoever may read its sources finds it in the gallery."),
    "unpublish": (lifecycle.unpublish, "Not published any more: only its owners see it."),
    "vet": (lifecycle.vet, "Vetted: it is offered to everyone."),
    "unvet": (lifecycle.unvet, "The vetting is taken back; it is still published."),
    "archive": (lifecycle.archive, "Archived. Nobody finds it any more; its answers are kept."),
}
WITHOUT_SAVING = frozenset({"unpublish", "unvet", "archive"})
