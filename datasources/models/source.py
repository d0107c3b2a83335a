"""A source: the connection, what was chosen of it, who may see which part, and what it offers."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from datasources.access import DataSourceQuerySet
from portal.models import Credential, Space, User, Workspace

_Manager = models.Manager.from_queryset(DataSourceQuerySet)


class DataSourceManager(_Manager["DataSource"]):
    """The cursor may be megabytes, and only workers read it: it is loaded where it is asked for.

    This does not reach a join (``select_related``): who joins a source says ``defer("source__cursor")``.
    """

    def get_queryset(self) -> models.QuerySet[DataSource]:
        return super().get_queryset().defer("cursor")


class DataSource(models.Model):
    """One connection to one place, through one connector."""

    class State(models.TextChoices):
        NEW = "new", "Not synced yet"
        OK = "ok", "Up to date"
        SYNCING = "syncing", "Syncing"
        PAUSED = "paused", "Paused"
        NEEDS_ATTENTION = "needs_attention", "Needs attention"
        DELETING = "deleting", "Being deleted"
        # Being connected in the browser: nothing comes in before somebody has chosen and said go.
        DRAFT = "draft", "Not finished"

    class Schedule(models.TextChoices):
        OFF = "off", "Only by hand"
        OFTEN = "15min", "Every 15 minutes"
        HOURLY = "hourly", "Every hour"
        DAILY = "daily", "Every day"

    EVERY: ClassVar[dict[str, timedelta]] = {
        "15min": timedelta(minutes=15),
        "hourly": timedelta(hours=1),
        "daily": timedelta(days=1),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="data_sources")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=40)
    config = models.JSONField(default=dict, blank=True)
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.PROTECT, related_name="data_sources"
    )
    state = models.CharField(max_length=16, choices=State, default=State.NEW)
    state_detail = models.CharField(max_length=500, blank=True)
    schedule = models.CharField(max_length=8, choices=Schedule, default=Schedule.OFF)
    next_run = models.DateTimeField(null=True, blank=True, db_index=True)
    # Where the connector's listing stands after the last complete run.
    cursor = models.JSONField(default=dict, blank=True)
    last_synced = models.DateTimeField(null=True, blank=True)
    # When everything is listed anew, cursor or not: vendors' feeds miss things.
    full_due = models.DateTimeField(null=True, blank=True)
    # Who may read at the vendor is kept with each node, and asked too.
    mirror = models.BooleanField(default=False)
    # The last part of the address that the vendor calls, and what it signs with, encrypted.
    hook_token = models.CharField(max_length=64, blank=True, db_index=True)
    hook_secret_encrypted = models.BinaryField(default=bytes, blank=True)
    # Since when no run could read it, and a person has to do something; they were told then.
    broken_since = models.DateTimeField(null=True, blank=True)
    # External ids that the vendor told of, and that no run has looked at yet.
    hints = models.JSONField(default=list, blank=True)
    # Something came in while a run was under way that may have passed it: sync once more after it.
    again = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = DataSourceManager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def run_after(self, now: datetime) -> datetime | None:
        """When the clock starts the next run; None: it does not."""
        every = self.EVERY.get(self.schedule)
        return now + every if every else None

    def full_after(self, now: datetime) -> datetime | None:
        """When everything is to be listed anew; None where every run does that, or none is to."""
        hours = settings.FULL_LISTING_HOURS
        return now + timedelta(hours=hours) if self.cursor and hours else None

    @property
    def is_watched(self) -> bool:
        """Whether anything but a person starts its runs."""
        return self.schedule != self.Schedule.OFF or bool(self.hook_token)


class Selection(models.Model):
    """One line of what was chosen to come in, by node id; None is the root. ``external_id``: how the connector knows it."""

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="selections")
    node = models.UUIDField(null=True)
    external_id = models.CharField(max_length=1024, blank=True)
    include = models.BooleanField(default=True)
    future = models.BooleanField(default=True)
    options = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "external_id"], name="selection_once")]


class Grant(models.Model):
    """This space may see this part of that source. ``parents_in`` null is all of it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    space = models.ForeignKey(Space, on_delete=models.CASCADE, related_name="grants")
    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="grants")
    parents_in = ArrayField(models.UUIDField(), null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["space", "source"], name="one_grant_each")]

    def __str__(self) -> str:
        return f"{self.source} to {self.space}"


class SourceGroup(models.Model):
    """A group at the vendor that some node's readers name, with who is in it. E-mail addresses in lower case."""

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="groups")
    external_id = models.CharField(max_length=300)
    emails = ArrayField(models.CharField(max_length=254), default=list)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "external_id"], name="group_once")]
        indexes = [GinIndex(fields=["emails"], name="group_emails")]

    def __str__(self) -> str:
        return self.external_id


class Level(models.Model):
    """The children of one place as the vendor last told them, so that choosing is quick. ``parent`` empty is the root."""

    class State(models.TextChoices):
        READING = "reading", "Reading"
        READ = "read", "Read"
        FAILED = "failed", "Failed"

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="levels")
    parent = models.CharField(max_length=1024, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.READING)
    error = models.CharField(max_length=500, blank=True)
    read = models.DateTimeField(null=True)
    begun = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "parent"], name="level_once")]

    def __str__(self) -> str:
        return f"{self.source}: {self.parent or 'top'}"


class Offered(models.Model):
    """One item of a level: what can be ticked, whether it came in yet or not."""

    level = models.ForeignKey(Level, on_delete=models.CASCADE, related_name="items")
    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="+")
    node = models.UUIDField()
    external_id = models.CharField(max_length=1024)
    kind = models.CharField(max_length=16)
    title = models.CharField(max_length=500)
    sort_key = models.CharField(max_length=200, blank=True)
    has_children = models.BooleanField(default=False)
    size = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["level", "node"], name="offered_once")]
        indexes = [
            models.Index(fields=["level", "sort_key", "id"], name="offered_order"),
            models.Index(fields=["source", "node"], name="offered_node"),
        ]

    def __str__(self) -> str:
        return self.title


class WebhookDelivery(models.Model):
    """What a vendor sent, by the vendor's own id: the same twice is heard once. Old ones are forgotten."""

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="deliveries")
    key = models.CharField(max_length=200)
    created = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "key"], name="delivery_once")]

    def __str__(self) -> str:
        return self.key
