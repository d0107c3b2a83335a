"""Sources, what was chosen of them, who may see which part, and what came in."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from datasources.access import DataSourceQuerySet, NodeQuerySet
from datasources.titles import title_of
from portal.models import Credential, Space, User, Workspace


def node_id(source: uuid.UUID, external_id: str) -> uuid.UUID:
    """UUIDv5(source, external id): what payloads, grants, selections and the API carry."""
    return uuid.uuid5(source, external_id)


class DataSource(models.Model):
    """One connection to one place, through one connector."""

    class State(models.TextChoices):
        NEW = "new", "Not synced yet"
        OK = "ok", "Up to date"
        SYNCING = "syncing", "Syncing"
        PAUSED = "paused", "Paused"
        NEEDS_ATTENTION = "needs_attention", "Needs attention"
        DELETING = "deleting", "Being deleted"

    class Schedule(models.TextChoices):
        OFF = "off", "Only by hand"
        HOURLY = "hourly", "Every hour"
        DAILY = "daily", "Every day"

    EVERY: ClassVar[dict[str, timedelta]] = {"hourly": timedelta(hours=1), "daily": timedelta(days=1)}

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
    # Something came in while a run was under way that may have passed it: sync once more after it.
    again = models.BooleanField(default=False)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = DataSourceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Selection(models.Model):
    """One line of what was chosen to come in. ``external_id`` empty is the root."""

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="selections")
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


class Node(models.Model):
    """One item of a source's hierarchy. ``parents``: its own id first, then each ancestor up to the root's child."""

    class Status(models.TextChoices):
        PENDING = "pending", "Waiting"
        CONTAINER = "container", "Folder"
        INDEXED = "indexed", "Indexed"
        SKIPPED = "skipped", "Skipped"
        FAILED = "failed", "Failed"

    class Gone(models.TextChoices):
        """No longer at the source. ``held`` waits for a person's yes, ``agreed`` for the next worker."""

        NO = "", "There"
        MISSING = "missing", "Missing"
        HELD = "held", "Missing, kept until somebody agrees"
        AGREED = "agreed", "Being removed"

    id = models.UUIDField(primary_key=True, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="nodes")
    external_id = models.CharField(max_length=1024)
    kind = models.CharField(max_length=16)
    title = models.CharField(max_length=500)
    # No database constraint: a child may be told before its parent.
    parent = models.ForeignKey(
        "self", null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="children"
    )
    parents = ArrayField(models.UUIDField())
    # Titles from the root down, for people; "handbook / leave / sick-leave.md".
    path = models.TextField(blank=True)
    depth = models.PositiveSmallIntegerField(default=0)
    sort_key = models.CharField(max_length=200, blank=True)
    has_children = models.BooleanField(default=False)
    url = models.CharField(max_length=2000, blank=True)
    author = models.CharField(max_length=200, blank=True)
    tags = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    size = models.BigIntegerField(null=True)
    # As the source last told; and of what came in. Where they are equal, there is nothing to fetch.
    version = models.CharField(max_length=200, blank=True)
    fetched_version = models.CharField(max_length=200, blank=True)
    remote_created = models.DateTimeField(null=True)
    modified = models.DateTimeField(null=True)
    extra = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    reason = models.CharField(max_length=500, blank=True)
    # The run that last told of this node; absence is judged by it.
    seen_in = models.UUIDField(null=True)
    gone = models.CharField(max_length=8, choices=Gone, default=Gone.NO, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    updated = models.DateTimeField(auto_now=True)

    objects = NodeQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "external_id"], name="node_once")]
        indexes = [
            GinIndex(fields=["parents"], name="node_parents"),
            models.Index(fields=["source", "parent", "sort_key", "id"], name="node_children"),
            models.Index(fields=["source", "status"], name="node_status"),
            models.Index(fields=["source"], condition=~models.Q(gone=""), name="node_gone"),
        ]

    def __str__(self) -> str:
        return self.title


class Document(models.Model):
    """A node's text, as Markdown. Offsets of passages and citations count its code points."""

    node = models.OneToOneField(Node, primary_key=True, on_delete=models.CASCADE, related_name="document")
    # What the text calls itself, or empty; what people see is ``shown_title``.
    title = models.CharField(max_length=500, blank=True)
    text = models.TextField()
    content_hash = models.CharField(max_length=64)
    # What the index holds of it: in which vector space, of which text, under which title, in how many passages.
    indexed_space = models.CharField(max_length=200, blank=True)
    indexed_hash = models.CharField(max_length=64, blank=True)
    indexed_title = models.CharField(max_length=500, blank=True)
    passages = models.PositiveIntegerField(default=0)
    # The index has older parents, tags or times than the node: they are to be set there.
    behind = models.BooleanField(default=False)
    notes = models.JSONField(default=list, blank=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["node"], condition=models.Q(behind=True), name="document_behind")]

    def __str__(self) -> str:
        return f"Text of {self.node_id}"

    @property
    def shown_title(self) -> str:
        """Its own title, else its node's name made readable: what is embedded, cited and shown."""
        return title_of(self.title, self.node.title, self.node.kind)


class UploadedFile(models.Model):
    """A file that a person put into an upload source. Never removed by a sync."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="uploads")
    path = models.CharField(max_length=1024)
    stored = models.CharField(max_length=300)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "path"], name="upload_path_once")]

    def __str__(self) -> str:
        return self.path


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
