"""What is kept of questions so that their owners can see topics, and people find the assistant that fits."""

from __future__ import annotations

from django.db import models

from portal.models import User, Workspace

from .assistant import Assistant
from .conversation import Message


class QuestionVector(models.Model):
    """A question that a person asked in the portal, embedded: for topics and for aggregates, never shown by itself."""

    message = models.OneToOneField(Message, primary_key=True, on_delete=models.CASCADE, related_name="+")
    assistant = models.ForeignKey(Assistant, on_delete=models.CASCADE, related_name="+")
    # Of which embedding model and size it is, as passages have it.
    space = models.CharField(max_length=160)
    # float16, little-endian, normalised.
    vector = models.BinaryField()
    # Its answer was found in the sources and nobody put a thumb down.
    well = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["assistant", "-created"], name="question_vectors_of_one")]

    def __str__(self) -> str:
        return str(self.pk)


class Likeness(models.Model):
    """What an assistant is like: its point in the index says what it does; here, the mean of what it answered well."""

    assistant = models.OneToOneField(Assistant, primary_key=True, on_delete=models.CASCADE, related_name="likeness")
    space = models.CharField(max_length=160, blank=True)
    # How it stood, and the hash of the text that was embedded: an edit elsewhere embeds nothing anew.
    described = models.CharField(max_length=64, blank=True)
    # The mean of the vectors of questions that were answered well, float32; empty below three people.
    answered = models.BinaryField(default=bytes, blank=True)
    answered_count = models.PositiveIntegerField(default=0)
    updated = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.assistant}"


class UseDay(models.Model):
    """What a person asked by hand on a day, of one assistant or of none: what rankings, charts and insight count.

    Kept as answers end, so that no page ever counts messages. API, evaluation and trials are never in it.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    assistant = models.ForeignKey(Assistant, null=True, on_delete=models.CASCADE, related_name="use_days")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    questions = models.PositiveIntegerField(default=0)
    # Answers that found nothing in the sources.
    unanswered = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "assistant", "user", "day"], name="use_day_once", nulls_distinct=False
            )
        ]
        indexes = [
            models.Index(fields=["workspace", "day"], name="use_by_day"),
            models.Index(fields=["assistant", "day"], name="use_of_one"),
            models.Index(fields=["user", "-day"], name="use_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.assistant_id} {self.day}"
