"""A folder on the server. A node's id is its path below that folder, so a file that moves is a new node.

Every run lists the whole folder: the disk keeps no log of changes. What can't be listed is told as skipped, and
nothing above it is called complete, so that nothing is taken for deleted that was only out of reach.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from datasources.connectors.about import About
from datasources.connectors.around import Around
from datasources.connectors.base import (
    Change,
    Checkpoint,
    Chosen,
    Complete,
    Content,
    Cursor,
    Estimate,
    NodeError,
    RemoteNode,
    Skipped,
    TestResult,
    Upsert,
)
from datasources.connectors.files import (
    Patterns,
    Selected,
    archive_changes,
    archive_node,
    file_version,
    name_of,
    parent_of,
    read_member,
    read_whole,
    split_archive,
)
from datasources.connectors.folder.about import ABOUT
from datasources.connectors.folder.disk import DENIED, LOOP, Disk, Entry
from datasources.connectors.weighing import Tally
from datasources.ingestion.kinds import is_archive_name

_DEEPEST = 100
_ESTIMATE_SECONDS = 2.0
_CHECK_EVERY = 64


class Folder:
    """Config: ``path`` (absolute), ``include`` and ``exclude`` (lists of globs, both may be left out). No secret."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        self.around = around
        self.patterns = Patterns(config)
        self.disk = Disk(str(config.get("path") or ""), around.folder_roots, around.data_dir)

    def test(self) -> TestResult:
        self.disk.check()
        entries = list(self.disk.list(""))
        folders = sum(1 for entry in entries if entry.folder)
        found = " and ".join(
            f"{number} {word}{'s' * (number != 1)}"
            for number, word in ((folders, "folder"), (len(entries) - folders, "file"))
        )
        return TestResult(True, f"{self.disk.root} can be read: {found} at its top")

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        self.disk.check()
        archive = self._archive_at(parent) if parent else None
        if archive is not None:
            yield from (c.node for c in self._inside(*archive) if isinstance(c, Upsert) and c.node.parent == parent)
            return
        try:
            entries = list(self.disk.list(parent or ""))
        except OSError as error:
            raise NodeError(
                DENIED if isinstance(error, PermissionError) else "This folder is no longer there"
            ) from error
        for entry in entries:
            node = self._node(entry, parent)
            if not entry.reason and self._wanted(entry, node.external_id):
                yield node

    def find(self, text: str) -> Iterator[RemoteNode]:
        """Names that contain ``text``, whatever its case. Archives are not opened for it."""
        self.disk.check()
        wanted = text.casefold()
        walk = _Walk(self, Selected([]), open_archives=False)
        for change in walk.below(None, ""):
            if isinstance(change, Upsert) and wanted in change.node.title.casefold():
                yield change.node

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        self.disk.check()
        begun, tally, exact = time.monotonic(), Tally(self.around.limits), True
        walk = _Walk(self, Selected(chosen), open_archives=False)
        for number, change in enumerate(walk.below(None, "")):
            if isinstance(change, Upsert) and (change.node.has_text or change.node.extra.get("archive")):
                tally.add(change.node.title, change.node.size)
                exact = exact and change.node.has_text
            if number % _CHECK_EVERY == 0 and time.monotonic() - begun > _ESTIMATE_SECONDS:
                return tally.estimate(exact=False)
        return tally.estimate(exact=exact)

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        self.disk.check()
        walk = _Walk(self, Selected(chosen), open_archives=True)
        yield from walk.below(None, "")
        self.disk.check()
        yield Checkpoint({})
        for scope in walk.complete[""]:
            yield Complete(scope or None)

    def fetch(self, node: RemoteNode) -> Content:
        archive = self._archive_at(node.external_id)
        if archive is not None and archive[1]:
            file, _ = self.disk.open(archive[0])
            with file:
                return read_member(self.around.archives, file, archive[1], self.around)
        file, status = self.disk.open(node.external_id)
        with file:
            return read_whole(file, node.title, status.st_size, self.around)

    def _archive_at(self, external_id: str) -> tuple[str, str] | None:
        """(archive's path on disk, path inside) where the id is an archive or lies in one."""
        if is_archive_name(external_id) and self._is_file(external_id):
            return external_id, ""
        for outer, inner in split_archive(external_id):
            if self._is_file(outer):
                return outer, inner
        return None

    def _is_file(self, relative: str) -> bool:
        try:
            file, _ = self.disk.open(relative)
        except NodeError:
            return False
        file.close()
        return True

    def _inside(self, path: str, inner: str) -> Iterator[Change]:
        """The archive at ``path`` and all in it; ``inner`` is not looked at: one listing tells everything."""
        file, status = self.disk.open(path)
        with file:
            found = self.around.archives.members(file, path)
        version = file_version(status.st_size, status.st_mtime_ns)
        node = archive_node(path, name_of(path), parent_of(path), version, status.st_size)
        yield from archive_changes(node, found)

    def _node(self, entry: Entry, parent: str | None) -> RemoteNode:
        external_id = f"{parent}/{entry.name}" if parent else entry.name
        if entry.folder:
            return RemoteNode(external_id, "folder", entry.name, parent, has_text=False, has_children=True)
        version = file_version(entry.size, entry.mtime_ns)
        if is_archive_name(entry.name) and not entry.reason:
            return archive_node(external_id, entry.name, parent, version, entry.size)
        modified = datetime.fromtimestamp(entry.mtime_ns / 1e9, UTC) if 0 < entry.mtime_ns < 2**62 else None
        return RemoteNode(external_id, "file", entry.name, parent, version, modified=modified, size=entry.size)

    def _wanted(self, entry: Entry, external_id: str) -> bool:
        if entry.folder or is_archive_name(entry.name):
            return self.patterns.enters(external_id)
        return self.patterns.takes(external_id)


