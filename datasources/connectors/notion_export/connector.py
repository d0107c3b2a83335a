"""Exports of a Notion workspace that people hand over. All of them together make one tree; of a page in several, the newest counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.around import Around, StoredFile, UploadStore
from datasources.connectors.base import (
    Change,
    Checkpoint,
    Chosen,
    Complete,
    ConnectorError,
    Content,
    Cursor,
    Estimate,
    NodeError,
    RemoteNode,
    Skipped,
    TableData,
    TestResult,
    Upsert,
)
from datasources.connectors.lines import Lines
from datasources.connectors.notion_export.about import ABOUT
from datasources.connectors.notion_export.content import described, read_table, relinked
from datasources.connectors.notion_export.layout import Item, Tree, is_contents, logical, tree
from datasources.connectors.notion_export.parts import Parts
from datasources.ingestion.kinds import is_archive_name, refuse_by_name
from datasources.ingestion.results import Refused

CONTENTS = "Notion's own list of the files in this export"
_OLDEST = datetime(1970, 1, 1, tzinfo=UTC)


class NotionExport:
    """Config and secret are empty; the files come from ``around.uploads``: zips, or a folder that was unpacked."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        if around.uploads is None:
            raise ConnectorError("Uploaded files have no place to be kept in", permanent=True)
        self.around = around
        self.store: UploadStore = around.uploads
        self.parts = Parts(around.archives, self.store)

    def test(self) -> TestResult:
        found, whole = self._tree()
        kinds = [node.kind for key, node in found.nodes.items() if key not in found.refused]
        if not whole:
            return TestResult(False, _unreadable(found))
        if not kinds:
            return TestResult(True, "No export yet: drop the zip here")
        return TestResult(True, f"{kinds.count('page')} pages and {kinds.count('database')} databases in the export")

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        yield from self._tree()[0].below(parent)

    def find(self, text: str) -> Iterator[RemoteNode]:
        wanted = text.casefold()
        found = self._tree()[0]
        yield from (
            n for n in found.nodes.values() if wanted in n.title.casefold() and n.external_id not in found.refused
        )

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        found, whole = self._tree()
        lines = Lines(chosen)
        wanted = [
            n
            for key, n in found.nodes.items()
            if n.has_text and key not in found.refused and lines.takes(*found.chain(key))
        ]
        return Estimate(len(wanted), sum(node.size or 0 for node in wanted), exact=whole)

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        """The whole export each time: it lies here. Nothing is called complete where an archive could not be read."""
        found, whole = self._tree()
        lines = Lines(chosen)
        wanted = {key: lines.takes(*found.chain(key)) for key in found.nodes}
        needed = {above for key, takes in wanted.items() if takes for above in found.chain(key)[1:]}
        for key, node in found.nodes.items():
            if not wanted[key]:
                if key in needed:
                    yield Upsert(replace(node, has_text=False, version=""))
            elif key in found.refused:
                yield Skipped(node, found.refused[key])
            else:
                yield Upsert(node)
        yield Checkpoint({})
        if whole:
            yield Complete(None)

    def fetch(self, node: RemoteNode) -> Content:
        name = str(node.extra.get("name") or node.title)
        data = self.parts.read(str(node.extra.get("file") or ""), str(node.extra.get("member") or ""))
        if node.kind == "database":
            heads, rows = read_table(data)
            text = described(node.title, heads, rows, whole=not node.has_children, most=self.around.limits.table_rows)
            return Content(markdown=text, tables=(TableData(heads, rows),) if heads else ())
        if node.kind == "page" and name.lower().endswith(".md"):
            return Content(data=relinked(data.decode("utf-8-sig", "replace")).encode(), filename=f"{node.title}.md")
        return Content(data=data, filename=name)

    def _tree(self) -> tuple[Tree, bool]:
        """Everything that was handed over, and whether all archives could be read."""
        items: list[Item] = []
        unread: list[Item] = []
        for file in self._files():
            for item in self._items(file):
                (unread if item.reason and is_archive_name(item.path) else items).append(item)
        made = tree([*items, *unread])
        places = {(item.file, item.member): item for item in [*items, *unread]}
        for key, node in made.nodes.items():
            place = places.get((str(node.extra.get("file")), str(node.extra.get("member"))))
            if place is not None and (reason := self._refused(place, node)):
                made.refused[key] = reason
        return made, not unread

    def _refused(self, item: Item, node: RemoteNode) -> str:
        if item.reason or node.kind != "file":
            return item.reason
        if is_contents(item):
            return CONTENTS
        refused = refuse_by_name(item.path, item.size, self.around.limits)
        return refused.reason if refused else ""

    def _files(self) -> list[StoredFile]:
        """Oldest first, so that the newest counts."""
        try:
            return sorted(self.store.list(), key=lambda file: (file.modified or _OLDEST, file.path))
        except OSError as error:
            raise ConnectorError(f"The storage of uploaded files does not answer: {error}") from error

    def _items(self, file: StoredFile) -> Iterator[Item]:
        if not is_archive_name(file.path):
            yield Item(logical(file.path, ""), file.path, "", file.version, file.size, file.modified)
            return
        try:
            found = self._members(file)
        except NodeError as error:
            yield Item(file.path, file.path, "", file.version, file.size, file.modified, str(error))
            return
        for member in found:
            if member.archive and not member.reason:
                continue
            path = logical(file.path, member.path)
            yield Item(path, file.path, member.path, member.version, member.size, file.modified, member.reason)

    def _members(self, file: StoredFile) -> list[Any]:
        found = self.parts.members(file.path)
        if isinstance(found, Refused):
            raise NodeError(found.reason)
        return found


def _unreadable(found: Tree) -> str:
    """Which of the archives, and why."""
    told = ((found.nodes[key].title, reason) for key, reason in found.refused.items())
    name, reason = next(((n, r) for n, r in told if is_archive_name(n)), ("The export", ""))
    return f"{name} can't be read: take it out, or hand it over anew. {reason}".strip()


CONNECTOR = NotionExport
