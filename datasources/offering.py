"""What a place offers to choose from: levels of its tree as the vendor told them last, kept so that choosing is quick.

A level is read in a thread of the process that was asked, page by page, not on the queue: a person waits, and syncs may
hold every worker for hours. What came in so far can be used at once. A process that dies leaves a level that nothing is
heard of any more; the next look at it begins anew.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from uuid import UUID

import structlog
from django.db import close_old_connections, transaction
from django.utils import timezone

from datasources.browsing import documents_below
from datasources.connectors.base import ConnectorError, RemoteNode
from datasources.models import DataSource, Level, Node, Offered, node_id
from datasources.sources import connector_for
from datasources.syncing.hierarchy import storable, stored_title
from datasources.syncing.told import sort_key

log = structlog.get_logger(__name__)

PAGE = 200
BATCH = 200
MOST_FOUND = 200
MOST_ASKED = 100
"""Of what the vendor's own search finds."""
SILENT = timedelta(seconds=90)
"""Nothing came for so long: whoever read it is gone."""
OLD = timedelta(days=1)
"""After this a level is read anew when it is opened; what was known is shown meanwhile."""
MOST_DEEP = 50
READERS = 4

State = Level.State
_turns = threading.BoundedSemaphore(READERS)
_ending = threading.Event()


@dataclass(slots=True)
class Choice:
    """One line to tick. ``chain``: its own node id and those above it, as far as they are known. ``documents``: came in."""

    item: Offered
    chain: list[UUID]
    documents: int = 0
    found: bool = False
    below: list[Choice] = field(default_factory=list)

    @property
    def shown_chain(self) -> str:
        return " ".join(str(key) for key in self.chain)


@dataclass(frozen=True, slots=True)
class Listed:
    """Lines of a level. ``more``: the number of the first that is not here. ``total``: how many there are so far."""

    level: Level
    rows: list[Choice]
    total: int
    more: int | None = None


# ---- Reading -----------------------------------------------------------------------------------------------------


def ask(source: DataSource, parent: str = "", *, anew: bool = False) -> Level:
    """The level, being read where it is unknown, old, broken off, or asked for ``anew``."""
    now = timezone.now()
    with transaction.atomic():
        level, made = Level.objects.select_for_update().get_or_create(source=source, parent=parent)
        if made or _is_due(level, anew):
            Level.objects.filter(pk=level.pk).update(state=State.READING, error="", begun=now)
            level.state, level.error, level.begun = State.READING, "", now
            transaction.on_commit(lambda: start(level))
    return level


def _is_due(level: Level, anew: bool) -> bool:
    now = timezone.now()
    if level.state == State.READING:
        return level.begun < now - SILENT
    if level.state == State.FAILED:
        return anew
    return anew or level.read is None or level.read < now - OLD


def start(level: Level) -> None:
    threading.Thread(target=_in_thread, args=(level,), name="level", daemon=True).start()


def _in_thread(level: Level) -> None:
    with _turns:
        try:
            read_level(level)
        finally:
            close_old_connections()


def end() -> None:
    """The process goes down: readings end after their page, and can be begun anew elsewhere."""
    _ending.set()


def read_level(level: Level) -> None:
    """Take in all that is right below one place. What is gone there goes here too, once the whole level was told."""
    told: set[UUID] = set()
    try:
        source = DataSource.objects.select_related("workspace", "credential").get(pk=level.source_id)
        for nodes in _batches(connector_for(source).children(level.parent or None)):
            if _ending.is_set():
                return _failed(level, "Atrium was restarted meanwhile. Try again.")
            told |= _take(level, nodes)
            if not Level.objects.filter(pk=level.pk).update(begun=timezone.now()):
                return None  # the draft was forgotten meanwhile
    except DataSource.DoesNotExist:
        return None
    except ConnectorError as error:
        return _failed(level, str(error))
    except Exception as error:  # a connector's fault must not leave a level that seems to be read for ever
        log.exception("reading a level failed", level=level.pk)
        return _failed(level, f"Something went wrong inside Atrium ({type(error).__name__}); its log says more.")
    known = set(level.items.values_list("node", flat=True))
    _drop(level, known - told)
    Level.objects.filter(pk=level.pk).update(state=State.READ, error="", read=timezone.now())


