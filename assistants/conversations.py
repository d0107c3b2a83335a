"""What people do in conversations: ask, edit, ask again, stop, choose a branch, share, delete.

Each verb comes blocking; ``aask`` and its like, for the event loop, let the model begin while the question is being saved.
All raise Refused with a sentence and a code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import IntegrityError, transaction
from django.utils import timezone

from assistants import planning
from assistants.answerers import choose
from assistants.answering.spec import Said
from assistants.errors import Refused
from assistants.likeness import rounds
from assistants.models import Assistant, Conversation, Message
from assistants.runs import notices, remote, runner
from assistants.runs.plan import Plan, Rows
from assistants.runs.run import BUSY, Run
from assistants.runs.saving import LEASE
from datasources.retrieval.types import Branch
from portal import audit, events
from portal.models import Credential, Membership, User
from portal.threads import in_database

Asked = tuple[Message, Message]
"""A question and its answer, which has only begun."""


def start_conversation(membership: Membership, assistant: Assistant | None = None) -> Conversation:
    """An empty conversation, with this assistant unless a question names another."""
    choice = choose(membership, assistant)
    return Conversation.objects.create(
        workspace_id=membership.workspace_id, owner_id=membership.user_id, assistant=choice.assistant
    )


def ask(
    membership: Membership,
    conversation: Conversation | UUID | None,
    content: str,
    *,
    assistant: Assistant | str | None = None,
    assistants: Sequence[str] = (),
    parent: Message | UUID | None = None,
    narrow: Iterable[Branch] = (),
    via: str = "portal",
) -> Asked:
    """Ask; the answer is made by the server from here on. Without a conversation, a new one is begun.

    Where the question mentions several assistants as ``@handle``, or ``assistants`` names them, the first answers it, and then
    the others, one after another, each seeing what was answered before.

    ``narrow``: look for this one question only there, within what its asker and the assistant read anyway.
    """
    return _begin(
        planning.plan_question(
            membership,
            conversation,
            content,
            assistant=assistant,
            assistants=assistants,
            parent=parent,
            narrow=narrow,
            via=via,
        )
    )


def edit_question(
    membership: Membership, question: Message, content: str, narrow: Iterable[Branch] | None = None
) -> Asked:
    """Ask something else in this question's place; the old branch stays, beside the new one.

    ``narrow`` None keeps what the question was narrowed to.
    """
    return _begin(planning.plan_edit(membership, question, content, narrow))


def ask_again(membership: Membership, answer: Message, credential: Credential | None = None, model: str = "") -> Asked:
    """A second answer to the same question, beside the first."""
    return _begin(planning.plan_again(membership, answer, credential, model))


async def aask(
    membership: Membership,
    conversation: Conversation | UUID | None,
    content: str,
    *,
    assistant: Assistant | str | None = None,
    assistants: Sequence[str] = (),
    parent: Message | UUID | None = None,
    narrow: Iterable[Branch] = (),
    via: str = "portal",
) -> Asked:
    plan = await in_database(
        planning.plan_question,
        membership,
        conversation,
        content,
        assistant=assistant,
        assistants=assistants,
        parent=parent,
        narrow=narrow,
        via=via,
    )
    return await _abegin(plan)


async def aedit_question(
    membership: Membership, question: Message, content: str, narrow: Iterable[Branch] | None = None
) -> Asked:
    return await _abegin(await in_database(planning.plan_edit, membership, question, content, narrow))


async def aask_again(
    membership: Membership, answer: Message, credential: Credential | None = None, model: str = ""
) -> Asked:
    return await _abegin(await in_database(planning.plan_again, membership, answer, credential, model))


async def try_draft(
    membership: Membership,
    fields: Mapping[str, Any],
    content: str,
    history: Iterable[Said] = (),
    *,
    of: UUID | None = None,
) -> UUID:
    """Answer from a draft that is not saved. Gives an id to follow, for its asker alone. It counts as nobody's use; what it
    costs is on the budget of the assistant that it is a draft ``of``, too."""
    plan = await in_database(planning.plan_trial, membership, fields, content, tuple(history), of=of)
    run = await _run(plan)
    await remote.place_trial(run.id, membership.user_id, runner.Runner.here().worker)
    return run.id


def ask_next(membership: Membership, answer: Message) -> Asked:
    """The next of those who were asked the same question as this answered, and did not come to it. Raises Refused."""
    plan = planning.plan_next(membership, answer)
    if plan is None:
        raise Refused("invalid", "All who were asked have answered, or are not offered to you any more.")
    return _begin(plan)


async def aask_next(membership: Membership, answer: Message) -> Asked:
    plan = await in_database(planning.plan_next, membership, answer)
    if plan is None:
        raise Refused("invalid", "All who were asked have answered, or are not offered to you any more.")
    return await _abegin(plan)


async def begin_next(ended: Plan) -> None:
    """After an answer that has ended: the next of those who were asked the same question, if any is left. Raises Refused."""
    plan = await in_database(_next_of, ended)
    if plan is not None:
        await _abegin(plan)


def _next_of(ended: Plan) -> Plan | None:
    answer = Message.objects.select_related("conversation", "parent").filter(pk=ended.id).first()
    return planning.plan_next(ended.asker, answer) if answer is not None else None


async def _run(plan: Plan) -> Run:
    here = runner.Runner.here()
    await here.listen()
    return here.start(plan)


async def _abegin(plan: Plan) -> Asked:
    """The run starts at once; its rows are saved meanwhile, and only then is anything said to anybody."""
    run = await _run(plan)
    await run.opened
    rows = _rows(plan)
    if not rows.new_conversation:  # nobody can be watching a new one
        runner.Runner.here().spawn(_tell(rows))
    return rows.question, rows.answer


def _begin(plan: Plan) -> Asked:
    rows = _rows(plan)
    _store(rows)
    stored = Rows(rows.conversation, rows.question, rows.answer)
    ready = replace(plan, rows=stored)

    def launch() -> None:
        runner.launch(ready)
        async_to_sync(_tell)(rows)

    transaction.on_commit(launch)
    return rows.question, rows.answer


async def _tell(rows: Rows) -> None:
    await notices.changed(rows.conversation.pk, question=str(rows.question.pk), answer=str(rows.answer.pk))


def _store(rows: Rows) -> None:
    """The rows, all or none. Should this process die before it runs, the lease runs out and the answer is closed."""
    rows.answer.lease_until = timezone.now() + LEASE
    try:
        with transaction.atomic():
            if rows.new_conversation:
                rows.conversation.save(force_insert=True)
            Message.objects.bulk_create([row for row in rows.new if isinstance(row, Message)])
            named = {} if rows.conversation.title else {"title": rows.title}
            Conversation.objects.filter(pk=rows.conversation.pk).update(
                head=rows.answer, updated=timezone.now(), **named
            )
    except IntegrityError as error:
        if "one_open_answer" in str(error):
            raise Refused("answer_running", BUSY) from error
        raise
    rows.conversation.head = rows.answer


def _rows(plan: Plan) -> Rows:
    if plan.rows is None:
        raise TypeError("A trial has no rows.")
    return plan.rows


# ---- Stopping ----------------------------------------------------------------------------------------------------


def stop(membership: Membership, answer: Message) -> None:
    """End it, wherever it runs; what was written stays. Harmless when it has ended."""
    require_owner(membership, answer.conversation)
    Message.objects.filter(pk=answer.pk, status__in=Message.OPEN).update(stop_requested=True)
    if not stop_here(membership, answer.pk):
        worker = Message.objects.filter(pk=answer.pk).values_list("worker", flat=True).first()
        notices.ask_to_stop(worker or "", answer.pk)


def stop_here(membership: Membership, answer: UUID) -> bool:
    """Stop a run of this process that this person started; says whether there was one. From any thread."""
    run = runner.find(answer)
    if run is None or run.plan.asker.user_id != membership.user_id:
        return False
    run.loop.call_soon_threadsafe(run.stop)
    return True


def stop_trial(membership: Membership, trial: UUID) -> bool:
    """End a trial that this person started, wherever it runs; says whether there was one. Harmless when it has ended."""
    if stop_here(membership, trial):
        return True
    worker = remote.worker_of_trial(trial, membership.user_id)
    notices.ask_to_stop(worker, trial)
    return bool(worker)


async def astop(membership: Membership, answer: UUID) -> None:
    """Raises Refused where there is no such answer of theirs."""
    if not stop_here(membership, answer):
        await in_database(_stop, membership, answer)


def _stop(membership: Membership, answer: UUID) -> None:
    stop(membership, answer_of(membership, answer))


# ---- Finding -----------------------------------------------------------------------------------------------------


def message_of(membership: Membership, message: UUID | str) -> Message:
    """A message in a conversation that this person may read. Raises Refused."""
    found = (
        Message.objects.filter(pk=message, conversation__in=Conversation.objects.visible_to(membership).values("pk"))
        .select_related("conversation", "assistant", "version", "parent")
        .first()
    )
    if found is None:
        raise Refused("not_found", "There is no such message, or it is not for you.")
    return found


def answer_of(membership: Membership, message: UUID | str) -> Message:
    found = message_of(membership, message)
    if found.role != Message.Role.ASSISTANT:
        raise Refused("not_found", "This is a question, not an answer.")
    return found


def require_owner(membership: Membership, conversation: Conversation) -> None:
    if conversation.owner_id != membership.user_id or conversation.workspace_id != membership.workspace_id:
        raise Refused("not_yours", "Only the person who began this conversation can do that.")


# ---- Branches ----------------------------------------------------------------------------------------------------


def path_to(conversation: Conversation, leaf: UUID | None = None) -> list[Message]:
    """The branch from the first question down to ``leaf``, or to the conversation's head."""
    by_id: dict[UUID | None, Message] = {
        m.pk: m for m in conversation.messages.select_related("assistant", "version", "author")
    }
    at = by_id.get(leaf or conversation.head_id)
    path: list[Message] = []
    while at is not None:
        path.append(at)
        at = by_id.get(at.parent_id)
    return path[::-1]


