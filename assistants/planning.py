"""From a question to a plan: who answers, with which model, from what, and what was said before. Blocking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from assistants import mentions
from assistants.answerers import (
    Choice,
    asked_in,
    assistants_above,
    choose,
    fresh,
    fresh_with,
    ids_of,
    left_to_answer,
    looked_for,
    question_of,
)
from assistants.answering.spec import Said
from assistants.answering.titles import title_from
from assistants.branches import followed, said_above
from assistants.errors import Refused
from assistants.models import Assistant, AssistantVersion, Conversation, Message
from assistants.runs.plan import Plan, Rows
from assistants.runs.run import BUSY
from assistants.specs import fields_of, spec_of
from datasources import narrowing
from datasources.reading import EVERYTHING, Knowledge, SourceReader, open_reader
from datasources.retrieval.types import Branch
from datasources.scope import Scope
from portal.credentials import chat_model
from portal.ids import new_id
from portal.models import Credential, Membership
from portal.providers.errors import ProviderError
from portal.providers.types import ChatModel, ChatRequest, StreamItem
from portal.spending.accounts import Account
from portal.spending.offers import may_choose

LONGEST_QUESTION = 20_000


class NoModel:
    """Stands for a model that can't be had; the reason is told where the answer would be."""

    def __init__(self, error: ProviderError, vendor: str, model: str) -> None:
        self.error, self.vendor, self.model = error, vendor, model

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamItem]:
        raise self.error
        yield  # an async generator, as the protocol has it


def _account(asker: Membership, assistant: UUID | None) -> Account:
    """Who pays. One query where the workspace has budgets; none where it has not. ``asker`` is ``fresh``."""
    opened = Account.opened if getattr(asker, "has_budgets", True) else Account
    return opened(asker.workspace, asker.user, assistant)


def plan_question(
    membership: Membership,
    conversation: Conversation | UUID | None,
    content: str,
    *,
    assistant: Assistant | str | None = None,
    assistants: Sequence[str] = (),
    parent: Message | UUID | None = None,
    narrow: Iterable[Branch] = (),
    via: str = "portal",
) -> Plan:
    """A new question, in a new conversation where there is none yet; ``parent`` is the answer that it follows.

    ``assistants``, or those that it mentions as ``@handle``, answer one after another; without any, ``assistant`` or whom the
    conversation is with. Without a parent it follows the conversation's head. ``narrow``: where alone to look for this one
    question. Nothing is written. Raises Refused.
    """
    content = checked(content)
    # Asked together, as each question waits for both; whom an old conversation is with is not known yet.
    known = conversation is None or assistant is not None
    asker, rows = fresh_with(membership, assistant) if known else (fresh(membership), None)
    named = asked_in(asker, content, assistants)
    title = title_from(mentions.without(content, [c.assistant.handle for c in named if c.assistant]))
    if isinstance(conversation, UUID):
        conversation = conversation_of(asker, conversation)
    if conversation is None:
        choice = named[0] if named else choose(asker, assistant, rows)
        with_whom = choose(asker, assistant, rows) if named and assistant else choice
        conversation = Conversation(
            id=new_id(), workspace=asker.workspace, owner=asker.user, assistant=with_whom.assistant, title=title
        )
        new: tuple[Conversation | Message, ...] = (conversation,)
        follows = None
    else:
        _require_idle(asker, conversation)
        choice = named[0] if named else choose(asker, assistant or conversation.assistant, rows)
        new = ()
        follows = followed(conversation, parent)
    question = Message(
        id=new_id(),
        conversation=conversation,
        parent_id=follows,
        role=Message.Role.USER,
        author=asker.user,
        content=content,
        narrow=_narrowed(narrow, choice),
        then=ids_of(named[1:]),
        via=via,
    )
    return _plan(asker, conversation, question, choice, new=(*new, question), title=title, goes_on=len(named) > 1)


