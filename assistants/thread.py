"""A conversation as one reader sees it: the shown branch, its citations checked against what they may read now.

The number of queries does not depend on how long the conversation is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db.models import F, Func, JSONField, Q, Value
from django.utils.safestring import SafeString

from assistants.claims import Asked
from assistants.mentions import marked
from assistants.models import Assistant, Conversation, EventBatch, Feedback, Message
from assistants.presenting import Shown, Source, shown_answers
from assistants.runs.results import shown_result
from datasources.models import DataSource
from datasources.narrowing import Place, places_of
from portal.credentials import NO_MODEL
from portal.models import Membership

MOST_NAMED = 3
"""Sources that are named where nothing was found."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A source that was searched, and that its reader may know of."""

    id: UUID
    name: str


@dataclass(slots=True)
class Entry:
    """One message of the branch. ``siblings``: it and those that stand in its place on other branches, oldest first."""

    message: Message
    siblings: list[UUID]
    shown: Shown | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    # What the run had to say beside the text: that its reader has only part of the sources, that the model's limit cut it.
    notes: list[str] = field(default_factory=list)
    # What tables gave, as the reader may see it: see runs/results.py.
    results: list[dict[str, Any]] = field(default_factory=list)
    feedback: Feedback | None = None
    last: bool = False
    # The question that an answer answers.
    asked: str = ""
    # Of an answer whether another assistant's to the same question follows; of the last, who was asked too and has not answered.
    goes_on: bool = False
    waiting: list[Assistant] = field(default_factory=list)
    # Of a question, as HTML: those who were asked by name are marked.
    question_html: SafeString | str = ""
    # Where alone that question was looked for; of a question, where itself was. Empty: everywhere.
    places: list[Place] = field(default_factory=list)
    # Of an answer that found nothing: the sources that were searched, as far as the reader may know of them.
    searched: list[Searched] = field(default_factory=list)
    html: SafeString | str = ""

    @property
    def sources(self) -> list[Source]:
        return self.shown.sources if self.shown else []

    @property
    def places_known(self) -> bool:
        """Whether the reader could name them all again."""
        return all(place.id for place in self.places)

    @property
    def position(self) -> int:
        return self.siblings.index(self.message.pk) + 1

    @property
    def previous(self) -> UUID | None:
        return self.siblings[self.position - 2] if self.position > 1 else None

    @property
    def next(self) -> UUID | None:
        return self.siblings[self.position] if self.position < len(self.siblings) else None

    @property
    def cited(self) -> list[Source]:
        return [source for source in self.sources if source.cited]

    @property
    def nearest(self) -> list[Source]:
        """What came nearest where nothing was found, as far as the reader may know of it."""
        return [source for source in self.cited if not source.withheld and not source.gone]

    @property
    def searched_more(self) -> int:
        """How many sources were searched beside those that are named."""
        return len(self.message.scope.get("sources", ())) - len(self.searched[:MOST_NAMED])

    @property
    def searched_names(self) -> list[str]:
        return [source.name for source in self.searched[:MOST_NAMED]]

    @property
    def also_read(self) -> list[Source]:
        return [source for source in self.sources if not source.cited]

    @property
    def is_open(self) -> bool:
        return self.message.status in Message.OPEN

    @property
    def not_found(self) -> bool:
        return self.message.found is False

    @property
    def model(self) -> str:
        """The model's name; empty where passages were quoted."""
        vendor, _, name = self.message.model.partition("/")
        return "" if vendor == NO_MODEL else name

    @property
    def step_line(self) -> str:
        """All steps in one line, and how long it took."""
        line = ", ".join(_done(step["text"], first=not index) for index, step in enumerate(self.steps))
        if line and self.message.finished:
            line += f", {(self.message.finished - self.message.created).total_seconds():.1f} s"
        return line

    @property
    def sources_line(self) -> str:
        """In words: how many it cites, or that it only read some."""
        cited, read = len(self.cited), len(self.sources)
        number, verb = (cited, "cited") if cited else (read, "read")
        return f"{number} source{'' if number == 1 else 's'} {verb}"


