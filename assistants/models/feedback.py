"""What people think of an answer."""

from __future__ import annotations

import uuid

from django.db import models

from portal.models import User

from .assistant import AssistantVersion
from .conversation import Message


class Feedback(models.Model):
    """One person's thumb on one answer; changing one's mind changes the row."""

    class Reason(models.TextChoices):
        WRONG = "wrong", "Not correct"
        INCOMPLETE = "incomplete", "Something is missing"
        SOURCES = "sources", "Wrong or old sources"
        STYLE = "style", "Too long, too short, hard to read"
        OTHER = "other", "Something else"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="feedback")
    version = models.ForeignKey(AssistantVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    up = models.BooleanField()
    reason = models.CharField(max_length=12, choices=Reason, blank=True)
    comment = models.TextField(blank=True, max_length=2000)
    # The author lets admins read this conversation along with the feedback.
    include_conversation = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message", "user"], name="one_thumb_each")]
        indexes = [models.Index(fields=["-created"], name="feedback_newest")]

    def __str__(self) -> str:
        return "up" if self.up else "down"