def _failed(level: Level, words: str) -> None:
    Level.objects.filter(pk=level.pk).update(state=State.FAILED, error=words[:500])


def _batches(nodes: Iterable[RemoteNode]) -> Iterator[list[RemoteNode]]:
    rest = iter(nodes)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _take(level: Level, nodes: Sequence[RemoteNode]) -> set[UUID]:
    rows = {row.node: row for row in (_offered(level, node) for node in nodes)}
    Offered.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["level", "node"],
        update_fields=["external_id", "kind", "title", "sort_key", "has_children", "size"],
    )
    return set(rows)


def _offered(level: Level, node: RemoteNode) -> Offered:
    return Offered(
        level=level,
        source_id=level.source_id,
        node=node_id(level.source_id, node.external_id),
        external_id=storable(node.external_id)[:1024],
        kind=node.kind[:16],
        title=stored_title(node.title),
        # Folders first, then by name: what a person expects of a tree.
        sort_key=f"{0 if node.has_children else 1}{sort_key(node)}"[:200],
        has_children=node.has_children,
        size=node.size,
    )


def _drop(level: Level, nodes: Iterable[UUID]) -> None:
    rest = iter(nodes)
    while batch := list(islice(rest, 1000)):
        level.items.filter(node__in=batch).delete()


# ---- Showing -----------------------------------------------------------------------------------------------------


def listed(source: DataSource, parent: str = "", first: int = 0, *, anew: bool = False) -> Listed:
    """Lines of a level from the one with number ``first`` on; being read, what came so far. A constant number of queries."""
    level = ask(source, parent, anew=anew)
    rows = list(level.items.order_by("sort_key", "id")[first : first + PAGE + 1])
    above = _chain_of(source, parent)
    counts = _documents(source, [row.node for row in rows[:PAGE] if row.has_children])
    shown = [Choice(row, [row.node, *above], counts.get(row.node, 0)) for row in rows[:PAGE]]
    return Listed(level, shown, level.items.count(), first + PAGE if len(rows) > PAGE else None)


def parent_of(source: DataSource, node: str) -> str | None:
    """The external id of a line that can be opened, by its node's id; the top for nothing; None where it is unknown."""
    if not node:
        return ""
    try:
        return external_ids_of(source, [UUID(node)]).get(UUID(node))
    except ValueError:
        return None


def find(source: DataSource, text: str) -> tuple[list[Choice], int]:
    """What was told so far and has the text in its name, below what leads there; and how many there are."""
    rows = Offered.objects.filter(source=source, title__icontains=text)
    total = rows.count()
    return _nested(source, list(rows.select_related("level").order_by("sort_key", "id")[:MOST_FOUND])), total


def is_all_known(source: DataSource) -> bool:
    """Whether every place that can be opened was read, so that asking the vendor would find nothing more."""
    read = {level.parent for level in source.levels.exclude(read=None)}
    if "" not in read:
        return False
    openable = Offered.objects.filter(source=source, has_children=True).values_list("external_id", flat=True)
    return set(openable) <= read


def find_there(source: DataSource, text: str) -> list[Choice]:
    """What the vendor's own search finds and was not told yet, below what leads there. Kept, so that it can be ticked.
    Raises ConnectorError."""
    nodes = list(islice(connector_for(source).find(text), MOST_ASKED))
    by_parent: dict[str, list[RemoteNode]] = defaultdict(list)
    known = set(
        Offered.objects.filter(
            source=source, node__in=[node_id(source.pk, node.external_id) for node in nodes]
        ).values_list("node", flat=True)
    )
    for node in nodes:
        if node_id(source.pk, node.external_id) not in known:
            by_parent[node.parent or ""].append(node)
    found: set[UUID] = set()
    for parent, some in by_parent.items():
        # Not read, only known in part: opening it reads it.
        level, _ = Level.objects.get_or_create(source=source, parent=parent, defaults={"state": State.READ})
        found |= _take(level, some)
    leading = {node.parent for node in nodes}
    only_leading = [
        node for node in nodes if node.external_id in leading and text.casefold() not in node.title.casefold()
    ]
    found -= {node_id(source.pk, node.external_id) for node in only_leading}
    rows = Offered.objects.filter(source=source, node__in=found).select_related("level").order_by("sort_key", "id")
    return _nested(source, list(rows))


