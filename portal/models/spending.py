"""What models cost, who may use which, and what may be spent."""

from __future__ import annotations

import uuid

from django.db import models

from .governing import Credential
from .people import Role, Space, User, Workspace


class Price(models.Model):
    """What an admin says that a credential's model costs, in the workspace's currency."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="prices")
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="prices")
    model = models.CharField(max_length=120)
    input_per_million = models.DecimalField(max_digits=12, decimal_places=4, default=0)
    output_per_million = models.DecimalField(max_digits=12, decimal_places=4, default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential", "model"], name="one_price_each")]
        ordering = ["model"]

    def __str__(self) -> str:
        return f"{self.model}: {self.input_per_million} in, {self.output_per_million} out"


class ModelOffer(models.Model):
    """To whom a credential's model is offered. A model without a row is offered to everybody."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="model_offers")
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="offers")
    model = models.CharField(max_length=120)
    least = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)
    # Only people of these spaces, where some are named.
    spaces = models.ManyToManyField(Space, blank=True, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential", "model"], name="one_offer_each")]
        ordering = ["model"]

    def __str__(self) -> str:
        return self.model


class Budget(models.Model):
    """What may be spent in a day or a month: by the workspace, by one person or each, by one assistant or each."""

    class Covers(models.TextChoices):
        WORKSPACE = "workspace", "The whole workspace"
        PERSON = "person", "One person, or each"
        ASSISTANT = "assistant", "One assistant, or each"

    class Period(models.TextChoices):
        DAY = "day", "A day"
        MONTH = "month", "A month"

    class Unit(models.TextChoices):
        TOKENS = "tokens", "Tokens"
        CURRENCY = "currency", "Money"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="budgets")
    covers = models.CharField(max_length=10, choices=Covers)
    # Empty is each of them. An assistant is a plain id: its row lives on a higher floor.
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    assistant = models.UUIDField(null=True, blank=True)
    period = models.CharField(max_length=5, choices=Period, default=Period.MONTH)
    unit = models.CharField(max_length=8, choices=Unit, default=Unit.TOKENS)
    limit = models.DecimalField(max_digits=18, decimal_places=6)
    # Whom people ask for more; empty is the admins.
    contact = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["covers", "period", "created"]

    def __str__(self) -> str:
        whom = {
            self.Covers.WORKSPACE: "The whole workspace",
            self.Covers.PERSON: self.user or "Each person",
            self.Covers.ASSISTANT: "One assistant" if self.assistant else "Each assistant",
        }
        return f"{whom[self.Covers(self.covers)]}, {self.get_period_display().lower()}"


class Spending(models.Model):
    """What one budget's subject spent in one period, and what is held for calls under way. ``spent + held <= limit``."""

    id = models.BigAutoField(primary_key=True)
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="spendings")
    # "" for the workspace, else "user:<id>" or "assistant:<uuid>".
    subject = models.CharField(max_length=60, blank=True)
    starts = models.DateField()
    spent = models.DecimalField(max_digits=18, decimal_places=6, default=0)
    held = models.DecimalField(max_digits=18, decimal_places=6, default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget", "subject", "starts"], name="one_spending_each")]

    def __str__(self) -> str:
        return f"{self.subject or 'workspace'} {self.starts}: {self.spent}"


class Hold(models.Model):
    """An upper bound that was taken off a budget before a call; settled after it, let go where its process died."""

    id = models.BigAutoField(primary_key=True)
    spending = models.ForeignKey(Spending, on_delete=models.CASCADE, related_name="holds")
    # One call's holds carry the same key.
    call = models.UUIDField(db_index=True)
    amount = models.DecimalField(max_digits=18, decimal_places=6)
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return str(self.amount)
