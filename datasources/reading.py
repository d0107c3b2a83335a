"""The reader's side: from a person and a question to passages that this person may read, now.

Access is checked twice: as a filter inside the index, and again in SQL on what came out of it. The index may be a moment
behind a revocation; SQL never is.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections, connection
from django.db.models import QuerySet

from datasources.access import readable_branches, within
from datasources.models import Node
from datasources.retrieval.fusing import QueryKind
from datasources.retrieval.joining import FoundPassage
from datasources.retrieval.remembering import Remembering
from datasources.retrieval.search import Timings, search
from datasources.retrieval.types import Branch, Filter, VectorIndex
from datasources.scope import Scope, scope_of
from datasources.titles import title_of
from portal import net
from portal.credentials import secret_of
from portal.models import Credential, Membership, Workspace
from portal.providers import registry
from portal.providers.remote import MEASURED, RemoteEmbedder
from portal.providers.types import Embedder
from portal.spending.accounts import Account, MeteredEmbedder
from portal.threads import in_database

if TYPE_CHECKING:
    from datasources.reading_tables import TableReader

_lock = threading.Lock()
_index: VectorIndex | None = None
_NO_TIME = Timings()
_embedders: dict[tuple[Any, ...], Embedder] = {}


def open_index() -> VectorIndex:
    """The process's one index; opened at the first call. Raises IndexLocked or IndexUnavailable."""
    global _index
    with _lock:
        if _index is None:
            from datasources.retrieval.index import open_index as open_engine

            knobs = settings.QDRANT_KNOBS
            _index = open_engine(
                directory=settings.VECTORS_DIR,
                url=settings.QDRANT_URL,
                api_key=settings.QDRANT_API_KEY,
                hnsw_m=knobs["m"],
                hnsw_payload_m=knobs["payload_m"],
                int8=bool(knobs["quantization"]),
                vectors_on_disk=bool(knobs["vectors_on_disk"]),
                payload_on_disk=bool(knobs["payload_on_disk"]),
            )
        return _index


def close_index() -> None:
    """Let go of the index; the next call opens it again. For shut-down, and for tests."""
    global _index
    with _lock:
        if _index is not None:
            _index.close()
            _index = None


def embedder_for(workspace: Workspace) -> Embedder:
    """What embeds this workspace's passages and questions. One object a model in a process. Raises ProviderError.

    Of a vendor's model of which nobody knows how long its vectors are, the first who wants to know calls it, at the workspace's
    expense: it is asked once in a process, whoever comes first.
    """
    credential = workspace.embedding_credential if workspace.embedding_credential_id else None
    if credential is None:
        key: tuple[Any, ...] = (settings.EMBEDDING_DEFAULT,)
    else:
        secret = bytes(credential.secret_encrypted)
        key = (credential.pk, credential.base_url, secret, workspace.embedding_model)
    with _lock:
        if key not in _embedders:
            _embedders[key] = (
                registry.embedder("local", "", cache=settings.MODELS_DIR)
                if credential is None
                else _of_vendor(workspace.pk, credential, workspace.embedding_model)
            )
        return _embedders[key]


def _of_vendor(workspace: UUID, credential: Credential, model: str) -> Embedder:
    made = registry.embedder(credential.kind, model, secret_of(credential), credential.base_url, network=net.network())
    if isinstance(made, RemoteEmbedder):
        made.measure = partial(_measure, made, workspace, credential)
    return made


def _measure(embedder: Embedder, workspace: UUID, credential: Credential) -> None:
    """A call that tells its size, reserved and settled as any other. Blocking. Raises ProviderError."""
    account = Account.opened(Workspace.objects.get(pk=workspace))
    try:
        account.embed(embedder, credential, [MEASURED], query=True)
    finally:
        account.record()
        if not connection.in_atomic_block:
            # Perhaps a thread that keeps no connection to the database.
            close_old_connections()


async def space_of(embedder: Embedder) -> str:
    """Its ``space``, off the event loop where the vendor has to be called for it. Raises ProviderError."""
    return embedder.space if embedder.sized else await in_database(lambda: embedder.space)


