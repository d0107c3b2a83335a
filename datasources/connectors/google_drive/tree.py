"""Where items hang. Files name only their parent, so the folders of a run are kept in memory, and nothing else is.

At the top are My Drive, what others have shared ("Shared with me": items whose folder can't be seen), and each shared
drive. A target that a shortcut brings in hangs where the shortcut is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from datasources.connectors.base import NodeKind, RemoteNode
from datasources.connectors.google_drive.client import ALL_DRIVES, DRIVE, PAGE, Client, Item, quoted
from datasources.connectors.google_drive.items import FOLDER, is_folder
from datasources.connectors.google_drive.readers import Readers
from datasources.connectors.lines import Lines

SHARED = "shared-with-me"
USER = ""
"""The corpus of My Drive and of what is shared; the others are ids of shared drives."""
_MOST_ASKED = 30
"""So many folders are asked for one by one; then all folders of their corpus are listed."""
_DEEPEST = 200
GROUP = 50
"""Parents named in one query; longer ones are refused now and then."""


@dataclass(frozen=True, slots=True)
class Link:
    """A shortcut that brings in its target. ``parent``: the folder that the shortcut is in."""

    shortcut: str
    parent: str


class Tree:
    def __init__(self, client: Client, readers: Readers, lines: Lines, fields: str) -> None:
        self.client = client
        self.readers = readers
        self.lines = lines
        self.fields = fields
        self.links: dict[str, Link] = {}
        self.folders: dict[str, Item | None] = {}
        self.my_drive = str(client.json(f"{DRIVE}/files/root", {"fields": "id"}).get("id") or "root")
        self.drives = {str(drive["id"]): str(drive.get("name") or "") for drive in _drives(client)}
        self._asked = 0
        self._listed: set[str] = set()

    def roots(self) -> list[str]:
        drives = sorted(self.drives, key=lambda key: (self.drives[key].casefold(), key))
        return [self.my_drive, SHARED, *drives]

    def root(self, key: str) -> RemoteNode:
        if key == self.my_drive:
            return _root(key, "My Drive", self.readers.top(), "0")
        if key == SHARED:
            return _root(key, "Shared with me", self.readers.top(), "1", "folder")
        name = self.drives[key] or "Shared drive"
        return _root(key, name, self.readers.of_drive(key), f"2 {name.casefold()}")

    def is_root(self, key: str) -> bool:
        return key in (self.my_drive, SHARED) or key in self.drives

    def corpus_of(self, item: Item) -> str:
        drive = str(item.get("driveId") or "")
        return drive if drive in self.drives else USER

    def add(self, item: Item) -> None:
        self.folders[str(item["id"])] = item

    def parent_of(self, item: Item) -> str:
        """Of several (which only old items have), one that is chosen; where none can be seen, the top of its corpus."""
        if link := self.links.get(str(item["id"])):
            return link.parent
        parents = sorted(str(parent) for parent in item.get("parents") or [])
        corpus = self.corpus_of(item)
        seen = [key for key in parents if self.is_root(key) or self.folder(key, corpus) is not None]
        if len(seen) > 1:
            seen.sort(key=lambda key: not self.lines.takes(*self._upwards(key, corpus)))
        return seen[0] if seen else corpus or SHARED

    def chain(self, item: Item) -> list[str]:
        """Its own id, then each one above it, a root last."""
        key = str(item["id"])
        return [key, *self._upwards(self.parent_of(item), None if key in self.links else self.corpus_of(item))]

    def _upwards(self, key: str, corpus: str | None) -> Iterator[str]:
        """``corpus`` None: not known, as beyond a shortcut."""
        for _ in range(_DEEPEST):
            yield key
            if self.is_root(key):
                return
            folder = self.folder(key, corpus)
            if folder is None:
                yield SHARED
                return
            corpus = None if key in self.links else self.corpus_of(folder)
            key = self.parent_of(folder)

    def folder(self, key: str, corpus: str | None = None) -> Item | None:
        """None where it can't be seen."""
        if key not in self.folders and corpus is not None and corpus not in self._listed:
            self._asked += 1
            if self._asked > _MOST_ASKED:
                self.list_folders(corpus)
        if key not in self.folders:
            found = self.client.file(key, self.fields)
            self.folders[key] = found if found is not None and is_folder(found) and not found.get("trashed") else None
        return self.folders[key]

    def list_folders(self, corpus: str) -> None:
        """All folders of a corpus: a call for every thousand, instead of one for each."""
        query = f"mimeType = {quoted(FOLDER)} and trashed = false"
        for item in self.query(corpus, query):
            if self.corpus_of(item) == corpus:
                self.add(item)
        self._listed.add(corpus)
        self._asked = 0

    def below(self, starts: list[str], corpus: str, enters: Callable[[Item], bool]) -> Iterator[Item]:
        """Folders below these, level by level; they are remembered. What ``enters`` says no to is not opened."""
        level, met = starts, set(starts)
        while level:
            following = []
            for group in groups(level):
                for item in self.query(corpus, f"mimeType = {quoted(FOLDER)} and {inside(group)}"):
                    key = str(item["id"])
                    if key in met or not enters(item):
                        continue
                    met.add(key)
                    self.add(item)
                    yield item
                    following.append(key)
            level = following

    def query(self, corpus: str, query: str) -> Iterator[Item]:
        for items, _ in self.client.pages(f"{DRIVE}/files", "files", listing(corpus, query, self.fields)):
            yield from items


def listing(corpus: str, query: str, fields: str) -> dict[str, object]:
    """Parameters of files.list."""
    where = {"corpora": "drive", "driveId": corpus} if corpus else {"corpora": "user"}
    return {**ALL_DRIVES, **where, "q": query, "pageSize": PAGE, "fields": f"nextPageToken,files({fields})"}


def inside(parents: list[str]) -> str:
    return "(" + " or ".join(f"{quoted(parent)} in parents" for parent in parents) + ") and trashed = false"


def groups(keys: list[str]) -> Iterator[list[str]]:
    for at in range(0, len(keys), GROUP):
        yield keys[at : at + GROUP]


def _root(key: str, title: str, readers: tuple[str, ...] | None, ordinal: str, kind: NodeKind = "drive") -> RemoteNode:
    return RemoteNode(key, kind, title, None, has_text=False, has_children=True, ordinal=ordinal, readers=readers)


def _drives(client: Client) -> Iterator[Item]:
    for drives, _ in client.pages(
        f"{DRIVE}/drives", "drives", {"pageSize": 100, "fields": "nextPageToken,drives(id,name)"}
    ):
        yield from drives
