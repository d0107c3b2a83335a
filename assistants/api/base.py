"""What assistants and conversations say no with, as problems; and answers as a stream of events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from assistants.errors import Refused
from assistants.following import follow, sse
from assistants.runs.log import Event
from datasources.api.base import as_problem
from portal.api.base import AsyncWorkspaceAPI, WorkspaceAPI
from portal.api.problems import Problem


class AssistantsAPI(WorkspaceAPI):
    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, Refused):
            return super().handle_exception(Problem(exc.code, str(exc), exc.status))
        return super().handle_exception(as_problem(exc))


class EventStream(JSONRenderer):
    """Chosen with ``Accept: text/event-stream``. The stream renders itself; what goes wrong before it is a problem in JSON."""

    media_type = "text/event-stream"
    format = "events"
    charset = None


class StreamingAPI(AssistantsAPI, AsyncWorkspaceAPI):
    """Answers with JSON or, where the caller asks for it, with events as they happen."""

    renderer_classes = [JSONRenderer, EventStream]

    @staticmethod
    def wants_events(request: Request) -> bool:
        return bool(request.accepted_renderer.media_type == EventStream.media_type)

    def events(self, answer: UUID, after: int = 0) -> StreamingHttpResponse:
        """The connection may break: the answer goes on without it, and ``after`` picks it up again."""
        stream: AsyncIterator[Event] = follow(self.membership, answer, after)
        response = StreamingHttpResponse(sse(stream), content_type=EventStream.media_type)
        response["Cache-Control"] = "no-cache"
        # Tells a proxy not to gather what is meant to flow.
        response["X-Accel-Buffering"] = "no"
        return response


def after_of(request: Any) -> int:
    """The last event that the caller has: ``?after=``, or the header that a browser sends when it reconnects."""
    given = request.query_params.get("after") or request.headers.get("Last-Event-ID") or "0"
    if not given.isdecimal():
        raise ValidationError({"after": "It takes the number of the last event that you have."})
    return int(given)
