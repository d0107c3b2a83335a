"""Runs of a sync, with their account."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from datasources.models.source import DataSource
from portal.models import User


class SyncRunManager(models.Manager["SyncRun"]):
    """Cursors may be megabytes, and only workers read them: theirs and their source's are loaded where they are asked for."""

    def get_queryset(self) -> models.QuerySet[SyncRun]:
        return super().get_queryset().defer("cursor", "source__cursor")


class SyncRun(models.Model):
    """One pass over a source, with its account: discovered = indexed + unchanged + skipped + failed."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        DISCOVERING = "discovering", "Looking what is there"
        SYNCING = "syncing", "Reading"
        PAUSED = "paused", "Paused"
        DONE = "done", "Done"
        PARTIAL = "partial", "Done, with failures"
        FAILED = "failed", "Failed"
        STOPPED = "stopped", "Stopped"

    class Trigger(models.TextChoices):
        PERSON = "person", "By hand"
        SCHEDULE = "schedule", "By schedule"
        FIRST = "first", "First sync"
        API = "api", "By the API"
        RETRY = "retry", "Retry of what failed"
        UPLOAD = "upload", "After an upload"
        AGREED = "agreed", "Removal that somebody agreed to"
        EMBEDDER = "embedder", "Another embedding model"
        WEBHOOK = "webhook", "The source told of a change"
        FULL = "full", "Everything listed anew"

    OPEN: ClassVar[tuple[str, ...]] = ("queued", "discovering", "syncing", "paused")
    RUNNABLE: ClassVar[tuple[str, ...]] = ("queued", "discovering", "syncing")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="runs")
    state = models.CharField(max_length=12, choices=State, default=State.QUEUED)
    trigger = models.CharField(max_length=12, choices=Trigger, default=Trigger.PERSON)
    requested_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    # What a person asked of a run under way: "", "pause", "stop". The worker obeys between two nodes.
    wish = models.CharField(max_length=8, blank=True)
    # Only these nodes ("retry these 12"); empty is everything.
    only = ArrayField(models.UUIDField(), default=list, blank=True)
    # External ids that a webhook named; only these are looked at.
    hints = models.JSONField(default=list, blank=True)
    # Everything is listed anew, whatever the cursor says.
    full = models.BooleanField(default=False)
    discovered = models.PositiveIntegerField(default=0)
    indexed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    passages = models.PositiveIntegerField(default=0)
    listed = models.BooleanField(default=False)
    # External ids (null: the root) below which everything was told: what was not seen there is gone.
    scopes = models.JSONField(default=list, blank=True)
    # Deletions that wait for a person's yes: {"documents": 120, "of": 400, "examples": [paths]}.
    held = models.JSONField(null=True, blank=True)
    cursor = models.JSONField(default=dict, blank=True)
    # Documents a second, over the last minute or so.
    rate = models.FloatField(default=0.0)
    current = models.CharField(max_length=300, blank=True)
    error = models.CharField(max_length=500, blank=True)
    worker = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    # Claims since something last came in.
    attempts = models.PositiveSmallIntegerField(default=0)
    # The source or the index asked for a pause; no worker takes the run before.
    not_before = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)

    objects = SyncRunManager()

    class Meta:
        ordering = ["-created"]
        constraints = [
            models.UniqueConstraint(
                fields=["source"],
                condition=models.Q(state__in=["queued", "discovering", "syncing", "paused"]),
                name="one_open_run",
            )
        ]
        indexes = [models.Index(fields=["state", "lease_until"], name="run_claim")]

    def __str__(self) -> str:
        return f"{self.source} {self.created:%Y-%m-%d %H:%M}"


class RunItem(models.Model):
    """What became of one node in one run: the page-by-page account. A node's state there is its last item's."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", "Waiting"
        INDEXED = "indexed", "Indexed"
        UNCHANGED = "unchanged", "Unchanged"
        SKIPPED = "skipped", "Skipped"
        FAILED = "failed", "Failed"
        REMOVED = "removed", "Removed"

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="items")
    # No constraint: the node of a removal is gone.
    node = models.UUIDField()
    path = models.TextField(blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.WAITING)
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "node"], name="item_once")]
        indexes = [models.Index(fields=["run", "outcome", "id"], name="item_outcome")]

    def __str__(self) -> str:
        return f"{self.path}: {self.outcome}"
