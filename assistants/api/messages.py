"""Questions and answers: ask, follow, stop, ask again, judge."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from assistants import conversations
from assistants.api.base import AssistantsAPI, EventStream, StreamingAPI, after_of
from assistants.api.conversations import ConversationAPI, assistant_named, messages_of
from assistants.api.event_shapes import EventShape
from assistants.api.shapes import FeedbackShape, MessageShape, NarrowShape, shown_to
from assistants.errors import Refused
from assistants.feedback import give_feedback, take_feedback_back
from assistants.following import allowed, follow
from assistants.models import Feedback, Message
from datasources.narrowing import read
from portal.api.fields import Within
from portal.models import ApiKey, Credential

_ANSWER = {
    (201, "application/json"): MessageShape,
    (200, "text/event-stream"): OpenApiResponse(
        EventShape,
        "The answer's events as they happen, one after another: `seq` comes as the stream's `id`, `type` as its `event`, "
        "`data` as JSON. After one of the types `completed`, `stopped` and `error` there are no more.",
    ),
}


class Question(serializers.Serializer[Any]):
    content = serializers.CharField(trim_whitespace=False)
    assistant = serializers.CharField(required=False, allow_null=True, allow_blank=True, help_text="A handle.")
    assistants = serializers.ListField(
        child=serializers.CharField(max_length=41),
        required=False,
        help_text="Handles: all of these answer, one after another, each seeing what was answered before. Left out, those that "
        "the content mentions as @handle.",
    )
    parent = serializers.UUIDField(  # type: ignore[assignment]
        required=False, allow_null=True, help_text="The answer that this follows; left out, the last one shown."
    )

    narrow = NarrowShape(
        many=True,
        required=False,
        help_text="Look only there for this question, within what you and the assistant read anyway. Empty: everywhere.",
    )


class AskingAPI(StreamingAPI, ConversationAPI):
    """Asks, and answers when the answer is there or event by event. The caller may leave: the answer goes on."""

    async def answered(self, request: Request, answer: Message) -> HttpResponseBase:
        if self.wants_events(request):
            return self.events(answer.pk)
        async for _event in follow(self.membership, answer.pk):
            pass
        return Response(await sync_to_async(self._finished)(answer.pk), status=status.HTTP_201_CREATED)

    def _finished(self, pk: UUID) -> Any:
        row = Message.objects.select_related("author", "assistant", "version").get(pk=pk)
        if row.error_code == "budget":
            raise Refused(row.error_code, row.error_detail)
        context = {**self.get_serializer_context(), **shown_to(self.membership, [row])}
        return MessageShape(row, context=context).data

    @property
    def via(self) -> str:
        """A key's traffic counts in no ranking; a session's is a person's."""
        return "api" if isinstance(self.request.auth, ApiKey) else "portal"


class ConversationMessages(AskingAPI):
    access = {"GET": "conversation.view", "POST": "conversation.ask"}

    @extend_schema(operation_id="messages_list", responses=MessageShape(many=True))
    async def get(self, request: Request, slug: str, pk: UUID) -> Response:
        """All messages of all branches, oldest first; ``parent`` says which follows which."""
        return await sync_to_async(messages_of)(self, pk)

    @extend_schema(operation_id="messages_ask", request=Question, responses=_ANSWER)
    async def post(self, request: Request, slug: str, pk: UUID) -> HttpResponseBase:
        """Ask. The finished answer as JSON or, with ``Accept: text/event-stream``, its events as they happen.

        Of several assistants it is the first one's answer; its ``next_answer`` is the one that follows.
        """
        given = self.parsed(Question)
        conversation = await sync_to_async(self.mine)(pk)
        assistant = await sync_to_async(assistant_named)(self, given.get("assistant"))
        _question, answer = await conversations.aask(
            self.membership,
            conversation,
            given["content"],
            assistant=assistant,
            assistants=given.get("assistants", ()),
            parent=given.get("parent"),
            narrow=read(given.get("narrow", ())),
            via=self.via,
        )
        return await self.answered(request, answer)


class OneMessage(AssistantsAPI):
    access = "conversation.view"

    @extend_schema(operation_id="messages_get", responses=MessageShape)
    def get(self, request: Request, slug: str, pk: UUID) -> Response:
        row = conversations.message_of(self.membership, pk)
        return self.shown(MessageShape, row, **shown_to(self.membership, [row]))


