"""Tables: rows that can be asked by SQL."""

from __future__ import annotations

from django.db import models

from datasources.models.node import Node
from datasources.titles import title_of
from portal.models import Membership


class TableQuerySet(models.QuerySet["Table"]):
    def readable_by(self, membership: Membership) -> TableQuerySet:
        """The tables of nodes whose content this person may read."""
        return self.filter(node__in=Node.objects.readable_by(membership))


class Table(models.Model):
    """One table of a node (a sheet, a database, an object), kept as Parquet in the file storage.

    ``columns``: [{"name", "label", "type", "samples", "nulls"}]; ``name`` is what SQL calls it, ``label`` what the source does.
    """

    # UUIDv5 of the node and the table's own name there.
    id = models.UUIDField(primary_key=True, editable=False)
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="tables")
    # The sheet or database; empty where the node's title says it all.
    label = models.CharField(max_length=300, blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    columns = models.JSONField(default=list)
    rows = models.PositiveIntegerField(default=0)
    # Rows of the source that did not come in because there are too many.
    left_out = models.PositiveIntegerField(default=0)
    stored = models.CharField(max_length=300)
    size = models.BigIntegerField(default=0)
    content_hash = models.CharField(max_length=64)
    updated = models.DateTimeField(auto_now=True)

    objects = TableQuerySet.as_manager()

    class Meta:
        ordering = ["node", "position"]
        constraints = [models.UniqueConstraint(fields=["node", "position"], name="table_once")]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """What people call it: its sheet, else its file or page without the extension."""
        return self.label or title_of("", self.node.title, self.node.kind)

    @property
    def named_in(self) -> str:
        """Where a sheet stands; empty where the node's title says it all."""
        return self.node.title if self.label else ""
