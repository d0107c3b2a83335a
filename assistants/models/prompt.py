"""What a person asks again and again, kept by name for the composer."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Lower

from portal.models import Membership


class SavedPrompt(models.Model):
    """A person's own, in one workspace; nobody else sees it."""

    LONGEST = 20_000
    """Characters: as many as a question may have."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="saved_prompts")
    name = models.CharField(max_length=60)
    text = models.TextField()
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint("membership", Lower("name"), name="prompt_name_once")]

    def __str__(self) -> str:
        return self.name
