"""Where an assistant stands, in words, and what each button of the builder's bar does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assistants import lifecycle
from assistants.models import Assistant, VettingRequest
from portal.access import may
from portal.models import Membership, User


@dataclass(frozen=True, slots=True)
class State:
    """Where an assistant stands, in a few words, and the one step that comes next."""

    words: str
    tone: str = ""
    next: str = ""
    next_words: str = ""


def state_of(assistant: Assistant | None, membership: Membership) -> State:
    """One query, for the request that was made last."""
    if assistant is None:
        return State("Not saved yet")
    if assistant.archived:
        return State("Archived: nobody finds it")
    if assistant.scope == Assistant.Scope.PERSONAL:
        return State("Saved: only its owners see it", "ok", "publish", "Publish")
    admin = may(membership, "assistant.vet")
    last = assistant.vetting_requests.select_related("version").first()
    if last is not None and last.state == VettingRequest.State.OPEN:
        return _asked(assistant, last, admin)
    if assistant.scope == Assistant.Scope.WORKSPACE:
        return _vetted(assistant, last, admin)
    if assistant.has_draft:
        return State("Published, but for what was saved last", "warn", "publish", "Publish the changes")
    if _sent_back(assistant, last):
        return State("Published: an admin asks for changes", "warn", "request_vetting", "Ask again")
    if admin:
        return State("Published", "ok", "vet", "Vet for everyone")
    words = "Published: whoever may read all that it needs can ask it"
    return State(words, "ok", "request_vetting", "Ask for vetting")


def _asked(assistant: Assistant, request: VettingRequest, admin: bool) -> State:
    """A request is open: of the latest version, or of one that was changed since."""
    vetted = assistant.scope == Assistant.Scope.WORKSPACE
    meanwhile = "people still get the vetted version" if vetted else "it is published meanwhile"
    if request.version_id != assistant.latest_id:
        words = f"In review: version {request.version.number}, without what was saved since; {meanwhile}"
        return State(words, "warn", "request_vetting", "Ask for the new version")
    if admin:
        return State(f"In review: {meanwhile}", "warn", "request_vetting", "Look at the request")
    return State(f"In review: an admin looks at it; {meanwhile}", "warn")


def _vetted(assistant: Assistant, last: VettingRequest | None, admin: bool) -> State:
    if not assistant.has_draft:
        return State("Vetted: offered to everyone", "ok")
    if _sent_back(assistant, last):
        words = "Draft: an admin asks for changes; people still get the vetted version"
        return State(words, "warn", "request_vetting", "Ask again")
    if admin:
        return State("Draft: people still get the vetted version", "warn", "vet", "Vet these changes")
    return State("Draft: people still get the vetted version", "warn", "request_vetting", "Ask for vetting")


def _sent_back(assistant: Assistant, last: VettingRequest | None) -> bool:
    return last is not None and last.state == VettingRequest.State.CHANGES


def _nothing_more(assistant: Assistant, by: User) -> None:
    """Saving was all: the page where it leads asks for the rest."""


# What a button of the bar does once the form is saved; the words tell it on the next page.
STEPS: dict[str, tuple[Callable[..., Any], str]] = {
    "publish": (lifecycle.publish, "Published. Whoever may read all that it needs finds it in the gallery."),
    "unpublish": (lifecycle.unpublish, "Not published any more: only its owners see it."),
    "request_vetting": (_nothing_more, "Saved. Look at what an admin will see, and ask."),
    "vet": (lifecycle.vet, "Vetted: it is offered to everyone."),
    "unvet": (lifecycle.unvet, "The vetting is taken back; it is still published."),
    "archive": (lifecycle.archive, "Archived. Nobody finds it any more; its answers are kept."),
}
WITHOUT_SAVING = frozenset({"unpublish", "unvet", "archive"})