_DONE = {
    "Searching": "Searched",
    "Reading": "Read",
    "Looking": "Looked",
    "Taking": "Took",
    "Writing": "Wrote",
    "Asking": "Asked",
    "Correcting": "Corrected",
}


def _done(step: str, *, first: bool) -> str:
    """ "Searching 2 folders" once it is over: "Searched 2 folders"; in mid-sentence "searched 2 folders"."""
    verb, _, rest = step.partition(" ")
    words = f"{_DONE.get(verb, verb)} {rest}".strip()
    return words if first else words[:1].lower() + words[1:]


class Skeleton:
    """Ids and parents of all messages, in order of creation: enough to know every branch. One query."""

    def __init__(self, conversation: Conversation) -> None:
        rows = conversation.messages.order_by("created", "pk").values_list("pk", "parent_id")
        self.parent: dict[UUID, UUID | None] = dict(rows)
        self.children: dict[UUID | None, list[UUID]] = defaultdict(list)
        for key, parent in self.parent.items():
            self.children[parent].append(key)

    def branch(self, leaf: UUID | None) -> list[UUID]:
        """From the first message down to ``leaf``; without one, down to the newest message."""
        at = leaf if leaf in self.parent else next(reversed(self.parent), None)
        found: list[UUID] = []
        while at is not None:
            found.append(at)
            at = self.parent[at]
        return found[::-1]

    def newest_leaf(self, message: UUID) -> UUID:
        """The end of the branch through ``message``, taking the newest turn at each fork."""
        while self.children[message]:
            message = self.children[message][-1]
        return message

    def siblings(self, message: UUID) -> list[UUID]:
        return self.children[self.parent[message]]


def thread(membership: Membership, conversation: Conversation, leaf: UUID | None = None) -> list[Entry]:
    """The branch that ends at ``leaf`` (the conversation's head without one)."""
    skeleton = Skeleton(conversation)
    return entries(membership, conversation, skeleton, skeleton.branch(leaf or conversation.head_id))


def entries(membership: Membership, conversation: Conversation, skeleton: Skeleton, ids: list[UUID]) -> list[Entry]:
    """These messages, in this order, with everything that is shown of them."""
    messages = {
        m.pk: m
        for m in Message.objects.filter(conversation=conversation, pk__in=ids).select_related(
            "author", "assistant", "version"
        )
    }
    answers = [key for key, message in messages.items() if message.role == Message.Role.ASSISTANT]
    found = [messages[key] for key in ids if key in messages]
    asked_of = _questions(found)
    shown = shown_answers(membership, found, wanted_of(found))
    told = told_of(answers)
    questions = [key for key, message in messages.items() if message.narrow]
    places = dict(zip(questions, places_of(membership, [messages[key].narrow for key in questions]), strict=True))
    thumbs = {f.message_id: f for f in Feedback.objects.filter(message__in=answers, user=membership.user_id)}
    after = {one.pk: following for one, following in pairwise(found)}
    named = _named(membership, found)
    searched = searched_in(membership, found)
    return [
        Entry(
            message=messages[key],
            siblings=skeleton.siblings(key),
            shown=shown.get(key),
            steps=[data for kind, data in told.get(key, []) if kind == "step"],
            notes=_notes(told.get(key, []), own=messages[key].author_id == membership.user_id),
            results=results_of(told.get(key, []), shown.get(key)),
            feedback=thumbs.get(key),
            last=key == ids[-1],
            asked=asked_of[key].content,
            goes_on=_is_answer(after.get(key)) and _is_answer(messages[key]),
            waiting=_waiting(found, asked_of[key], named) if key == ids[-1] else [],
            question_html=_marked(messages[key], found, asked_of, named),
            places=places.get(key) or places.get(asked_of[key].pk, []),
            searched=searched.get(key, []),
        )
        for key in ids
        if key in messages
    ]


def searched_in(membership: Membership, messages: Iterable[Message]) -> dict[UUID, list[Searched]]:
    """By answer that found nothing, what it searched, by name. One query where there are such."""
    scopes = {m.pk: {UUID(key) for key in m.scope.get("sources", ())} for m in messages if m.found is False}
    if not any(scopes.values()):
        return {}
    known = DataSource.objects.visible_to(membership).filter(pk__in=set().union(*scopes.values()))
    rows = [Searched(key, name) for key, name in known.order_by("name").values_list("pk", "name")]
    return {key: [row for row in rows if row.id in sources] for key, sources in scopes.items()}


