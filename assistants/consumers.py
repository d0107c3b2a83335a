"""The socket of a page: ``ws/w/<slug>/answers/``. One a page; it can follow many answers.

JSON both ways. What the page sends (``ref`` is its own and comes back in the reply):

====================================================================  =================================================
``{"follow": answer, "after": seq}``                                   the answer's events after ``seq`` (0: all)
``{"unfollow": answer}``
``{"watch": conversation}``, ``{"unwatch": conversation}``             notices of new answers and titles in it
``{"ask": content, "conversation": id?, "assistant": handle?,          asks, and follows the answer
"parent": answer?, "narrow": [{data_source, parents_in}]?,             ``narrow``: only there, for this question
"ref": any?}``
``{"edit": question, "content": …, "narrow"?, "ref"?}``                asks anew in the question's place
``{"again": answer, "credential": id?, "model": …?, "ref"?}``          a second answer
``{"try": content, "fields": {…}, "history": [{role, text}],           an answer from a draft (fields of a version);
"assistant": handle?, "ref"?}``                                        ``assistant``: which it is a draft of
``{"stop": answer}``
====================================================================  =================================================

What it gets:

- ``{"answer": id, "seq": n, "type": …, "data": {…}}``: an event. After a last one (completed, stopped, error) there are no more.
- ``{"asked": {"conversation", "question", "answer"}, "ref"}``: the question is saved; its answer's events follow.
- ``{"trying": id, "ref"}``: a trial's events follow under this id.
- ``{"changed": conversation, "question"?, "answer"?, "title"?}``: something new in a conversation that is watched.
- ``{"refused": {"code", "detail"}, "ref"?, "answer"?}``: why not, for a person and for a program.

Closed with 4404 where the person is not (or no longer) in the workspace: the same as for one that does not exist.
Closing the socket ends no answer; who comes back names the last number it saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import structlog
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404

from assistants import conversations
from assistants.answering.spec import Said
from assistants.drafts import checked_fields, must_be_offered
from assistants.errors import Refused
from assistants.following import follow
from assistants.models import Assistant, Conversation, Message
from assistants.planning import conversation_of
from assistants.runs import notices, runner
from datasources import narrowing
from datasources.retrieval.types import Branch, IndexUnavailable
from portal import access
from portal.models import Credential, Membership, User
from portal.threads import in_database

log = structlog.get_logger(__name__)

NOT_HERE = 4404
MEMBERSHIP = "membership"
MOST_FOLLOWED = 32
LARGEST_FRAME = 256 * 1024
_encode = msgspec.json.encode


class AnswersConsumer(AsyncWebsocketConsumer):
    """Thin: authorise, iterate events, send."""

    access = "conversation.view"
    look_again = 15.0
    """Seconds between looks whether the person is still in the workspace."""

    membership: Membership

    async def dispatch(self, message: dict[str, Any]) -> None:
        # Channels' own goes through a thread at every message, to close connections that we never hold here.
        handler = getattr(self, message["type"].replace(".", "_"), None)
        if handler is None:
            raise ValueError(f"No handler for {message['type']}.")
        await handler(message)

    async def connect(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._watched: set[UUID] = set()
        try:
            self.membership = await in_database(self._may_enter)
        except (Http404, PermissionDenied):
            await self.close(NOT_HERE)
            return
        await self.accept()
        self._spawn(MEMBERSHIP, self._keep_looking())

    def _may_enter(self) -> Membership:
        user = self.scope["user"]
        membership = access.membership_of(user, self.scope["url_route"]["kwargs"]["slug"])
        access.require(membership, self.access)
        return membership

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        for task in self._tasks.values():
            task.cancel()
        for conversation in self._watched:
            await self.channel_layer.group_discard(notices.group_of(conversation), self.channel_name)
        raise StopConsumer

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        ref: Any = None
        try:
            frame = _frame(text_data)
            ref = frame.get("ref")
            handler = next((self.WISHES[key] for key in self.WISHES if key in frame), None)
            if handler is None:
                raise Refused("invalid", f"A message has one of {', '.join(self.WISHES)}.")
            await handler(self, frame)
        except (Refused, IndexUnavailable, PermissionDenied) as error:
            await self._say(_refusal(error) | ({"ref": ref} if ref is not None else {}))

    # What the page may wish for.

    async def _follow(self, frame: dict[str, Any]) -> None:
        after = frame.get("after", 0)
        if not isinstance(after, int) or isinstance(after, bool) or after < 0:
            raise Refused("invalid", "after is the number of the last event that was seen: 0 or more.")
        self._start_following(_id(frame, "follow"), after)

    async def _unfollow(self, frame: dict[str, Any]) -> None:
        task = self._tasks.pop(str(_id(frame, "unfollow")), None)
        if task is not None:
            task.cancel()

    async def _watch(self, frame: dict[str, Any]) -> None:
        conversation = _id(frame, "watch")
        if len(self._watched) >= MOST_FOLLOWED:
            raise Refused("invalid", f"A page can watch {MOST_FOLLOWED} conversations.")
        await in_database(conversation_of, self.membership, conversation)
        self._watched.add(conversation)
        await self.channel_layer.group_add(notices.group_of(conversation), self.channel_name)

    async def _unwatch(self, frame: dict[str, Any]) -> None:
        conversation = _id(frame, "unwatch")
        self._watched.discard(conversation)
        await self.channel_layer.group_discard(notices.group_of(conversation), self.channel_name)

    async def _ask(self, frame: dict[str, Any]) -> None:
        access.require(self.membership, "conversation.ask")
        asked = conversations.aask(
            self.membership,
            _id(frame, "conversation") if frame.get("conversation") else None,
            _text(frame, "ask"),
            assistant=_text(frame, "assistant") if frame.get("assistant") else None,
            parent=_id(frame, "parent") if frame.get("parent") else None,
            narrow=_narrow(frame) or (),
        )
        await self._asked(asked, frame)

    async def _edit(self, frame: dict[str, Any]) -> None:
        access.require(self.membership, "conversation.ask")
        question = await in_database(conversations.message_of, self.membership, _id(frame, "edit"))
        content, narrow = _text(frame, "content"), _narrow(frame)
        await self._asked(conversations.aedit_question(self.membership, question, content, narrow), frame)

    async def _again(self, frame: dict[str, Any]) -> None:
        access.require(self.membership, "conversation.ask")
        answer = await in_database(conversations.answer_of, self.membership, _id(frame, "again"))
        credential = await in_database(self._credential, frame)
        asked = conversations.aask_again(self.membership, answer, credential, str(frame.get("model") or ""))
        await self._asked(asked, frame)

    async def _asked(self, asked: Awaitable[conversations.Asked], frame: dict[str, Any]) -> None:
        question, answer = await asked
        ids = {"conversation": str(answer.conversation_id), "question": str(question.pk), "answer": str(answer.pk)}
        await self._say({"asked": ids, "ref": frame.get("ref")})
        self._start_following(answer.pk, 0)

    async def _try(self, frame: dict[str, Any]) -> None:
        access.require(self.membership, "assistant.edit")
        fields, of = await in_database(self._draft, frame)
        trial = await conversations.try_draft(self.membership, fields, _text(frame, "try"), _history(frame), of=of)
        await self._say({"trying": str(trial), "ref": frame.get("ref")})
        self._start_following(trial, 0)

    async def _stop(self, frame: dict[str, Any]) -> None:
        access.require(self.membership, "conversation.ask")
        await conversations.astop(self.membership, _id(frame, "stop"))

    WISHES: dict[str, Callable[[AnswersConsumer, dict[str, Any]], Awaitable[None]]] = {
        "follow": _follow,
        "unfollow": _unfollow,
        "watch": _watch,
        "unwatch": _unwatch,
        "ask": _ask,
        "edit": _edit,
        "again": _again,
        "try": _try,
        "stop": _stop,
    }

    # Rows behind ids.

    def _credential(self, frame: dict[str, Any]) -> Credential | None:
        if not frame.get("credential"):
            return None
        found = Credential.objects.filter(workspace=self.membership.workspace_id, pk=_id(frame, "credential")).first()
        if found is None:
            raise Refused("not_found", "There is no such credential.")
        return found

    def _draft(self, frame: dict[str, Any]) -> tuple[dict[str, Any], UUID | None]:
        fields = frame.get("fields")
        if not isinstance(fields, dict):
            raise Refused("invalid", "fields holds what the draft is made of.")
        try:
            row = self._draft_of(frame)
            latest = row.latest if row else None
            checked = checked_fields(self.membership, fields, kept=latest.knowledge if latest else None)
            must_be_offered(self.membership, checked, latest)
            return checked, row.pk if row else None
        except ValidationError as error:
            raise Refused("invalid", " ".join(error.messages)) from error

    def _draft_of(self, frame: dict[str, Any]) -> Assistant | None:
        """The assistant that a draft is one of, if it says so: one that this person may change."""
        if not frame.get("assistant"):
            return None
        rows = Assistant.objects.editable_by(self.membership).select_related("latest__credential")
        row = rows.filter(handle__iexact=_text(frame, "assistant")).first()
        if row is None:
            raise Refused("not_found", "There is no such assistant that you may change.")
        return row

    # Sending.

    def _start_following(self, answer: UUID, after: int) -> None:
        key = str(answer)
        running = self._tasks.pop(key, None)
        if running is not None:
            running.cancel()
        if len(self._tasks) > MOST_FOLLOWED:
            raise Refused("invalid", f"A page can follow {MOST_FOLLOWED} answers at once.")
        self._spawn(key, self._send_events(answer, after))

    async def _send_events(self, answer: UUID, after: int) -> None:
        name = str(answer)
        try:
            async for event in follow(self.membership, answer, after):
                await self._say({"answer": name, "seq": event.seq, "type": event.type, "data": event.data})
        except Refused as error:
            await self._say(_refusal(error) | {"answer": name})

    def _spawn(self, name: str, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._ended(name, done))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("socket failed", part=name, error=repr(error))

    async def _say(self, frame: dict[str, Any]) -> None:
        await self.base_send({"type": "websocket.send", "text": _encode(frame).decode()})

    async def conversation_changed(self, message: dict[str, Any]) -> None:
        """From the channel layer: somebody asked, or a title came."""
        what = {key: value for key, value in message.items() if key not in ("type", "id")}
        await self._say({"changed": message["id"], **what})

    async def _keep_looking(self) -> None:
        """Close when the person has left the workspace; let go of conversations that are not shared with them any more."""
        while True:
            await asyncio.sleep(self.look_again)
            try:
                self.membership = await in_database(self._may_enter_still)
                lost, unfollowed = await in_database(self._lost)
            except (Http404, PermissionDenied):
                for name, task in list(self._tasks.items()):
                    if name != MEMBERSHIP:
                        task.cancel()
                await self.close(NOT_HERE)
                return
            for name in unfollowed:
                self._tasks[name].cancel()
            for conversation in lost:
                self._watched.discard(conversation)
                await self.channel_layer.group_discard(notices.group_of(conversation), self.channel_name)

    def _may_enter_still(self) -> Membership:
        """The person's account, their session and their membership, as they are now."""
        session = self.scope.get("session")
        if session is not None and session.session_key and not session.exists(session.session_key):
            raise Http404
        user = User.objects.filter(pk=self.scope["user"].pk, is_active=True).first()
        if user is None:
            raise Http404
        membership = access.membership_of(user, self.scope["url_route"]["kwargs"]["slug"])
        access.require(membership, self.access)
        return membership

    def _is_mine(self, answer: str) -> bool:
        run = runner.find(UUID(answer))
        return run is not None and run.plan.asker.user_id == self.membership.user_id

    def _lost(self) -> tuple[set[UUID], set[str]]:
        """Conversations that were watched and answers that were followed, which are not for this person any more."""
        visible = Conversation.objects.visible_to(self.membership)
        watched = self._watched - set(visible.filter(pk__in=self._watched).values_list("pk", flat=True))
        followed = {name for name in self._tasks if name != MEMBERSHIP and not self._is_mine(name)}
        mine = Message.objects.filter(pk__in=followed, conversation__in=visible.values("pk"))
        return watched, followed - {str(key) for key in mine.values_list("pk", flat=True)}