def _nested(source: DataSource, hits: list[Offered]) -> list[Choice]:
    """The hits below the places that lead to them."""
    rows, parents = _with_ancestors(source, hits)
    counts = _documents(source, [row.node for row in rows.values() if row.has_children])
    choices = {key: Choice(row, _walked(source, key, parents), counts.get(row.node, 0)) for key, row in rows.items()}
    for hit in hits:
        choices[hit.external_id].found = True
    top: list[Choice] = []
    for key, choice in sorted(choices.items(), key=lambda pair: (pair[1].item.sort_key, pair[1].item.pk)):
        above = choices.get(parents.get(key, ""))
        (above.below if above is not None and above is not choice else top).append(choice)
    return top


def _with_ancestors(source: DataSource, rows: Iterable[Offered]) -> tuple[dict[str, Offered], dict[str, str]]:
    """By external id these rows and all above them that are known; and each one's parent. One query a level of depth."""
    known = {row.external_id: row for row in rows}
    parents = {row.external_id: row.level.parent for row in known.values()}
    for _ in range(MOST_DEEP):
        missing = {parent for parent in parents.values() if parent and parent not in parents}
        if not missing:
            break
        above = Offered.objects.filter(source=source, external_id__in=missing).select_related("level")
        found = {row.external_id: row for row in above}
        known |= found
        parents |= dict.fromkeys(missing, "") | {key: row.level.parent for key, row in found.items()}
    return known, parents


def _walked(source: DataSource, key: str, parents: dict[str, str]) -> list[UUID]:
    return [node_id(source.pk, one) for one in _upwards(key, parents)]


def _upwards(key: str, parents: dict[str, str]) -> list[str]:
    chain = [key]
    while (above := parents.get(chain[-1], "")) and above not in chain:
        chain.append(above)
    return chain


def _chain_of(source: DataSource, external_id: str) -> list[UUID]:
    if not external_id:
        return []
    rows = Offered.objects.filter(source=source, external_id=external_id).select_related("level")
    _, parents = _with_ancestors(source, rows[:1])
    return _walked(source, external_id, parents)


def chains_of(source: DataSource, nodes: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """For ticked nodes their own id and those above, from what came in or was offered."""
    wanted = set(nodes)
    chains: dict[UUID, list[UUID]] = dict(
        Node.objects.filter(source=source, pk__in=wanted).values_list("pk", "parents")
    )
    rows = list(Offered.objects.filter(source=source, node__in=wanted - set(chains)).select_related("level"))
    _, parents = _with_ancestors(source, rows)
    return chains | {row.node: _walked(source, row.external_id, parents) for row in rows}


def paths_of(source: DataSource, nodes: Iterable[UUID]) -> dict[UUID, str]:
    """What they are called, with what is above them, as far as it is known: many places have parts of the same name."""
    wanted = set(nodes)
    told = dict(Node.objects.filter(source=source, pk__in=wanted).values_list("pk", "path"))
    rows = list(Offered.objects.filter(source=source, node__in=wanted - set(told)).select_related("level"))
    known, parents = _with_ancestors(source, rows)
    return told | {
        row.node: " / ".join(known[key].title for key in reversed(_upwards(row.external_id, parents)) if key in known)
        for row in rows
    }


def external_ids_of(source: DataSource, nodes: Iterable[UUID]) -> dict[UUID, str]:
    """How the connector knows these nodes: from what was offered, what came in, and what was chosen before."""
    wanted = set(nodes)
    found: dict[UUID, str] = {}
    chosen = [(line.node, line.external_id) for line in source.selections.all() if line.node in wanted and line.node]
    for rows in (
        chosen,
        Node.objects.filter(source=source, pk__in=wanted).values_list("pk", "external_id"),
        Offered.objects.filter(source=source, node__in=wanted).values_list("node", "external_id"),
    ):
        found |= dict(rows)
    return found


def _documents(source: DataSource, nodes: list[UUID]) -> dict[UUID, int]:
    return documents_below(source, nodes, None) if nodes and source.last_synced else {}
