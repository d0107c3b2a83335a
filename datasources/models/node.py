"""What came in: nodes, and the text of those that have one."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Coalesce

from datasources.access import NodeQuerySet
from datasources.models.source import DataSource
from datasources.titles import title_of
from portal.models import Workspace


def node_id(source: uuid.UUID, external_id: str) -> uuid.UUID:
    """UUIDv5(source, external id): what payloads, grants, selections and the API carry."""
    return uuid.uuid5(source, external_id)


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
    # Who may read it at the vendor, as principals (see RemoteNode.readers): as told of this node, and in effect, from the
    # nearest node above that has some. Null: not told. Asked only where the source mirrors access, and null is then nobody.
    told_readers = ArrayField(models.CharField(max_length=320), null=True, blank=True)
    readers = ArrayField(models.CharField(max_length=320), null=True, blank=True)
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
            # As trees show them: folders first, then by name.
            models.Index(fields=["source", "parent", "-has_children", "sort_key", "id"], name="node_children"),
            models.Index(fields=["source", "status"], name="node_status"),
            models.Index(fields=["source"], condition=~models.Q(gone=""), name="node_gone"),
            # An assistant that reads the newest walks down this until it has enough.
            models.Index("workspace", Coalesce("modified", "created").desc(), name="node_newest"),
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
    # The index has older parents, tags, readers or times than the node: they are to be set there.
    behind = models.BooleanField(default=False)
    notes = models.JSONField(default=list, blank=True)
    # Seconds from the change at the source to being searchable, where the source tells when it changed and it is an update.
    lag = models.FloatField(null=True)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["node"], condition=models.Q(behind=True), name="document_behind")]

    def __str__(self) -> str:
        return f"Text of {self.node_id}"

    @property
    def shown_title(self) -> str:
        """Its own title, else its node's name made readable: what is embedded, cited and shown."""
        return title_of(self.title, self.node.title, self.node.kind)