class PassageRef(NamedTuple):
    """Where a passage stands: code points of a document's text."""

    node: UUID
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What an assistant searches. ``branches`` None is all that its reader may read; empty is nothing.

    ``since`` is inclusive, ``until`` exclusive. ``narrow``: one question is confined to these as well; None does not narrow.
    """

    branches: tuple[Branch, ...] | None = None
    tags_all: tuple[str, ...] = ()
    tags_none: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    narrow: tuple[Branch, ...] | None = None

    @classmethod
    def of(cls, entries: Iterable[Mapping[str, Any]] | None, **more: Any) -> Knowledge:
        """From ``[{"data_source", "parents_in", "parents_not_in"}]``, as versions and the API carry it; None is everything."""
        if entries is None:
            return cls(None, **more)
        return cls(tuple(branch_of(entry) for entry in entries), **more)


def branch_of(entry: Mapping[str, Any]) -> Branch:
    inside = entry.get("parents_in")
    return Branch(
        UUID(str(entry["data_source"])),
        None if inside is None else tuple(UUID(str(node)) for node in inside),
        tuple(UUID(str(node)) for node in entry.get("parents_not_in") or ()),
    )


EVERYTHING = Knowledge()


@dataclass(frozen=True, slots=True)
class ReadablePassage:
    """A passage that its reader may read. ``content_hash`` is of the whole document as the index holds it."""

    node: UUID
    source: UUID
    source_name: str
    title: str
    path: str
    url: str
    kind: str
    heading: str
    text: str
    start: int
    end: int
    content_hash: str
    score: float
    modified: datetime | None = None

    @property
    def ref(self) -> PassageRef:
        return PassageRef(self.node, self.start, self.end)


@dataclass(frozen=True, slots=True)
class Results:
    """``passages``, best first, whether or not they are judged ``relevant``; ``confidence`` is between 0 and 1."""

    passages: tuple[ReadablePassage, ...] = ()
    relevant: bool = False
    confidence: float = 0.0
    kind: QueryKind = "question"
    timings: Timings = _NO_TIME


@dataclass(frozen=True, slots=True)
class SourceReader:
    """One person's way to passages. Made by ``open_reader``; ``search`` checks access anew at each call."""

    membership: Membership
    knowledge: Knowledge
    allowed: tuple[Branch, ...]
    scope: Scope
    embedder: Embedder

    @property
    def reads_nothing(self) -> bool:
        """Whether no knowledge was given at all (rather than some that this reader may not read).

        A question that was narrowed wants to be answered from there, so that it is told instead.
        """
        return self.knowledge.branches == () and self.knowledge.narrow is None

    @property
    def tables(self) -> TableReader:
        """The same person's way to tables, within the same knowledge."""
        from datasources.reading_tables import TableReader

        return TableReader(self.membership, self.knowledge)

    async def search(self, query: str, *, limit: int = 8, tokens: int = 4000, around: int = 0) -> Results:
        """Raises IndexUnavailable, and ProviderError where the embedder is a vendor's."""
        if self.scope.empty:
            return Results()
        handle = open_index().for_workspace(self.membership.workspace_id)
        asked = Remembering(self.embedder)
        space = await space_of(self.embedder)
        found = await search(handle, asked, space, query, self.filter, limit, tokens=tokens, around=around)
        if not found.passages:
            return Results(kind=found.kind, timings=found.timings)
        checked = await in_database(self.check, found.passages)
        return Results(
            checked,
            found.judgement.relevant and bool(checked),
            found.judgement.confidence,
            found.kind,
            found.timings,
        )

    async def newest(self, *, limit: int, tokens: int) -> Results:
        """Passages of the newest documents, whatever is asked, until ``tokens`` are full. Raises IndexUnavailable."""
        from datasources.reading_newest import newest

        return Results() if self.scope.empty else await newest(self, limit=limit, tokens=tokens)

    @property
    def filter(self) -> Filter:
        """What the index lets through for this reader with this knowledge."""
        wanted = self.knowledge
        return Filter(
            self.allowed,
            wanted.branches,
            wanted.tags_all,
            wanted.tags_none,
            wanted.since,
            wanted.until,
            narrow=wanted.narrow,
        )

    def check(self, found: tuple[FoundPassage, ...]) -> tuple[ReadablePassage, ...]:
        """The second check: grants, knowledge and what the question was narrowed to, in SQL, as they are this moment."""
        nodes = Node.objects.readable_by(self.membership).filter(pk__in={p.node for p in found})
        for branches in (self.knowledge.branches, self.knowledge.narrow):
            if branches is not None:
                nodes = nodes.filter(within(branches))
        rows = {
            row[0]: row
            for row in nodes.values_list(
                "pk",
                "source_id",
                "source__name",
                "title",
                "path",
                "url",
                "kind",
                "modified",
                "document__title",
                "document__content_hash",
                "document__indexed_hash",
            )
        }
        return tuple(_readable(passage, rows[passage.node]) for passage in found if passage.node in rows)


