"""What is chosen, seen from Drive's side, and how nodes of it are told: containers first, each once in a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from datasources.connectors.base import Change, Delete, RemoteNode, Skipped, Upsert
from datasources.connectors.google_drive.client import Client, Item
from datasources.connectors.google_drive.items import created, is_folder, is_shortcut, node_of, reason_of
from datasources.connectors.google_drive.readers import Readers
from datasources.connectors.google_drive.tree import SHARED, USER, Tree
from datasources.connectors.lines import Lines

GONE = "It is no longer at Google Drive, or no longer shared with this connection"
TRASHED = "It is in the trash"


@dataclass
class Scope:
    """Of one run. ``above``: containers of what is chosen by itself. ``starts``: what is chosen inside a corpus that is not whole."""

    client: Client
    tree: Tree
    lines: Lines
    readers: Readers
    above: set[str] = field(default_factory=set)
    starts: dict[str, list[Item]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for key in self.lines.named("", include=True):
            if self.tree.is_root(key):
                continue
            item = self.client.file(key, self.tree.fields)
            if item is None or item.get("trashed"):
                continue
            if is_folder(item):
                self.tree.add(item)
            chain, corpus = self.tree.chain(item), self.tree.corpus_of(item)
            self.above.update(chain[1:])
            if not self.whole(corpus) and not self.lines.takes(*chain[1:]):
                self.starts.setdefault(corpus, []).append(item)

    def whole(self, corpus: str) -> bool:
        """Whether all of it is listed, instead of what is below single folders."""
        if corpus == USER:
            return self.lines.takes(self.tree.my_drive) or self.lines.takes(SHARED)
        return self.lines.takes(corpus)

    def unbroken(self, corpus: str) -> bool:
        """Whether all of it comes in, so that what moves inside it was there before."""
        both = corpus != USER or (self.lines.takes(self.tree.my_drive) and self.lines.takes(SHARED))
        return both and self.whole(corpus) and not self.lines.named("", include=False)

    def corpora(self) -> list[str]:
        return [key for key in sorted([USER, *self.tree.drives]) if self.whole(key) or key in self.starts]

    def takes(self, item: Item) -> bool:
        return self.lines.takes(*self.tree.chain(item), created=created(item))

    def enters(self, item: Item) -> bool:
        return str(item["id"]) in self.above or self.takes(item)

    # ---- Telling

    def tops(self) -> Iterator[Change]:
        for key in self.tree.roots():
            if key in self.above or self.lines.takes(key):
                yield from self._top(key)

    def tell(self, item: Item) -> Iterator[Change]:
        """A folder that is entered or a file that is chosen, after what is above it; nothing for others."""
        if is_shortcut(item):
            return
        if is_folder(item):
            if self.enters(item):
                yield from self._containers(item)
                yield from self._container(item)
        elif self.takes(item):
            yield from self._containers(item)
            node = self.node(item)
            reason = reason_of(item)
            yield Skipped(node, reason) if reason else Upsert(node)

    def skip(self, item: Item, reason: str) -> Iterator[Change]:
        yield from self._containers(item)
        yield Skipped(self.node(item), reason)

    def again(self, folder: Item) -> Iterator[Change]:
        """A folder that changed, told anew."""
        self._told.discard(str(folder["id"]))
        yield from self.tell(folder)

    def drop(self, key: str) -> Iterator[Change]:
        self._told.discard(key)
        yield Delete(key)

    def node(self, item: Item) -> RemoteNode:
        parent, readers = self.tree.parent_of(item), self.readers.of(item)
        if readers is None and self.readers.mirror and (parent == SHARED or str(item["id"]) in self.tree.links):
            # It does not hang where it inherits from: who reads the place that it hangs in says nothing of it.
            readers = self.readers.listed(str(item["id"]))
        return node_of(item, parent, readers, self.client.labels.tags(item))

    def _containers(self, item: Item) -> Iterator[Change]:
        for key in reversed(self.tree.chain(item)[1:]):
            if key in self._told:
                continue
            if folder := self.tree.folders.get(key):
                yield from self._container(folder)
            elif self.tree.is_root(key):
                yield from self._top(key)

    def _container(self, folder: Item) -> Iterator[Change]:
        key = str(folder["id"])
        if key not in self._told:
            self._told.add(key)
            yield Upsert(self.node(folder))

    def _top(self, key: str) -> Iterator[Change]:
        self._told.add(key)
        yield Upsert(self.tree.root(key))