def siblings(message: Message) -> list[UUID]:
    """The messages that stand in this one's place, itself included, oldest first: what ``< 2/3 >`` steps through."""
    others = Message.objects.filter(conversation=message.conversation_id, parent=message.parent_id, role=message.role)
    return list(others.order_by("created", "pk").values_list("pk", flat=True))


def choose_branch(membership: Membership, message: Message) -> Message:
    """Show the branch through this message, down to its newest end. Gives the new head."""
    require_owner(membership, message.conversation)
    rows = Message.objects.filter(conversation=message.conversation_id).order_by("created", "pk")
    # The newest child of each, as later rows replace earlier ones.
    children = dict(rows.values_list("parent_id", "pk"))
    leaf = message.pk
    while leaf in children:
        leaf = children[leaf]
    Conversation.objects.filter(pk=message.conversation_id).update(head=leaf)
    return Message.objects.get(pk=leaf)


# ---- Sharing, deleting -------------------------------------------------------------------------------------------


@transaction.atomic
def share(
    membership: Membership,
    conversation: Conversation,
    *,
    people: Iterable[User] | None = None,
    workspace: bool | None = None,
) -> Conversation:
    """Let colleagues read along: exactly these ``people``, or everybody in the ``workspace``; None leaves it as it is.

    What they see of its sources is only what they may read themselves.
    """
    require_owner(membership, conversation)
    if people is not None:
        ids = {user.pk for user in people} - {membership.user_id}
        inside = Membership.objects.active().filter(workspace=conversation.workspace_id, user__in=ids)
        if len(ids) != inside.count():
            raise Refused("invalid", "A conversation can be shared with people of this workspace only.")
        conversation.shared_with.set(ids)
    if workspace is not None:
        conversation.shared_with_workspace = workspace
        conversation.save(update_fields=["shared_with_workspace"])
    audit.record(
        "conversation.share",
        workspace=conversation.workspace,
        actor=membership.user,
        target=None,
        after={
            "conversation": str(conversation.pk),
            "workspace": conversation.shared_with_workspace,
            "people": conversation.shared_with.count(),
        },
    )
    return conversation


@transaction.atomic
def delete_conversation(membership: Membership, conversation: Conversation) -> None:
    """It is gone, for everybody that it was shared with too, and with it what they thought of it. An answer under way ends."""
    require_owner(membership, conversation)
    for answer in conversation.messages.filter(status__in=Message.OPEN):
        stop(membership, answer)
    judged = conversation.messages.filter(feedback__isnull=False, assistant__isnull=False)
    assistants = set(judged.values_list("assistant", flat=True))
    rounds.forgotten(conversation)
    # What it was about is nobody's but its owner's: no title.
    audit.record(
        "conversation.delete",
        workspace=conversation.workspace,
        actor=membership.user,
        before={"conversation": str(conversation.pk), "messages": conversation.messages.count()},
    )
    conversation.delete()
    for assistant in assistants:
        events.send(events.AnswerJudged(conversation.workspace_id, assistant))