class Events(StreamingAPI):
    access = "conversation.view"
    # A browser's EventSource names the type; whoever names none means the stream too.
    renderer_classes = [EventStream, JSONRenderer]

    @extend_schema(
        operation_id="messages_events",
        parameters=[OpenApiParameter("after", int, description="The number of the last event that you have.")],
        responses={(200, "text/event-stream"): _ANSWER[(200, "text/event-stream")]},
    )
    async def get(self, request: Request, slug: str, pk: UUID) -> HttpResponseBase:
        """The answer's events after ``after`` (or the header ``Last-Event-ID``), to its last: none missing, none twice."""
        after = after_of(request)
        await allowed(self.membership, pk)
        return self.events(pk, after)


class Stop(AssistantsAPI):
    access = {"POST": "conversation.ask"}

    @extend_schema(operation_id="messages_stop", request=None, responses={202: MessageShape})
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """End the answer, wherever it runs; what was written stays. Harmless when it has ended."""
        conversations.stop(self.membership, conversations.answer_of(self.membership, pk))
        row = conversations.answer_of(self.membership, pk)
        return self.shown(MessageShape, row, status.HTTP_202_ACCEPTED, **shown_to(self.membership, [row]))


class EditRequest(serializers.Serializer[Any]):
    content = serializers.CharField(trim_whitespace=False)
    narrow = NarrowShape(many=True, required=False, help_text="Left out: as the question was narrowed.")


class Edit(AskingAPI):
    access = {"POST": "conversation.ask"}

    @extend_schema(operation_id="messages_edit", request=EditRequest, responses=_ANSWER)
    async def post(self, request: Request, slug: str, pk: UUID) -> HttpResponseBase:
        """Ask something else in this question's place; the old branch stays beside the new one."""
        given = self.parsed(EditRequest)
        question = await sync_to_async(conversations.message_of)(self.membership, pk)
        narrow = read(given["narrow"]) if "narrow" in given else None
        _question, answer = await conversations.aedit_question(self.membership, question, given["content"], narrow)
        return await self.answered(request, answer)


class AgainRequest(serializers.Serializer[Any]):
    credential = Within(Credential, required=False, allow_null=True)
    model = serializers.CharField(required=False, allow_blank=True, max_length=120)


class Again(AskingAPI):
    access = {"POST": "conversation.ask"}

    @extend_schema(operation_id="messages_again", request=AgainRequest, responses=_ANSWER)
    async def post(self, request: Request, slug: str, pk: UUID) -> HttpResponseBase:
        """A second answer to the same question, by another model where one is named."""
        given = await sync_to_async(self.parsed)(AgainRequest)
        answer = await sync_to_async(conversations.answer_of)(self.membership, pk)
        _question, second = await conversations.aask_again(
            self.membership, answer, given.get("credential"), given.get("model", "")
        )
        return await self.answered(request, second)


class AskNext(AskingAPI):
    access = {"POST": "conversation.ask"}

    @extend_schema(operation_id="messages_next", request=None, responses=_ANSWER)
    async def post(self, request: Request, slug: str, pk: UUID) -> HttpResponseBase:
        """After this answer, the next of those whom its question was put to and who did not come to it."""
        answer = await sync_to_async(conversations.answer_of)(self.membership, pk)
        _question, following = await conversations.aask_next(self.membership, answer)
        return await self.answered(request, following)


class FeedbackRequest(serializers.Serializer[Any]):
    up = serializers.BooleanField()
    reason = serializers.ChoiceField(Feedback.Reason.choices, required=False, allow_blank=True)
    comment = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    include_conversation = serializers.BooleanField(required=False, help_text="Let those who improve it read along.")


class GiveFeedback(AssistantsAPI):
    access = {"POST": "feedback.give", "DELETE": "feedback.give"}

    @extend_schema(operation_id="messages_feedback", request=FeedbackRequest, responses=FeedbackShape)
    def post(self, request: Request, slug: str, pk: UUID) -> Response:
        """A thumb up or down with a reason. A second one changes the first."""
        answer = conversations.answer_of(self.membership, pk)
        given = give_feedback(self.membership, answer, **self.parsed(FeedbackRequest))
        return self.shown(FeedbackShape, given)

    @extend_schema(operation_id="messages_feedback_back", responses={204: None})
    def delete(self, request: Request, slug: str, pk: UUID) -> Response:
        """Take one's thumb back."""
        answer = conversations.answer_of(self.membership, pk)
        get_object_or_404(Feedback, message=answer, user=self.membership.user)
        take_feedback_back(self.membership, answer)
        return Response(status=status.HTTP_204_NO_CONTENT)