def _readable(passage: FoundPassage, row: tuple[Any, ...]) -> ReadablePassage:
    _, source, source_name, name, path, url, kind, modified, title, content_hash, indexed_hash = row
    return ReadablePassage(
        node=passage.node,
        source=source,
        source_name=source_name,
        title=title_of(title or "", name, kind),
        path=path,
        url=url,
        kind=kind,
        heading=passage.heading,
        text=passage.text,
        start=passage.start,
        end=passage.end,
        content_hash=indexed_hash or content_hash or "",
        score=passage.score,
        modified=modified,
    )


def nodes_within(membership: Membership, knowledge: Knowledge) -> QuerySet[Node]:
    """The nodes that this person may read within this knowledge: in SQL what ``SourceReader.filter`` is in the index."""
    nodes = Node.objects.readable_by(membership)
    for branches in (knowledge.branches, knowledge.narrow):
        if branches is not None:
            nodes = nodes.filter(within(branches))
    if knowledge.tags_all:
        nodes = nodes.filter(tags__contains=list(knowledge.tags_all))
    if knowledge.tags_none:
        nodes = nodes.exclude(tags__overlap=list(knowledge.tags_none))
    if knowledge.since:
        nodes = nodes.filter(modified__gte=knowledge.since)
    return nodes.filter(modified__lt=knowledge.until) if knowledge.until else nodes


def open_reader(
    membership: Membership,
    knowledge: Knowledge = EVERYTHING,
    account: Account | None = None,
    branches: Callable[[], tuple[Branch, ...]] | None = None,
) -> SourceReader:
    """One or two queries, blocking. Raises ProviderError where the workspace's embedder can't be had.

    ``account``: who pays for embedding questions, and gathers what was spent. ``branches``: what the person may read, for
    callers that know it already.
    """
    allowed = () if knowledge.branches == () else branches() if branches else readable_branches(membership)
    embedder = embedder_for(membership.workspace)
    if account is not None:
        embedder = metered(embedder, account)
    return SourceReader(
        membership, knowledge, allowed, scope_of(allowed, knowledge.branches, knowledge.narrow), embedder
    )


def metered(embedder: Embedder, account: Account) -> Embedder:
    """The same on somebody's account; the model on this machine costs nothing."""
    credential = account.workspace.embedding_credential if account.workspace.embedding_credential_id else None
    # Its size is only asked for when it is wanted, which a protocol's attribute can't say.
    return embedder if credential is None else cast("Embedder", MeteredEmbedder(embedder, credential, account))


async def search_passages(
    membership: Membership, query: str, *, knowledge: Knowledge | None = None, limit: int = 8
) -> Results:
    """What this person finds: as many results as ``limit`` says, however long, as no prompt has to hold them.

    Raises IndexUnavailable, and ProviderError where the embedder is a vendor's.
    """
    (reader, account), _ = await asyncio.gather(
        in_database(_opened, membership, knowledge or EVERYTHING), _embedded_ahead(membership.workspace, query.strip())
    )
    try:
        return await reader.search(query, limit=limit, tokens=sys.maxsize)
    finally:
        if account.embedded:
            await in_database(account.record)


async def _embedded_ahead(workspace: Workspace, query: str) -> None:
    """Where this machine embeds, it does so while the database says what may be read; ``search`` finds it at hand."""
    if query and not workspace.embedding_credential_id:
        await asyncio.to_thread(Remembering(embedder_for(workspace)).embed_query, query)


def _opened(membership: Membership, knowledge: Knowledge) -> tuple[SourceReader, Account]:
    """A reader, and who pays for its search: where this machine embeds, nobody, and no budget is looked for."""
    opened = Account.opened if membership.workspace.embedding_credential_id else Account
    account = opened(membership.workspace, membership.user)
    return open_reader(membership, knowledge, account), account


def texts_at(refs: Iterable[PassageRef], longest: int | None = None) -> dict[PassageRef, str]:
    """The text at each place, cut at ``longest`` code points; whoever calls has checked who may read it. One query."""
    wanted = list(refs)
    if not wanted:
        return {}
    lengths = [max(0, r.end - r.start if longest is None else min(longest, r.end - r.start)) for r in wanted]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wanted.at, substr(document.text, wanted.start + 1, wanted.length)
            FROM unnest(%s::int[], %s::uuid[], %s::int[], %s::int[]) AS wanted (at, node, start, length)
            JOIN datasources_document document ON document.node_id = wanted.node
            """,
            [list(range(len(wanted))), [r.node for r in wanted], [r.start for r in wanted], lengths],
        )
        return {wanted[at]: text for at, text in cursor.fetchall()}