def plan_edit(membership: Membership, question: Message, content: str, narrow: Iterable[Branch] | None = None) -> Plan:
    """Another question in the same place: a sibling, with an answer of its own. Raises Refused.

    ``narrow`` None keeps what the question was narrowed to; empty looks everywhere again.
    """
    asker = fresh(membership)
    conversation = question.conversation
    _require_idle(asker, conversation)
    if question.role != Message.Role.USER:
        raise Refused("invalid", "Only a question can be edited.")
    content = checked(content)
    named = asked_in(asker, content)
    before = None if named else question.replies.order_by("-created").first()
    choice = named[0] if named else choose(asker, (before.assistant if before else None) or conversation.assistant)
    then = ids_of(named[1:]) if named else question.then
    edited = Message(
        id=new_id(),
        conversation=conversation,
        parent_id=question.parent_id,
        role=Message.Role.USER,
        author=asker.user,
        content=content,
        narrow=question.narrow if narrow is None else _narrowed(narrow, choice),
        then=then,
        via=question.via,
    )
    return _plan(asker, conversation, edited, choice, new=(edited,), goes_on=bool(then))


def plan_again(membership: Membership, answer: Message, credential: Credential | None = None, model: str = "") -> Plan:
    """Another answer to the same question, by another model where one is named. Raises Refused."""
    asker = fresh(membership)
    conversation = answer.conversation
    _require_idle(asker, conversation)
    question = question_of(answer)
    if answer.role != Message.Role.ASSISTANT or question is None:
        raise Refused("invalid", "Only an answer can be asked for again.")
    if (credential is None) != (not model):
        raise Refused("invalid", "Choose a credential and a model of it, or neither.")
    if credential is not None and not may_choose(asker, credential, model):
        raise Refused("not_allowed", f"{model} is not offered to you. Choose another model.")
    return _plan(
        asker,
        conversation,
        question,
        choose(asker, answer.assistant),
        model=(credential, model) if credential else None,
        after=answer.parent_id if answer.parent_id != question.pk else None,
        # Where the server went down, those who were to answer after it were never asked.
        goes_on=bool(question.then) and answer.status == Message.Status.INTERRUPTED,
    )


def plan_next(membership: Membership, answer: Message) -> Plan | None:
    """After ``answer``, the next of those whom its question asked too; None where all have answered. Raises Refused.

    Who is not offered to the asker any more is passed over, and forgotten.
    """
    asker = fresh(membership)
    _require_idle(asker, answer.conversation)
    question = question_of(answer)
    if question is None:
        return None
    for waiting in left_to_answer(question, assistants_above(answer)):
        try:
            choice = choose(asker, waiting)
        except Refused:
            question.then = [one for one in question.then if one != waiting]
            question.save(update_fields=["then"])
            continue
        return _plan(asker, answer.conversation, question, choice, after=answer.pk, goes_on=True)
    return None


def plan_trial(
    membership: Membership,
    fields: Mapping[str, Any],
    content: str,
    history: tuple[Said, ...] = (),
    *,
    of: UUID | None = None,
) -> Plan:
    """A draft that is being tried: no rows, no version. ``fields`` are those of ``save_version``. ``of``: the assistant that it
    is a draft of, whose budget pays; whoever calls has looked whether they may change it. Raises Refused."""
    asker = fresh(membership)
    credential, model = fields.get("credential"), fields.get("model") or ""
    chat, used = _chat(asker, credential, model)
    spec = spec_of(asker, fields, chat, used)
    entries = None if fields.get("reads_all") else fields.get("knowledge")
    knowledge = Knowledge.of(entries, **_narrowing(fields))
    account = _account(asker, of)
    reader = _reader(asker, knowledge, account)
    return Plan(asker, spec, (*history, Said("user", checked(content))), reader, account, used)


def checked(content: str) -> str:
    text = content.replace("\x00", "").strip()
    if not text:
        raise Refused("empty", "Write a question first.")
    if len(text) > LONGEST_QUESTION:
        raise Refused(
            "too_long",
            f"A question has at most {LONGEST_QUESTION:,} characters, this has {len(text):,}; put long text into a data source.",
        )
    return text


def _narrowed(narrow: Iterable[Branch], choice: Choice) -> narrowing.Entries:
    branches = tuple(narrow)
    if not branches:
        return []
    try:
        return narrowing.checked(branches, choice.branches())
    except narrowing.OutOfReach as error:
        raise Refused(error.code, str(error)) from error


def conversation_of(membership: Membership, id: UUID) -> Conversation:
    """A conversation that this person may read. Raises Refused."""
    found = Conversation.objects.visible_to(membership).select_related("assistant").filter(pk=id).first()
    if found is None:
        raise Refused("not_found", "There is no such conversation, or it is not for you.")
    return found


