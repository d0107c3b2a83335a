"""What the tests of syncing share: a place that is written in the test, and a look at SQL and index side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

from datasources.connectors.about import About
from datasources.connectors.base import (
    Change,
    Checkpoint,
    Chosen,
    Complete,
    Content,
    Cursor,
    Estimate,
    RemoteNode,
    TestResult,
    Upsert,
)
from datasources.models import DataSource, Document, Node, SyncRun
from datasources.reading import open_index
from datasources.retrieval.types import Selector
from datasources.sources import request_sync
from datasources.sync import sync_source


class FakePlace:
    """A connector over a dictionary: path to Markdown. Folders follow from the paths. ``script`` replaces the listing.

    ``readers``: of a path, who may read it there; ``groups``: who is in them, or why that can't be told.
    """

    about: ClassVar[About] = About("fake", "Fake place", "circle-stack", "A place that tests make up.")

    def __init__(self, files: dict[str, str] | None = None) -> None:
        self.files = files or {}
        self.fetched: list[str] = []
        self.readers: dict[str, tuple[str, ...]] = {}
        self.groups: dict[str, list[str] | Exception] = {}
        self.errors: dict[str, list[Exception]] = {}
        self.listing_error: Exception | None = None
        self.script: list[Change] | None = None
        self.cursors: list[Cursor] = []

    def test(self) -> TestResult:
        return TestResult(True, "It is there")

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        return (node for node in self.nodes() if node.parent == parent)

    def find(self, text: str) -> Iterator[RemoteNode]:
        return (node for node in self.nodes() if text in node.title)

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        return Estimate(len(self.files))

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        self.cursors.append(cursor)
        if self.script is not None:
            yield from self.script
            return
        for node in self.nodes():
            yield Upsert(node)
        if self.listing_error is not None:
            raise self.listing_error
        yield Checkpoint({})
        yield Complete(None)

    def fetch(self, node: RemoteNode) -> Content:
        self.fetched.append(node.external_id)
        if self.errors.get(node.external_id):
            raise self.errors[node.external_id].pop(0)
        return Content(markdown=self.files[node.external_id])

    def members(self, group: str) -> Iterator[str]:
        found = self.groups[group]
        if isinstance(found, Exception):
            raise found
        yield from found

    def nodes(self) -> Iterator[RemoteNode]:
        return (replace(node, readers=self.readers.get(node.external_id)) for node in self._nodes())

    def _nodes(self) -> Iterator[RemoteNode]:
        told = set()
        for path, text in self.files.items():
            parts = path.split("/")
            for depth in range(1, len(parts)):
                folder = "/".join(parts[:depth])
                if folder not in told:
                    told.add(folder)
                    yield folder_node(folder)
            yield file_node(path, text)


def _above(path: str) -> str | None:
    return path.rpartition("/")[0] or None


def folder_node(path: str, parent: str | None = "", title: str = "") -> RemoteNode:
    above = _above(path) if parent == "" else parent
    return RemoteNode(path, "folder", title or path.rpartition("/")[2], above, has_text=False, has_children=True)


def file_node(path: str, text: str, parent: str | None = "", **more: Any) -> RemoteNode:
    above = _above(path) if parent == "" else parent
    fields = {"title": path.rpartition("/")[2], "version": str(hash(text)), **more}
    return RemoteNode(path, "file", parent=above, **fields)


def synced(source: DataSource, **more: Any) -> SyncRun:
    """Run what a worker would run."""
    run = request_sync(source, by=None, **more)
    sync_source(run)
    return SyncRun.objects.get(pk=run.pk)


def account(run: SyncRun) -> dict[str, int]:
    """Counts that are not zero."""
    names = ("discovered", "indexed", "unchanged", "skipped", "failed", "removed")
    return {name: getattr(run, name) for name in names if getattr(run, name)}


def in_index(source: DataSource, space: str) -> dict[tuple[UUID, int], dict[str, Any]]:
    """(node, position) to payload of every passage of the source; fails where one is there twice."""
    handle = open_index().for_workspace(source.workspace_id)
    found: dict[tuple[UUID, int], dict[str, Any]] = {}
    for point in handle.scroll(space, Selector(source=source.pk)):
        key = UUID(point.payload["node"]), point.payload["position"]
        assert key not in found, f"{key} is in the index twice"
        found[key] = dict(point.payload)
    return found


def assert_exact(source: DataSource, space: str) -> int:
    """Index and SQL say the same, passage by passage. Returns how many passages there are."""
    stored = in_index(source, space)
    documents = {d.pk: d for d in Document.objects.select_related("node").filter(node__source=source)}
    expected = {(pk, n) for pk, document in documents.items() for n in range(document.passages)}
    assert set(stored) == expected
    for (pk, _), payload in stored.items():
        document = documents[pk]
        assert document.text[payload["start"] : payload["end"]] == payload["text"]
        assert payload["parents"] == [str(parent) for parent in document.node.parents]
        # Very long titles are cut to leave room for the passage.
        assert " ".join(document.shown_title.split()).startswith(payload["title"])
    for document in documents.values():
        covered = sum(p["end"] - p["start"] for (pk, _), p in stored.items() if pk == document.pk)
        assert covered >= len("".join(document.text.split())), "words of the text are in no passage"
        assert document.indexed_hash == document.content_hash
        assert document.indexed_space == space
        assert not document.behind
    indexed = Node.objects.filter(source=source, status=Node.Status.INDEXED)
    assert set(indexed.values_list("pk", flat=True)) == set(documents)
    return len(stored)
