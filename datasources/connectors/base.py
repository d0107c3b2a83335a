"""The connector protocol: what Atrium asks of one kind of place. Connectors yield values and never touch the ORM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from datasources.connectors.about import About

NodeKind = Literal[
    "folder",
    "file",
    "page",
    "channel",
    "thread",
    "ticket",
    "table",
    "database",
    "record",
    "space",
    "project",
    "repository",
    "drive",
    "collection",
    "article",
    "conversation",
    "site",
]
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
    ``readers``: who may read it at the source, as principals: ``everyone`` (whoever the source is granted to),
    ``mail:ann@acme.com``, ``domain:acme.com``, ``group:<the vendor's id>``. None: whoever may read its parent. Told only where
    the source mirrors access (``around.mirror``); an empty tuple is nobody.
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
    readers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TableData:
    """Rows of one table. Cells are str, int, float, bool, date, datetime, Decimal or None; ``rows`` may be read once only.

    ``name``: of a sheet or a database; empty where the node's title is its name.
    """

    columns: tuple[str, ...]
    rows: Iterable[Sequence[Any]]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What fetch gives: bytes for the extractor, or Markdown that needs none (then ``markdown`` is set).

    ``tables``: what of it can be asked by SQL, besides what the extractor finds in ``data``.
    """

    data: bytes = b""
    filename: str = ""
    mime: str = ""
    markdown: str | None = None
    tables: tuple[TableData, ...] = ()


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
    """``bytes``: to read; ``text``: what of them is text, where that is less (None: all of it).

    ``untold``: a sentence where the place can't say yet how much it is; then the numbers say nothing.
    """

    documents: int
    bytes: int = 0
    exact: bool = True
    text: int | None = None
    untold: str = ""


@dataclass(frozen=True, slots=True)
class TestResult:
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request that a vendor sent to the source's webhook. ``headers``: names in lower case.

    ``secret``: what the vendor signs with, or the channel's secret, as Atrium keeps it for this source.
    """

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    secret: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """What a webhook said. ``key`` is the vendor's id of this delivery (or a digest of it): seen before, it is ignored.

    ``nodes``: external ids that changed, appeared or went; ``everything``: something changed, but not what.
    ``reply``: what the vendor wants to read (a challenge). ``secret``: what the vendor will sign with from now on, told once,
    in a handshake that nothing proves; it is kept only while there is none. All empty: nothing of interest.
    """

    key: str = ""
    nodes: tuple[str, ...] = ()
    everything: bool = False
    reply: str = ""
    reply_type: str = "text/plain"
    secret: str = ""


class DeliveryRefused(Exception):
    """The signature is wrong, missing or too old. Answered with 401 and nothing else."""


class Connector(Protocol):
    """One connection to one place. Made from the source's config and its secret; making it calls nobody.

    ``changes`` with an empty cursor tells everything chosen and ends with ``Complete(None)`` if all of it could be listed;
    with a cursor that it gave before, what changed since (Upsert of what is new or edited, Delete, Move), or goes on with a
    listing that was broken off. The last Checkpoint is where the next run begins. Every run tells the containers above
    what it tells, parents first. ``children`` are in the order that a person expects, and come as the vendor's pages come.
    ``find`` tells what has the words in its name, and may tell the containers that lead there before it.
    All methods raise ConnectorError. ``fetch`` is called from several threads at once.
    """

    about: ClassVar[About]

    def test(self) -> TestResult: ...

    def children(self, parent: str | None) -> Iterator[RemoteNode]: ...

    def find(self, text: str) -> Iterator[RemoteNode]: ...

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate: ...

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]: ...

    def fetch(self, node: RemoteNode) -> Content: ...


@runtime_checkable
class Looks(Protocol):
    """Can tell single nodes anew, as after a webhook."""

    def look(self, external_ids: Sequence[str], chosen: Sequence[Chosen]) -> Iterator[Change]:
        """Upsert (after what is above it), Skipped or Delete for each of these, as far as they are chosen."""
        ...


@runtime_checkable
class Hears(Protocol):
    """Its vendor can call us."""

    def webhook(self, delivery: Delivery) -> Heard:
        """Raises DeliveryRefused where it is not from the vendor. Calls nobody."""
        ...


@runtime_checkable
class Offers(Protocol):
    """Knows what some settings, or options at a node, can be: those that are ``offered`` in its About."""

    def choices(self, external_id: str | None) -> Mapping[str, Sequence[str]]:
        """By name: of the options at this node, or of the settings where it is None. What is not known is left out."""
        ...

    def check(self, external_id: str | None, options: Mapping[str, Any]) -> None:
        """Raises ConnectorError, naming those that there are, where an option names what the place does not have."""
        ...


@runtime_checkable
class Mirrors(Protocol):
    """Its vendor says who may read what (``RemoteNode.readers``)."""

    def members(self, group: str) -> Iterator[str]:
        """E-mail addresses of a group that some node named as ``group:<id>``."""
        ...