def _narrow(frame: dict[str, Any]) -> tuple[Branch, ...] | None:
    """None where the frame does not say."""
    if frame.get("narrow") is None:
        return None
    try:
        return narrowing.read(frame["narrow"])
    except narrowing.OutOfReach as error:
        raise Refused(error.code, str(error)) from error


def _frame(text: str | None) -> dict[str, Any]:
    if text is None or len(text) > LARGEST_FRAME:
        raise Refused("invalid", "Send one JSON object of at most 256 KB.")
    try:
        frame = msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise Refused("invalid", "This is not JSON.") from None
    if not isinstance(frame, dict):
        raise Refused("invalid", "Send one JSON object.")
    return frame


def _id(frame: dict[str, Any], key: str) -> UUID:
    try:
        return UUID(str(frame.get(key)))
    except ValueError:
        raise Refused("not_found", f"{key} names nothing that is here.") from None


def _text(frame: dict[str, Any], key: str) -> str:
    value = frame.get(key)
    if not isinstance(value, str):
        raise Refused("invalid", f"{key} takes text.")
    return value


def _history(frame: dict[str, Any]) -> tuple[Said, ...]:
    turns = frame.get("history") or []
    if not isinstance(turns, list) or len(turns) > 50:
        raise Refused("invalid", "history is a list of at most 50 turns.")
    try:
        return tuple(Said(turn["role"], str(turn["text"])) for turn in turns if turn["role"] in ("user", "assistant"))
    except (KeyError, TypeError):
        raise Refused("invalid", "Each turn of history has a role and a text.") from None


def _refusal(error: Exception) -> dict[str, Any]:
    code = error.code if isinstance(error, Refused) else "unavailable"
    if isinstance(error, PermissionDenied):
        code = "not_allowed"
    return {"refused": {"code": code, "detail": str(error)}}