def results_of(told: list[tuple[str, dict[str, Any]]], shown: Shown | None) -> list[dict[str, Any]]:
    return [shown_result(data, shown.nodes if shown else ()) for kind, data in told if kind == "table"]


def _questions(branch: list[Message]) -> dict[UUID, Message]:
    """The question that each message of a branch belongs to; a question's is itself."""
    found: dict[UUID, Message] = {}
    for message in branch:
        of = found.get(message.parent_id) if message.parent_id and _is_answer(message) else None
        found[message.pk] = of or message
    return found


def wanted_of(messages: Sequence[Message], above: Sequence[Message] = ()) -> dict[UUID | None, Asked]:
    """What was looked for for each answer among them: its question, and the one before, which a follow-up rests on.

    Parents come before what follows them; ``above``: those that are not among ``messages`` (see ``branches.above``).
    """
    asked_of = _questions([*above, *messages])
    found: dict[UUID | None, Asked] = {}
    for message in messages:
        question = asked_of[message.pk]
        if _is_answer(message) and not _is_answer(question):
            earlier = asked_of.get(question.parent_id) if question.parent_id else None
            before = "" if earlier is None or _is_answer(earlier) else earlier.content
            newest = message.version is not None and message.version.retrieval == "newest"
            found[message.pk] = Asked(question.content, before, newest=newest)
    return found


def _is_answer(message: Message | None) -> bool:
    return message is not None and message.role == Message.Role.ASSISTANT


def _named(membership: Membership, branch: list[Message]) -> dict[UUID, Assistant]:
    """The assistants that questions of the branch are put to beside the first. One query where there are any."""
    wanted = {one for message in branch for one in message.then}
    if not wanted:
        return {}
    rows = Assistant.objects.filter(workspace=membership.workspace_id, pk__in=wanted)
    return {row.pk: row for row in rows.select_related("live")}


def _waiting(branch: list[Message], question: Message, named: dict[UUID, Assistant]) -> list[Assistant]:
    """Who was asked too and has not answered, once nobody is answering any more."""
    last = branch[-1]
    if not question.then or not _is_answer(last) or last.status in Message.OPEN:
        return []
    at = branch.index(question)
    answered = {message.assistant_id for message in branch[at + 1 :]}
    return [named[one] for one in question.then if one in named and one not in answered]


def _marked(
    message: Message, branch: list[Message], asked_of: dict[UUID, Message], named: dict[UUID, Assistant]
) -> SafeString | str:
    """A question with a chip for each that it was put to by name."""
    if _is_answer(message) or "@" not in message.content:
        return message.content
    answered = (m.assistant for m in branch if asked_of[m.pk] is message and m is not message)
    asked = {one.handle.lower() for one in (*answered, *(named.get(key) for key in message.then)) if one is not None}
    return marked(message.content, asked)


def _notes(told: list[tuple[str, dict[str, Any]]], *, own: bool) -> list[str]:
    """What ``started`` notes is about the access of the one who asked, and for nobody else."""
    return [data["note"] for kind, data in told if kind == "completed" or (own and kind == "started")]


def told_of(answers: list[UUID]) -> dict[UUID, list[tuple[str, dict[str, Any]]]]:
    """Type and data of each answer's stored events that are steps, results of tables, or carry a note; the tokens stay in the database. One query."""
    if not answers:
        return {}
    wanted = Func(
        F("events"),
        Value(
            '$[*] ? (@.type == "step" || @.type == "table" || (@.type == "started" || @.type == "completed") && @.data.note != "")'
        ),
        function="jsonb_path_query_array",
        output_field=JSONField(),
        template="%(function)s(%(expressions)s::jsonpath)",
    )
    rows = (
        EventBatch.objects.filter(message__in=answers)
        .annotate(told=wanted)
        .filter(~Q(told=[]))
        .order_by("message", "first")
        .values_list("message", "told")
    )
    found: dict[UUID, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for message, events in rows:
        found[message].extend((event["type"], event["data"]) for event in events)
    return dict(found)