def _require_idle(asker: Membership, conversation: Conversation) -> None:
    if conversation.owner_id != asker.user_id or conversation.workspace_id != asker.workspace_id:
        raise Refused("not_yours", "Only the person who began this conversation can ask in it. Begin one of your own.")
    if conversation.messages.filter(status__in=Message.OPEN).exists():
        raise Refused("answer_running", BUSY)


def _plan(
    asker: Membership,
    conversation: Conversation,
    question: Message,
    choice: Choice,
    *,
    new: tuple[Conversation | Message, ...] = (),
    title: str = "",
    model: tuple[Credential, str] | None = None,
    after: UUID | None = None,
    goes_on: bool = False,
) -> Plan:
    """``after``: the answer to the same question that this one follows."""
    version = choice.version
    credential, name = model or (version.credential if version else None, version.model if version else "")
    chat, used = _chat(asker, credential, name)
    # What was narrowed stays so, also where the asker has lost it meanwhile: nothing is found there then.
    knowledge = replace(knowledge_of(version), narrow=narrowing.branches_kept(question.narrow))
    account = _account(asker, choice.assistant.pk if choice.assistant else None)
    reader = _reader(asker, knowledge, account, choice.branches)
    spec = spec_of(asker, fields_of(version), chat, used, version)
    answer = Message(
        id=new_id(),
        conversation=conversation,
        parent_id=after or question.pk,
        role=Message.Role.ASSISTANT,
        author=asker.user,
        assistant=choice.assistant,
        version=version,
        model=f"{chat.vendor}/{chat.model}"[:160],
        status=Message.Status.QUEUED,
        via=question.via,
    )
    if conversation in new:
        conversation.head = answer
    who = choice.assistant.pk if choice.assistant else None
    asked = Said("user", question.content, query=looked_for(question, who))
    if after is None:
        turns = [*said_above(asker, question.parent_id, who), asked]
    else:
        before = said_above(asker, after, who)
        at = max(n for n, turn in enumerate(before) if turn.role == "user")
        turns = [*before[:at], asked, *before[at + 1 :]]
    rows = Rows(conversation, question, answer, (*new, answer), title)
    return Plan(asker, spec, turns, reader, account, used, rows, note_on(reader.scope), goes_on)


def knowledge_of(version: AssistantVersion | None) -> Knowledge:
    if version is None:
        return EVERYTHING
    narrowing = _narrowing({name: getattr(version, name) for name in NARROWS})
    return Knowledge.of(None if version.reads_all else version.knowledge, **narrowing)


NARROWS = ("tags_all", "tags_none", "since", "until", "last_days")


def _narrowing(fields: Mapping[str, Any]) -> dict[str, Any]:
    days = fields.get("last_days")
    return {
        "tags_all": tuple(fields.get("tags_all") or ()),
        "tags_none": tuple(fields.get("tags_none") or ()),
        # Counted from each question on.
        "since": timezone.now() - timedelta(days=days) if days else fields.get("since"),
        "until": fields.get("until"),
    }


def note_on(scope: Scope) -> str:
    """A sentence where this reader has only part of what the assistant searches; empty where they have all of it."""
    if not scope.missing:
        return ""
    if scope.missing >= scope.parts and scope.empty:
        return "You may not read any of the sources that this assistant searches."
    return (
        f"You may read only part of what this assistant searches: "
        f"{scope.parts - scope.missing} of {scope.parts} parts in full."
    )


def _reader(
    asker: Membership,
    knowledge: Knowledge,
    account: Account,
    branches: Callable[[], tuple[Branch, ...]] | None = None,
) -> SourceReader:
    try:
        return open_reader(asker, knowledge, account, branches)
    except ProviderError as error:
        raise Refused(error.code, str(error)) from error


def _chat(asker: Membership, credential: Credential | None, model: str) -> tuple[ChatModel, Credential | None]:
    """The model, and the credential that it is paid by."""
    workspace = asker.workspace
    used = credential or (workspace.default_credential if workspace.default_model else None)
    try:
        return chat_model(workspace, credential, model), used
    except ProviderError as error:
        return NoModel(error, used.kind if used else "", model or workspace.default_model), used
