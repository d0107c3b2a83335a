"""Sources, what was chosen of them, who may see which part, and what came in."""

from datasources.models.given import UploadedFile, Written, WrittenRow
from datasources.models.node import Document, Node, node_id
from datasources.models.run import RunItem, SyncRun
from datasources.models.source import (
    DataSource,
    Grant,
    Level,
    Offered,
    Selection,
    SourceGroup,
    WebhookDelivery,
)
from datasources.models.table import Table

__all__ = [
    "DataSource",
    "Document",
    "Grant",
    "Level",
    "Node",
    "Offered",
    "RunItem",
    "Selection",
    "SourceGroup",
    "SyncRun",
    "Table",
    "UploadedFile",
    "WebhookDelivery",
    "Written",
    "WrittenRow",
    "node_id",
]
