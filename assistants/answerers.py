"""Who answers a question: whom it names, whom its conversation is with, or who does by default. Blocking."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, QuerySet

from assistants import mentions
from assistants.defaults import defaults_of_member
from assistants.errors import Refused
from assistants.models import Assistant, AssistantVersion, Message
from datasources.access import readable_branches
from datasources.retrieval.types import Branch
from portal.models import Budget, Membership
from portal.prepared import Pair, Prepared

_SOME, _SOMEWHERE = 1_000_000_007, UUID(int=1)


@dataclass(frozen=True, slots=True)
class Choice:
    """Who answers. Without an assistant: a plain one that searches all that its reader may read."""

    assistant: Assistant | None
    version: AssistantVersion | None
    branches: Callable[[], tuple[Branch, ...]]
    """What the person may read; asked for once at most."""


def fresh(membership: Membership) -> Membership:
    """The same membership as it is now, with all that an answer needs of its workspace. Raises Refused."""
    found = _FRESH.first(membership.pk)
    if found is None:
        raise Refused("not_found", "You are not in this workspace any more.")
    return found


def fresh_with(membership: Membership, assistant: Assistant | UUID | str | None) -> tuple[Membership, list[Assistant]]:
    """``fresh``, and what ``choose`` would look for: a row or none. One query. Raises Refused."""
    who = (membership.workspace_id, membership.user_id)
    if isinstance(assistant, str):
        found, row = _FRESH_BY_HANDLE.first([membership.pk], [*who, assistant])
    elif assistant is not None:
        found, row = _FRESH_BY_ID.first([membership.pk], [*who, _id_of(assistant)])
    else:
        found, row = _FRESH_BY_DEFAULT.first([membership.pk], who)
    if found is None:
        raise Refused("not_found", "You are not in this workspace any more.")
    return found, [row] if row else []


def _id_of(assistant: Assistant | UUID) -> UUID:
    return assistant if isinstance(assistant, UUID) else assistant.pk


def _fresh(membership: UUID) -> QuerySet[Membership]:
    rows = Membership.objects.active().filter(pk=membership).order_by()
    # Whether any budget is to be looked for costs no question of its own.
    rows = rows.annotate(has_budgets=Exists(Budget.objects.filter(workspace=OuterRef("workspace_id"))))
    rows = rows.annotate(space_defaults=ArraySubquery(defaults_of_member().values("assistant")))
    return rows.select_related("user", "workspace__default_credential", "workspace__embedding_credential")


def _runnable(workspace: UUID, user: int) -> QuerySet[Assistant]:
    rows = Assistant.objects.filter(workspace=workspace).order_by().with_owner(user)
    return rows.select_related("live__credential")


# Each question waits for these, and Django needs longer to write them than the database to answer.
_FRESH = Prepared(_fresh, _SOMEWHERE)
_DEFAULT = Prepared(lambda w, u: _runnable(w, u).filter(is_default=True), _SOMEWHERE, _SOME)
_BY_HANDLE = Prepared(
    lambda w, u, handle: _runnable(w, u).filter(handle__iexact=handle), _SOMEWHERE, _SOME, "some-handle"
)
_BY_ID = Prepared(lambda w, u, id: _runnable(w, u).filter(pk=id), _SOMEWHERE, _SOME, UUID(int=2))
_FRESH_BY_DEFAULT, _FRESH_BY_HANDLE, _FRESH_BY_ID = (Pair(_FRESH, one) for one in (_DEFAULT, _BY_HANDLE, _BY_ID))


def question_of(answer: Message) -> Message | None:
    """The question that this answers, perhaps after others who were asked it too."""
    at = answer.parent
    while at is not None and at.role == Message.Role.ASSISTANT:
        at = at.parent
    return at


def left_to_answer(question: Message, answered: Collection[UUID | None]) -> list[UUID]:
    """Of those who were to answer after the first, the ones who have not, in order."""
    return [one for one in question.then if one not in answered]


def assistants_above(answer: Message) -> set[UUID | None]:
    """Who has answered the same question, down to this answer."""
    found: set[UUID | None] = set()
    at: Message | None = answer
    while at is not None and at.role == Message.Role.ASSISTANT:
        found.add(at.assistant_id)
        at = at.parent
    return found


def ids_of(named: Iterable[Choice]) -> list[UUID]:
    return [choice.assistant.pk for choice in named if choice.assistant]


def asked_in(asker: Membership, content: str, handles: Sequence[str] = ()) -> list[Choice]:
    """Who is asked by name, in order: ``handles``, each of which must be there, else those mentioned that are. Raises Refused."""
    wanted = list(dict.fromkeys(handle.lower().removeprefix("@") for handle in handles))
    found = [choose(asker, handle) for handle in wanted[: mentions.MOST + 1]] if wanted else _mentioned(asker, content)
    if len(found) > mentions.MOST:
        raise Refused("invalid", f"A question can be put to {mentions.MOST} assistants at most.")
    return found


def _mentioned(asker: Membership, content: str) -> list[Choice]:
    """What is mentioned and not there, or not for this person, is text. One query where anything is mentioned."""
    handles = mentions.handles_in(content)
    if not handles:
        return []
    branches = cache(lambda: readable_branches(asker))
    rows = {row.handle.lower(): row for row in _runnable(asker.workspace_id, asker.user_id).filter(handle__in=handles)}
    found = [rows[handle] for handle in handles if handle in rows and rows[handle].offered_to(asker, branches)]
    return [Choice(row, row.runs_for(asker), branches) for row in found]


def choose(
    membership: Membership, assistant: Assistant | UUID | str | None, rows: list[Assistant] | None = None
) -> Choice:
    """The assistant that was asked, by row, id or handle, as this person may run it; without one the default of their spaces, else
    the workspace's, else the plain one. One query, or none where ``rows`` are there from ``fresh_with``, and one more for each
    default of a space that is not for them. Raises Refused."""

    @cache
    def branches() -> tuple[Branch, ...]:
        return readable_branches(membership)

    who = (membership.workspace_id, membership.user_id)
    if assistant is None:
        found = _by_default(membership, branches, rows)
        if found is None:
            return Choice(None, None, branches)
    else:
        if rows is not None:
            found = rows[0] if rows else None
        elif isinstance(assistant, str):
            found = _BY_HANDLE.first(*who, assistant)
        else:
            found = _BY_ID.first(*who, _id_of(assistant))
        if found is None or not found.offered_to(membership, branches):
            name = str(assistant).removeprefix("@")[:40]
            raise Refused("not_found", f"@{name} is not offered to you, or not any more. Choose another assistant.")
    return Choice(found, found.runs_for(membership), branches)


def _by_default(
    membership: Membership, branches: Callable[[], tuple[Branch, ...]], rows: list[Assistant] | None
) -> Assistant | None:
    """Restricted spaces first: what was chosen for few knows them better than what was chosen for all."""
    who = (membership.workspace_id, membership.user_id)
    for of_space in _space_defaults(membership):
        found = _BY_ID.first(*who, of_space)
        if found is not None and found.offered_to(membership, branches):
            return found
    found = _DEFAULT.first(*who) if rows is None else next(iter(rows), None)
    return found if found is not None and found.offered_to(membership, branches) else None


def _space_defaults(membership: Membership) -> list[UUID]:
    """They come along with ``fresh``, so that no question waits for them; others ask."""
    if not hasattr(membership, "space_defaults"):
        found = _FRESH.first(membership.pk)
        return found.space_defaults if found else []  # type: ignore[attr-defined]
    return membership.space_defaults


def looked_for(question: Message, who: UUID | None) -> str:
    """What of a question is looked for: not the names of those who are asked. One query where anything is mentioned."""
    handles = mentions.handles_in(question.content)
    if not handles:
        return ""
    asked = Q(pk__in=[*question.then, who]) | Q(pk__in=Message.objects.filter(parent=question.pk).values("assistant"))
    known = Assistant.objects.filter(asked, handle__in=handles)
    return mentions.without(question.content, list(known.values_list("handle", flat=True)))
