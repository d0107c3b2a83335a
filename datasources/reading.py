"""The reader's side: from a person and a question to passages that this person may read, now.

Access is checked twice: as a filter inside the index, and again in SQL on what came out of it. The index may be a moment
behind a revocation; SQL never is.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from datasources.access import readable_branches, within
from datasources.models import Node
from datasources.narrowing import chains_of, meet
from datasources.retrieval.fusing import QueryKind
from datasources.retrieval.joining import FoundPassage
from datasources.retrieval.remembering import Remembering
from datasources.retrieval.search import Timings, search
from datasources.retrieval.types import Branch, Filter, VectorIndex
from datasources.titles import title_of
from portal import net
from portal.credentials import secret_of
from portal.models import Membership, Workspace
from portal.providers import registry
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
    """What embeds this workspace's passages and questions. One object a model in a process. Raises ProviderError."""
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
                else registry.embedder(
                    credential.kind,
                    workspace.embedding_model,
                    secret_of(credential),
                    credential.base_url,
                    network=net.network(),
                )
            )
        return _embedders[key]


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
class Scope:
    """What a search of this reader with this knowledge goes through.

    ``sources``: those that are searched. ``folders``: branches below the root of a source; ``missing``: how many of the
    knowledge's parts the reader may not read, wholly or in part. ``narrowed``: it is what one question was confined to.
    """

    sources: tuple[UUID, ...] = ()
    folders: int = 0
    parts: int = 0
    missing: int = 0
    narrowed: bool = False

    @property
    def empty(self) -> bool:
        return not self.sources


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
        found = await search(
            handle, asked, self.embedder.space, query, self.filter, limit, tokens=tokens, around=around
        )
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
    return SourceReader(membership, knowledge, allowed, scope_of(allowed, knowledge), embedder)


def metered(embedder: Embedder, account: Account) -> Embedder:
    """The same on somebody's account; the model on this machine costs nothing."""
    credential = account.workspace.embedding_credential if account.workspace.embedding_credential_id else None
    # Its size is only asked for when it is wanted, which a protocol's attribute can't say.
    return embedder if credential is None else cast("Embedder", MeteredEmbedder(embedder, credential, account))


def scope_of(allowed: tuple[Branch, ...], knowledge: Knowledge) -> Scope:
    """What is searched, and how much of it the reader may not read. A query only where a grant is of a part."""
    if knowledge.narrow is not None:
        return _narrowed_scope(allowed, knowledge.branches, knowledge.narrow)
    if knowledge.branches is None:
        folders = sum(len(b.parents_in) for b in allowed if b.parents_in is not None)
        return Scope(tuple(b.source for b in allowed), folders, len(allowed), 0)
    granted = {branch.source: branch for branch in allowed}
    sources: dict[UUID, None] = {}
    folders = missing = parts = 0
    for branch in knowledge.branches:
        readable = granted.get(branch.source)
        roots: tuple[UUID | None, ...] = (None,) if branch.parents_in is None else branch.parents_in
        parts += len(roots)
        if readable is None:
            missing += len(roots)
            continue
        whole = len(roots) if readable.parents_in is None else _covered(roots, readable.parents_in)
        missing += len(roots) - whole
        sources[branch.source] = None
        folders += 0 if branch.parents_in is None else len(branch.parents_in)
    return Scope(tuple(sources), folders, parts, missing)


def _narrowed_scope(
    allowed: tuple[Branch, ...], wanted: tuple[Branch, ...] | None, narrow: tuple[Branch, ...]
) -> Scope:
    """What grants, knowledge and the question's own narrowing have in common."""
    chains = chains_of(allowed, wanted or (), narrow)
    common = meet(narrow, allowed, chains)
    if wanted is not None:
        common = meet(common, wanted, chains)
    folders = sum(len(branch.parents_in or ()) for branch in common)
    return Scope(tuple(branch.source for branch in common), folders, len(common), 0, narrowed=True)


def _covered(roots: tuple[UUID | None, ...], granted: tuple[UUID, ...]) -> int:
    """How many of these branches lie wholly below what is granted."""
    chains = Node.objects.filter(pk__in=[r for r in roots if r is not None]).values_list("parents", flat=True)
    return sum(1 for parents in chains if set(parents) & set(granted))


async def search_passages(
    membership: Membership, query: str, *, knowledge: Knowledge | None = None, limit: int = 8
) -> Results:
    """What this person finds: as many results as ``limit`` says, however long, as no prompt has to hold them.

    Raises IndexUnavailable, and ProviderError where the embedder is a vendor's.
    """
    account = await in_database(_account_of, membership)
    reader = await in_database(open_reader, membership, knowledge or EVERYTHING, account)
    try:
        return await reader.search(query, limit=limit, tokens=sys.maxsize)
    finally:
        if account.embedded:
            await in_database(account.record)


def _account_of(membership: Membership) -> Account:
    """Who pays for a search. Where this machine embeds, nobody, and no budget is looked for."""
    opened = Account.opened if membership.workspace.embedding_credential_id else Account
    return opened(membership.workspace, membership.user)


def passage_texts(membership: Membership, refs: Iterable[PassageRef]) -> dict[PassageRef, str]:
    """The text at each place that this person may read; others are left out. Two queries; the documents stay in SQL."""
    wanted = list(dict.fromkeys(PassageRef(*ref) for ref in refs))
    readable = set(
        Node.objects.readable_by(membership).filter(pk__in={r.node for r in wanted}).values_list("pk", flat=True)
    )
    return texts_at([ref for ref in wanted if ref.node in readable])


def texts_at(refs: Iterable[PassageRef], longest: int | None = None) -> dict[PassageRef, str]:
    """The same for refs whose access was checked already, cut at ``longest`` code points. One query."""
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
