"""The connector protocol: what Atrium asks of one kind of place. Connectors yield values and never touch the ORM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol

NodeKind = Literal["folder", "file", "page", "channel", "thread", "ticket", "table", "database", "record"]
Cursor = Mapping[str, Any]


class ConnectorError(Exception):
    """What went wrong at the source, in words for a person.

    ``permanent``: no retry helps until a person acts (a revoked token, a folder that is gone); the source turns `needs attention`.
    ``retry_after``: seconds that the vendor asked to wait.
    """

    def __init__(self, message: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class NodeError(ConnectorError):
    """Only this node can't be read; the run goes on. ``skip``: nothing is broken, it just can't come in."""

    def __init__(self, message: str, *, skip: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message, permanent=True, retry_after=retry_after)
        self.skip = skip


@dataclass(frozen=True, slots=True)
class RemoteNode:
    """One item as the source tells it. ``parent`` is an external id, None for the root's children.

    ``version`` changes whenever the content does (an etag, a revision, size and mtime): equal means fetch nothing.
    ``has_text``: it can be fetched. ``has_children``: it can be opened in the tree.
    ``ordinal`` orders siblings where names don't.
    """

    external_id: str
    kind: NodeKind
    title: str
    parent: str | None = None
    version: str = ""
    has_text: bool = True
    has_children: bool = False
    url: str = ""
    author: str = ""
    created: datetime | None = None
    modified: datetime | None = None
    tags: tuple[str, ...] = ()
    size: int | None = None
    ordinal: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """What fetch gives: bytes for the extractor, or Markdown that needs none (then ``markdown`` is set)."""

    data: bytes = b""
    filename: str = ""
    mime: str = ""
    markdown: str | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """One line of a selection: ``external_id`` None is the root. ``options`` are typed by the connector."""

    external_id: str | None
    include: bool = True
    future: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upsert:
    node: RemoteNode


@dataclass(frozen=True, slots=True)
class Delete:
    external_id: str


@dataclass(frozen=True, slots=True)
class Move:
    """The node (and all below it) now hangs below ``parent``, under the same external id."""

    external_id: str
    parent: str | None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All before this is told; a run that dies goes on from ``cursor``."""

    cursor: Cursor


@dataclass(frozen=True, slots=True)
class Complete:
    """Everything below ``scope`` (None: the root) has been told in this run without an error: absence now means deletion."""

    scope: str | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Seen and not brought in, with the reason in plain words; it counts in the account."""

    node: RemoteNode
    reason: str


Change = Upsert | Delete | Move | Checkpoint | Complete | Skipped


@dataclass(frozen=True, slots=True)
class Estimate:
    documents: int
    bytes: int = 0
    exact: bool = True


@dataclass(frozen=True, slots=True)
class TestResult:
    ok: bool
    message: str


class Connector(Protocol):
    """One connection to one place. Made from the source's config and its secret.

    ``changes`` with an empty cursor tells everything chosen; with a cursor, what changed since.
    ``children`` are in the order that a person expects; all methods raise ConnectorError.
    """

    kind: ClassVar[str]
    label: ClassVar[str]

    def test(self) -> TestResult: ...

    def children(self, parent: str | None) -> Iterator[RemoteNode]: ...

    def find(self, text: str) -> Iterator[RemoteNode]: ...

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate: ...

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]: ...

    def fetch(self, node: RemoteNode) -> Content: ...