class _Walk:
    """One pass over what is chosen. ``complete`` says, for each folder that was walked, which scopes were read whole."""

    def __init__(self, folder: Folder, selected: Selected, *, open_archives: bool) -> None:
        self.folder = folder
        self.selected = selected
        self.open_archives = open_archives
        self.complete: dict[str, list[str]] = {}
        self.seen: set[str] = set()

    def below(self, parent: str | None, relative: str, depth: int = 0) -> Iterator[Change]:
        """Everything chosen below a folder. Afterwards ``complete[relative]`` is [relative], or the parts that were."""
        try:
            self.seen.add(self.folder.disk.resolve(relative))
            entries = list(self.folder.disk.list(relative))
        except (OSError, NodeError) as error:
            yield self._unreadable(relative, error)
            self.complete[relative] = []
            return
        whole, parts = True, []
        for entry in entries:
            node = self.folder._node(entry, parent)
            if not self.folder._wanted(entry, node.external_id) or not self.selected.enters(node.external_id):
                continue
            if not entry.folder or entry.reason or entry.path in self.seen or depth >= _DEEPEST:
                yield from self._leaf(entry, node, depth)
                continue
            yield Upsert(node)
            yield from self.below(node.external_id, node.external_id, depth + 1)
            inner = self.complete.pop(node.external_id)
            whole = whole and inner == [node.external_id]
            parts += inner
        self.complete[relative] = [relative] if whole else parts

    def _leaf(self, entry: Entry, node: RemoteNode, depth: int) -> Iterator[Change]:
        reason = entry.reason
        if entry.folder and not reason:
            reason = LOOP if entry.path in self.seen else f"Nested more than {_DEEPEST} folders deep"
        if reason:
            yield Skipped(node, reason)
        elif node.has_text:
            yield Upsert(node)
        elif self.open_archives:
            yield from self._archive(node)
        else:
            yield Upsert(node)

    def _archive(self, node: RemoteNode) -> Iterator[Change]:
        try:
            changes = list(self.folder._inside(node.external_id, ""))
        except NodeError as error:
            yield Skipped(node, str(error))
            return
        for change in changes:
            told = change.node if isinstance(change, Upsert | Skipped) else node
            if told.external_id == node.external_id or self._takes(told):
                yield change

    def _takes(self, node: RemoteNode) -> bool:
        if not node.has_text:
            return self.selected.enters(node.external_id)
        return self.folder.patterns.takes(node.external_id) and self.selected.takes(node.external_id)

    def _unreadable(self, relative: str, error: Exception) -> Skipped:
        node = RemoteNode(relative, "folder", name_of(relative), parent_of(relative), has_text=False, has_children=True)
        if isinstance(error, NodeError):
            return Skipped(node, str(error))
        gone = isinstance(error, FileNotFoundError)
        return Skipped(node, "It went away while it was listed" if gone else DENIED)


CONNECTOR = Folder
