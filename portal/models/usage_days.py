"""What model calls spent, day by day: so that no chart adds up millions of them."""

from __future__ import annotations

from django.db import models

from .people import Workspace


class UsageDay(models.Model):
    """The calls of one day by one model, one assistant or one person. Made of UsageRecord once a day is over.

    Each record is counted three times, once for each ``by``: add up rows of one ``by`` only.
    """

    class By(models.TextChoices):
        MODEL = "model"
        ASSISTANT = "assistant"
        PERSON = "person"

    id = models.BigAutoField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    by = models.CharField(max_length=10, choices=By)
    day = models.DateField()
    # The model's name, an assistant's id or a user's id, as text; empty where there was none.
    key = models.CharField(max_length=120, blank=True)
    calls = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    # Of the calls whose price is known; ``unpriced`` counts the others.
    cost = models.DecimalField(max_digits=18, decimal_places=8, default=0)
    unpriced = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "by", "day", "key"], name="usage_day_once")]

    def __str__(self) -> str:
        return f"{self.key or 'none'} {self.day}"
