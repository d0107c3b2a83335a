"""What one worker holds while it works on one run."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from datasources.connectors.base import Connector, RemoteNode
from datasources.models import DataSource, Node, SyncRun
from datasources.retrieval.types import IndexUnavailable, Selector, WorkspaceIndex
from datasources.syncing.leases import Lease, Postponed
from portal.providers.types import Embedder
from portal.spending.accounts import Account

T = TypeVar("T")

PATIENCE = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between the tries of a call to the index, before the run is postponed."""


@dataclass(slots=True)
class Job:
    """``spaces``: every vector space that may hold something of the source, the run's own first.

    ``notes``: sentences about what the run could not do besides its documents. ``first``: no worker had this run before, so the index has nothing of a node that the run itself brings.
    """

    run: SyncRun
    source: DataSource
    connector: Connector
    embedder: Embedder
    index: WorkspaceIndex
    lease: Lease
    account: Account
    spaces: tuple[str, ...] = ()
    first: bool = False
    notes: list[str] = field(default_factory=list)
    notice: Callable[[], None] = field(default=lambda: None)

    @property
    def space(self) -> str:
        return self.embedder.space

    def patiently(self, call: Callable[[], T]) -> T:
        """Call the index; what does not answer is asked again, then the run is postponed. Index writes are idempotent."""
        for seconds in PATIENCE:
            try:
                return call()
            except IndexUnavailable:
                self.lease.wait(jittered(seconds))
        try:
            return call()
        except IndexUnavailable as error:
            raise Postponed(f"The search index does not answer: {error}", 60.0) from error

    def forget_points(self, nodes: list[UUID], spaces: tuple[str, ...] | None = None) -> None:
        """Take all passages of these nodes out of the index."""
        for space in self.spaces if spaces is None else spaces:
            selector = Selector(source=self.source.pk, nodes=tuple(nodes))
            self.patiently(lambda space=space, selector=selector: self.index.delete(space, selector))  # type: ignore[misc]


def jittered(seconds: float) -> float:
    """Up to a quarter more, so that many who wait for one thing don't all come at once."""
    return seconds * (1 + random.random() / 4)


def remote_of(node: Node) -> RemoteNode:
    """The node as its source told it; ``parent`` must be loaded."""
    return RemoteNode(
        external_id=node.external_id,
        kind=node.kind,  # type: ignore[arg-type]  # it came from a RemoteNode
        title=node.title,
        parent=node.parent.external_id if node.parent is not None else None,
        version=node.version,
        has_text=node.status != Node.Status.CONTAINER,
        has_children=node.has_children,
        url=node.url,
        author=node.author,
        created=node.remote_created,
        modified=node.modified,
        tags=tuple(node.tags),
        size=node.size,
        extra=node.extra,
        readers=None if node.told_readers is None else tuple(node.told_readers),
    )
