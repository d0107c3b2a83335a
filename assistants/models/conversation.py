"""Conversations, their messages, what each answer cited, and the stored log of its events."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from portal.models import Membership, User, Workspace

from .assistant import Assistant, AssistantVersion


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, membership: Membership) -> ConversationQuerySet:
        """One's own, and those that were shared with one or with the workspace. Being an admin opens nothing."""
        return (
            self.filter(workspace=membership.workspace_id)
            .filter(
                models.Q(owner=membership.user_id)
                | models.Q(shared_with_workspace=True)
                | models.Q(shared_with=membership.user_id)
            )
            .distinct()
        )


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="conversations")
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=200, blank=True)
    title_by_person = models.BooleanField(default=False)
    assistant = models.ForeignKey(Assistant, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # The leaf of the branch that is shown: edits and second answers make siblings.
    head = models.ForeignKey("Message", null=True, on_delete=models.SET_NULL, related_name="+")
    shared_with_workspace = models.BooleanField(default=False)
    shared_with = models.ManyToManyField(User, blank=True, related_name="+")
    pinned = models.BooleanField(default=False)
    archived = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "owner", "-updated"], name="conversation_mine"),
            # What every page shows in its rail, in the order in which it does.
            models.Index(
                fields=["workspace", "owner", "-pinned", "-updated"],
                condition=models.Q(archived__isnull=True),
                name="conversation_rail",
            ),
        ]

    def __str__(self) -> str:
        return self.title or "New conversation"


class Message(models.Model):
    """A question or an answer. An answer's ``content`` is Markdown with ``[n]``; ``parent`` makes branches."""

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        COMPLETED = "completed", "Completed"
        STOPPED = "stopped", "Stopped"
        ERROR = "error", "Error"
        INTERRUPTED = "interrupted", "Interrupted"

    OPEN: ClassVar[tuple[str, ...]] = ("queued", "running")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="replies")
    role = models.CharField(max_length=10, choices=Role)
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    assistant = models.ForeignKey(Assistant, null=True, on_delete=models.SET_NULL, related_name="+")
    version = models.ForeignKey(AssistantVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    model = models.CharField(max_length=160, blank=True)
    content = models.TextField(blank=True)
    # Of a question: where alone to look, [{"data_source": id, "parents_in": [ids] | null}]; empty does not narrow.
    narrow = models.JSONField(default=list, blank=True)
    # Of a question that names several assistants: who answers after the first, in order.
    then = ArrayField(models.UUIDField(), default=list, blank=True)
    status = models.CharField(max_length=12, choices=Status, default=Status.COMPLETED)
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=500, blank=True)
    usage = models.JSONField(default=dict, blank=True)
    # Through which surface: portal, api, evaluation. Only human use counts in rankings.
    via = models.CharField(max_length=12, default="portal")
    last_seq = models.PositiveIntegerField(default=0)
    # What was searched, in numbers and ids: {"sources", "folders", "parts", "missing"}.
    scope = models.JSONField(default=dict, blank=True)
    # Whether the sources held an answer; null for questions, and for answers that never got that far.
    found = models.BooleanField(null=True)
    # A person asked it to stop; the process that runs it obeys.
    stop_requested = models.BooleanField(default=False)
    # Which process runs it (the name of its channel), and until when it must have said so again.
    worker = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["created"]
        constraints = [
            # A second question waits until the first has its answer.
            models.UniqueConstraint(
                fields=["conversation"],
                condition=models.Q(status__in=["queued", "running"]),
                name="one_open_answer",
            )
        ]
        indexes = [
            models.Index(fields=["conversation", "created"], name="message_order"),
            models.Index(
                fields=["assistant", "-created"],
                name="answers_of_one",
                condition=models.Q(role="assistant", via="portal"),
            ),
            models.Index(
                fields=["assistant", "-created"],
                name="unanswered_of_one",
                condition=models.Q(role="assistant", via="portal", found=False),
            ),
            models.Index(
                fields=["lease_until"], name="message_open", condition=models.Q(status__in=["queued", "running"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.created:%Y-%m-%d %H:%M}"


class Citation(models.Model):
    """A passage that an answer read: a reference, never a copy of its text. ``cited`` where the answer names it."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="citations")
    n = models.PositiveSmallIntegerField()
    cited = models.BooleanField(default=False)
    # Its table was asked by SQL: the whole answer rests on it, whatever it cites.
    asked = models.BooleanField(default=False)
    # Plain ids: a document that is gone leaves the answer standing.
    source = models.UUIDField()
    node = models.UUIDField(db_index=True)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    content_hash = models.CharField(max_length=64)
    score = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "n"], name="citation_once")]
        ordering = ["n"]

    def __str__(self) -> str:
        return f"[{self.n}]"


class EventBatch(models.Model):
    """Events ``first`` to ``last`` of an answer as they were sent: the truth that a client resumes from."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="event_batches")
    first = models.PositiveIntegerField()
    last = models.PositiveIntegerField()
    events = models.JSONField()  # [{"seq", "type", "data"}]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "first"], name="batch_once")]
        ordering = ["first"]

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"
