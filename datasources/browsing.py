"""A source as a tree that people open, search and tick: one level at a time, at most PAGE nodes at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import CharField, Count, Exists, F, Func, OuterRef, QuerySet, Value

from datasources.access import AGREED, readable_branches, within
from datasources.models import DataSource, Node
from datasources.retrieval.types import Branch
from portal.models import Membership

PAGE = 200
MOST_FOUND = 200
MOST_TAGS = 60
FEW = 20
"""Nodes whose descendants are looked up by index. Of more, all nodes of the source are gone through once: each comparison
of two arrays costs as much as both are long, and a level of many nodes covers much of a source anyway."""


@dataclass(slots=True)
class Row:
    """One line. ``documents``: indexed ones at or below it, as far as the person may see. ``opens``: there may be rows below it.
    ``below``: rows that are shown open."""

    node: Node
    readable: bool
    documents: int = 0
    opens: bool = False
    found: bool = False
    below: list[Row] = field(default_factory=list)

    @property
    def chain(self) -> str:
        """Its own id and its ancestors', for the picker."""
        return " ".join(str(key) for key in self.node.parents)


@dataclass(frozen=True, slots=True)
class Level:
    """Children of one node. ``more``: the number of the first that is not here, or None."""

    rows: list[Row]
    more: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, with the folders above. ``total`` counts all, also those past MOST_FOUND."""

    rows: list[Row]
    total: int


def browsable(membership: Membership, source: DataSource) -> QuerySet[Node]:
    return Node.objects.browsable_by(membership).filter(source=source)


def level(membership: Membership, source: DataSource, parent: UUID | None, first: int = 0) -> Level:
    """The children of a node (None: of the source), from the one with number ``first``. Five queries at most."""
    nodes = browsable(membership, source).filter(parent=parent).select_related(None)
    # Folders first, then by name: what a person expects of a tree.
    nodes = nodes.order_by("-has_children", "sort_key", "id")[first : first + PAGE + 1]
    listed = list(nodes)
    rows = rows_of(membership, source, listed[:PAGE])
    return Level(rows, first + PAGE if len(listed) > PAGE else None)


def find(membership: Membership, source: DataSource, text: str = "", status: str = "") -> Found:
    """Nodes whose name has the text, in this state, below the folders that lead to them."""
    nodes = matching(membership, source, text, status)
    total = nodes.count()
    hits = list(nodes.order_by("path", "id")[:MOST_FOUND])
    above = {key for node in hits for key in node.parents} - {node.pk for node in hits}
    folders = list(Node.objects.filter(source=source, pk__in=above))
    rows = {row.node.pk: row for row in rows_of(membership, source, [*hits, *folders])}
    for node in hits:
        rows[node.pk].found = True
    return Found(_nested(rows), total)


def found_by_path(source: DataSource, text: str) -> QuerySet[Node]:
    """What has these words in its path, folders first: for who governs the source, to choose from."""
    nodes = Node.objects.filter(source=source).exclude(gone=AGREED)
    for word in text.split():
        nodes = nodes.filter(path__icontains=word)
    return nodes.order_by("-has_children", "path", "id").only("path", "title")


def tags_in(membership: Membership, branches: Sequence[Branch] | None = None, text: str = "") -> QuerySet[Any, Any]:
    """``{"tag", "number"}`` of each tag of documents of these branches, or of all, as far as the person may read; the most used
    first. ``text``: only tags that have it in them."""
    nodes = Node.objects.readable_by(membership).filter(status=Node.Status.INDEXED)
    if branches is not None:
        nodes = nodes.filter(within(branches))
    each = nodes.annotate(tag=_Tagged(text)).values("tag").annotate(number=Count("pk"))
    return each.order_by("-number", "tag")


class _Tagged(Func):
    """Each tag of a node that has the text in it. What a row is turned into many by can't be filtered where it stands, so the
    others are left out before."""

    function = "unnest"
    output_field = CharField()

    def __init__(self, text: str) -> None:
        if not text:
            super().__init__(F("tags"))
            return
        pattern = re.sub(r"([\\%_])", r"\\\1", text)
        super().__init__(
            F("tags"), Value(f"%{pattern}%"), template=_HAVING_TEXT, arg_joiner=") AS tag WHERE tag ILIKE "
        )


_HAVING_TEXT = "unnest(ARRAY(SELECT tag FROM unnest(%(expressions)s))"


def tags_of(membership: Membership, branches: Sequence[Branch] | None = None) -> list[tuple[str, int]]:
    """The tags that most of these documents have. One query more than what they may read takes."""
    return [(row["tag"], row["number"]) for row in tags_in(membership, branches)[:MOST_TAGS]]


def matching(membership: Membership, source: DataSource, text: str = "", status: str = "") -> QuerySet[Node]:
    nodes = browsable(membership, source)
    if text:
        nodes = nodes.filter(title__icontains=text)
    return nodes.filter(status=status) if status else nodes


def _nested(rows: dict[UUID, Row]) -> list[Row]:
    top: list[Row] = []
    order = sorted(rows.values(), key=lambda row: (not row.node.has_children, row.node.sort_key, str(row.node.pk)))
    for row in order:
        above = rows.get(row.node.parent_id) if row.node.parent_id else None
        (above.below if above else top).append(row)
    return top


def rows_of(membership: Membership, source: DataSource, nodes: Sequence[Node]) -> list[Row]:
    """With what the person may read of each, and how many documents are below."""
    branches = [branch for branch in readable_branches(membership) if branch.source == source.pk]
    manages = DataSource.objects.manageable_by(membership).filter(pk=source.pk).exists()
    open_ = _opening(membership, source, nodes)
    counts = documents_below(source, list(open_), None if manages else branches)
    return [Row(node, _covers(branches, node), counts.get(node.pk, 0), node.pk in open_) for node in nodes]


def _opening(membership: Membership, source: DataSource, nodes: Sequence[Node]) -> set[UUID]:
    """Folders; and of pages that may have others below them, those that have."""
    may = {node.pk: node.status for node in nodes if node.has_children}
    pages = [pk for pk, status in may.items() if status != Node.Status.CONTAINER]
    if not pages:
        return set(may)
    below = browsable(membership, source).filter(parent=OuterRef("pk"))
    filled = set(Node.objects.filter(Exists(below), pk__in=pages).values_list("pk", flat=True))
    return set(may) - set(pages) | filled


def _covers(branches: Iterable[Branch], node: Node) -> bool:
    """What ``access.within`` says, of a node that is at hand."""
    return any(
        (b.parents_in is None or set(b.parents_in) & set(node.parents))
        and (b.readers is None or set(b.readers) & set(node.readers or ()))
        for b in branches
    )


def documents_below(source: DataSource, nodes: list[UUID], branches: list[Branch] | None) -> dict[UUID, int]:
    """Indexed documents at or below each node; of those that ``branches`` cover, or of all where it is None. What is being removed
    does not count."""
    if not nodes:
        return {}
    # One branch a source, or none at all.
    branch = next(iter(branches), Branch(source.pk, ())) if branches is not None else Branch(source.pk)
    conditions = ""
    values: list[Any] = []
    if len(nodes) <= FEW:
        conditions += " AND node.parents && %s::uuid[]"
        values.append(nodes)
    if branch.parents_in is not None:
        conditions += " AND node.parents && %s::uuid[]"
        values.append(list(branch.parents_in))
    if branch.readers is not None:
        conditions += " AND node.readers && %s::varchar[]"
        values.append(list(branch.readers))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT above, count(*) FROM datasources_node node, unnest(node.parents) AS above
            WHERE node.source_id = %s AND node.status = 'indexed' AND node.gone <> %s AND above = ANY (%s::uuid[]) {conditions}
            GROUP BY above
            """,  # noqa: S608  no value of anybody's is in the text
            [source.pk, AGREED, nodes, *values],
        )
        return dict(cursor.fetchall())
