"""One answer: its rendering, stopping it, asking it again, saying what it was worth, and its events for pages without sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from assistants import conversations as verbs
from assistants.errors import Refused
from assistants.feedback import give_feedback, take_feedback_back
from assistants.following import allowed, follow, sse
from assistants.forms import AgainForm, FeedbackForm
from assistants.models import Conversation, Feedback, Message
from assistants.views.conversations import _own, _visible, refused, thread_context, thread_response
from portal.access import WorkspaceRequest, async_workspace_view, workspace_view
from portal.pages import is_fragment


def _answer(row: Conversation, message: UUID) -> Message:
    answers = row.messages.select_related("conversation", "assistant", "version", "parent")
    return get_object_or_404(answers, pk=message, role=Message.Role.ASSISTANT)


@workspace_view("conversation.view")
@require_GET
def answer(request: WorkspaceRequest, conversation: UUID, message: UUID) -> HttpResponse:
    """The answer as it stands, for the page that watched it come; on its own, its conversation at that place."""
    row = _visible(request, conversation)
    if not is_fragment(request):
        return redirect(f"{reverse('conversation', args=[request.workspace.slug, row.pk])}?at={message}#m-{message}")
    context = thread_context(request, row, message)
    entry = next((entry for entry in context["entries"] if entry.message.pk == message), None)
    if entry is None:
        return HttpResponse(status=404)
    response = render(request, "assistants/_answer.html", {**context, "entry": entry})
    response["Cache-Control"] = "no-store"
    return response


@async_workspace_view("conversation.view")
async def events(request: WorkspaceRequest, conversation: UUID, message: UUID) -> HttpResponseBase:
    """The answer's events after ``after`` as ``text/event-stream``: what a page follows where sockets don't get through."""
    try:
        await allowed(request.membership, message)
    except Refused as error:
        return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")
    after = request.GET.get("after", "0")
    stream = sse(follow(request.membership, message, int(after) if after.isdecimal() else 0))
    return event_stream(stream)


def event_stream(stream: AsyncIterator[bytes]) -> StreamingHttpResponse:
    """Server-sent events that nothing on the way keeps or gathers."""
    response = StreamingHttpResponse(stream, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


@workspace_view("conversation.ask")
@require_POST
def stop(request: WorkspaceRequest, conversation: UUID, message: UUID) -> HttpResponse:
    """What was written is kept. Harmless where it has ended meanwhile."""
    row = _own(request, conversation)
    verbs.stop(request.membership, _answer(row, message))
    if is_fragment(request):
        return HttpResponse(status=204)
    return redirect("conversation", request.workspace.slug, row.pk)


@workspace_view("conversation.ask")
@require_POST
def again(request: WorkspaceRequest, conversation: UUID, message: UUID) -> HttpResponse:
    """The same question once more, by the same model or by another."""
    row = _own(request, conversation)
    form = AgainForm(request.POST, membership=request.membership)
    if not form.is_valid():
        return refused(request, row, "This model is not offered any more. Reload the page and choose another.")
    credential, model = form.cleaned_data["model"]
    try:
        verbs.ask_again(request.membership, _answer(row, message), credential, model)
    except Refused as error:
        return refused(request, row, str(error), error.status)
    return thread_response(request, row)


@workspace_view("conversation.ask")
@require_POST
def ask_next(request: WorkspaceRequest, conversation: UUID, message: UUID) -> HttpResponse:
    """Those who were asked the same question too, and did not come to answer it."""
    row = _own(request, conversation)
    try:
        verbs.ask_next(request.membership, _answer(row, message))
    except Refused as error:
        return refused(request, row, str(error), error.status)
    return thread_response(request, row)


@workspace_view("feedback.give")
@require_POST
def feedback(request: WorkspaceRequest, conversation: UUID, message: UUID) -> HttpResponse:
    """A thumb; down asks why. Pressing the same again takes it back."""
    row = _visible(request, conversation)
    answered = _answer(row, message)
    form = FeedbackForm(request.POST)
    if not form.is_valid():
        return refused(request, row, " ".join(str(e) for errors in form.errors.values() for e in errors))
    data = form.cleaned_data
    kept: Feedback | None = None
    try:
        if data["up"] is None:
            take_feedback_back(request.membership, answered)
        else:
            kept = give_feedback(request.membership, answered, **data)
    except Refused as error:
        return refused(request, row, str(error), error.status)
    explained = "comment" in request.POST
    if not is_fragment(request):
        if explained:
            messages.success(request, "Thank you. It helps the assistant's owners.")
        return redirect(f"{reverse('conversation', args=[request.workspace.slug, row.pk])}#feedback-{message}")
    context: dict[str, Any] = {
        "conversation": row,
        "message": answered,
        "feedback": kept,
        "reasons": Feedback.Reason.choices,
        "may_ask": row.owner_id == request.user.pk,
        "ask_why": not explained,
        "thanked": explained or bool(kept and kept.up),
    }
    return render(request, "assistants/_feedback.html", context)
