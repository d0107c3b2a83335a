"""Requests that an admin vets an assistant for everybody."""

from __future__ import annotations

import uuid

from django.db import models

from portal.models import User

from .assistant import Assistant, AssistantVersion


class VettingRequest(models.Model):
    """Its owners ask that ``version`` be offered to everybody; an admin decides, with a comment."""

    class State(models.TextChoices):
        OPEN = "open", "Waits for an admin"
        APPROVED = "approved", "Approved"
        CHANGES = "changes", "Changes asked for"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="vetting_requests")
    version = models.ForeignKey(AssistantVersion, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    note = models.TextField(blank=True, max_length=2000)
    asked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    asked = models.DateTimeField(auto_now_add=True)
    comment = models.TextField(blank=True, max_length=2000)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    decided = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-asked"]
        constraints = [
            models.UniqueConstraint(
                fields=["assistant"], condition=models.Q(state="open"), name="one_open_vetting_request"
            )
        ]

    def __str__(self) -> str:
        return f"{self.assistant}: {self.get_state_display().lower()}"
