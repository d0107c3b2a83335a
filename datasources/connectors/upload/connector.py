"""Files that people hand over in the browser, with the folders they were dropped with; zips and tars are unfolded.

What a person added by hand is theirs to remove: a run never calls the whole complete, so nothing is pruned. Only what
came out of an archive follows that archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, ClassVar

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
    TestResult,
    Upsert,
)
from datasources.connectors.files import (
    Selected,
    archive_changes,
    archive_node,
    folders_above,
    name_of,
    natural,
    parent_of,
    read_member,
    read_whole,
    split_archive,
)
from datasources.connectors.upload.about import ABOUT
from datasources.connectors.weighing import Tally
from datasources.ingestion.kinds import is_archive_name


class Upload:
    """Config and secret are empty; the files come from ``around.uploads``."""

    about: ClassVar[About] = ABOUT

    def __init__(self, config: Mapping[str, Any], secret: Mapping[str, str], around: Around) -> None:
        if around.uploads is None:
            raise ConnectorError("Uploaded files have no place to be kept in", permanent=True)
        self.around = around
        self.store: UploadStore = around.uploads

    def test(self) -> TestResult:
        number = len(self._files())
        return TestResult(True, f"{number} files handed over so far" if number else "No files yet: drop some here")

    def children(self, parent: str | None) -> Iterator[RemoteNode]:
        files = self._files()
        outer = next((a for a, _ in _archives_on(parent, files)), None) if parent else None
        if outer is not None:
            nodes = [c.node for c in self._archive(files[outer]) if isinstance(c, Upsert)]
        else:
            nodes = [change.node for change in self._tree(files, open_archives=False) if isinstance(change, Upsert)]
        below = [node for node in nodes if node.parent == parent]
        yield from sorted(below, key=lambda node: (not node.has_children, natural(node.title), node.title))

    def find(self, text: str) -> Iterator[RemoteNode]:
        """Names that contain ``text``, whatever its case. Archives are not opened for it."""
        wanted = text.casefold()
        for change in self._tree(self._files(), open_archives=False):
            if isinstance(change, Upsert) and wanted in change.node.title.casefold():
                yield change.node

    def estimate(self, chosen: Sequence[Chosen]) -> Estimate:
        selected = Selected(chosen)
        files = [file for file in self._files().values() if selected.enters(file.path)]
        exact = not any(is_archive_name(file.path) for file in files)
        tally = Tally(self.around.limits)
        for file in files:
            tally.add(name_of(file.path), file.size)
        return tally.estimate(exact=exact)

    def changes(self, cursor: Cursor, chosen: Sequence[Chosen]) -> Iterator[Change]:
        selected = Selected(chosen)
        for change in self._tree(self._files(), open_archives=True):
            if isinstance(change, Complete):
                if selected.takes(change.scope or ""):
                    yield change
            elif isinstance(change, Upsert | Skipped):
                takes = selected.takes if change.node.has_text else selected.enters
                if takes(change.node.external_id):
                    yield change
        yield Checkpoint({})

    def fetch(self, node: RemoteNode) -> Content:
        files = self._files()
        if (file := files.get(node.external_id)) is not None:
            with self._open(file) as opened:
                return read_whole(opened, node.title, file.size, self.around)
        for outer, inner in _archives_on(node.external_id, files):
            with self._open(files[outer]) as opened:
                return read_member(self.around.archives, opened, inner, self.around)
        raise NodeError("This file has been removed", skip=True)

    def _files(self) -> dict[str, StoredFile]:
        try:
            found = list(self.store.list())
        except OSError as error:
            raise ConnectorError(f"The storage of uploaded files does not answer: {error}") from error
        return {file.path: file for file in sorted(found, key=lambda file: natural(file.path))}

    def _open(self, file: StoredFile) -> IO[bytes]:
        try:
            return self.store.open(file.path)
        except FileNotFoundError as error:
            raise NodeError("This file has been removed", skip=True) from error
        except OSError as error:
            raise ConnectorError(f"The storage of uploaded files does not answer: {error}") from error

    def _tree(self, files: Mapping[str, StoredFile], *, open_archives: bool) -> Iterator[Change]:
        told: set[str] = set()
        for file in files.values():
            yield from folders_above(file.path, told)
            if not is_archive_name(file.path):
                yield Upsert(_node(file))
            elif open_archives:
                yield from self._archive(file)
            else:
                yield Upsert(_archive_node(file))

    def _archive(self, file: StoredFile) -> Iterator[Change]:
        node = _archive_node(file)
        try:
            with self._open(file) as opened:
                found = self.around.archives.members(opened, file.path)
        except NodeError as error:
            yield Skipped(node, str(error))
            return
        yield from archive_changes(node, found)
        if isinstance(found, list):
            yield Complete(node.external_id)


def _archives_on(external_id: str, files: Mapping[str, StoredFile]) -> Iterator[tuple[str, str]]:
    """The stored archive that the id is or lies in, with the path inside it."""
    if is_archive_name(external_id) and external_id in files:
        yield external_id, ""
    yield from ((outer, inner) for outer, inner in split_archive(external_id) if outer in files)


def _node(file: StoredFile) -> RemoteNode:
    name = name_of(file.path)
    parent = parent_of(file.path)
    return RemoteNode(
        file.path, "file", name, parent, file.version, modified=file.modified, size=file.size, author=file.author
    )


def _archive_node(file: StoredFile) -> RemoteNode:
    return archive_node(file.path, name_of(file.path), parent_of(file.path), file.version, file.size)


CONNECTOR = Upload
