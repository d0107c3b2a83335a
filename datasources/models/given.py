"""What people and integrations hand over: files, and what is written through the API."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models

from datasources.models.source import DataSource
from portal.models import User


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


class Written(models.Model):
    """A document, a folder (``text`` null) or a table (``columns`` set) that an integration wrote."""

    source = models.ForeignKey(DataSource, on_delete=models.CASCADE, related_name="written")
    external_id = models.CharField(max_length=1024)
    parent = models.CharField(max_length=1024, null=True, blank=True)  # noqa: DJ001  null is the root
    title = models.CharField(max_length=500)
    text = models.TextField(null=True, blank=True)  # noqa: DJ001  null is a folder
    columns = ArrayField(models.CharField(max_length=200), null=True, blank=True)
    url = models.CharField(max_length=2000, blank=True)
    author = models.CharField(max_length=200, blank=True)
    modified = models.DateTimeField(null=True)
    tags = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    readers = ArrayField(models.CharField(max_length=320), null=True, blank=True)
    # Changes with whatever is told of it, its rows included.
    version = models.CharField(max_length=64)
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "external_id"], name="written_once")]
        indexes = [models.Index(fields=["source", "parent"], name="written_children")]

    def __str__(self) -> str:
        return self.title


class WrittenRow(models.Model):
    """One row of a written table, by the integration's own key."""

    table = models.ForeignKey(Written, on_delete=models.CASCADE, related_name="rows")
    key = models.CharField(max_length=300)
    cells = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["table", "key"], name="written_row_once")]

    def __str__(self) -> str:
        return self.key
