"""Everything that is chosen. Folders first (a call for each thousand), then files page by page, shortcuts last.

A corpus that is chosen whole is listed by files.list over all of it; single folders by queries that name fifty parents
each. The cursor holds the corpus, and the page or the last group of folders: a run that dies goes on there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from datasources.connectors.base import Change, Checkpoint, Complete
from datasources.connectors.google_drive.client import DRIVE, Item, StalePage
from datasources.connectors.google_drive.items import FOLDER, SHORTCUT, is_folder, is_shortcut
from datasources.connectors.google_drive.scope import Scope
from datasources.connectors.google_drive.shortcuts import resolved
from datasources.connectors.google_drive.tree import groups, inside, listing, quoted

_MOST_TRASHED = 500
_FILES = f"mimeType != {quoted(FOLDER)} and mimeType != {quoted(SHORTCUT)}"


class Listing:
    def __init__(self, scope: Scope, tokens: Mapping[str, str]) -> None:
        """``tokens``: where each corpus's feed of changes stood before the listing began."""
        self.scope = scope
        self.tree = scope.tree
        self.tokens = dict(tokens)
        self.begun = datetime.now(UTC).isoformat()
        self._walked: dict[str, list[str]] = {}

    def changes(self, position: Mapping[str, Any]) -> Iterator[Change]:
        """``position``: of a listing that was broken off; empty from the start."""
        self.begun = str(position.get("at") or self.begun)
        at = str(position.get("corpus", ""))
        yield from self.scope.tops()
        for corpus in self.scope.corpora():
            if corpus < at:
                continue
            inner = position if corpus == at else {}
            yield from self.corpus(corpus, inner)
            yield self._checkpoint(corpus=f"{corpus} " if corpus else " ")
        yield from self.links()
        yield Checkpoint(self.end())
        yield Complete(None)

    def corpus(self, corpus: str, position: Mapping[str, Any]) -> Iterator[Change]:
        if self.scope.whole(corpus):
            yield from self._whole(corpus, str(position.get("page", "")))
        else:
            yield from self._parts(corpus, str(position.get("after", "")))

    def links(self) -> Iterator[Change]:
        """Shortcuts of all that is chosen, once everything else has its place."""
        found: list[Item] = []
        for corpus in self.scope.corpora():
            if self.scope.whole(corpus):
                shortcuts = self.tree.query(corpus, f"mimeType = {quoted(SHORTCUT)} and trashed = false")
                found += [item for item in shortcuts if self.tree.corpus_of(item) == corpus]
            else:
                for group in groups(self._folders(corpus)):
                    found += self.tree.query(corpus, f"mimeType = {quoted(SHORTCUT)} and {inside(group)}")
                found += [item for item in self.scope.starts[corpus] if is_shortcut(item)]
        yield from resolved(self.scope, [item for item in found if self.scope.takes(item)])

    def end(self) -> dict[str, Any]:
        """Where the next run begins."""
        links = {target: [link.shortcut, link.parent] for target, link in self.tree.links.items()}
        return {"tokens": self.tokens, "links": links, "trash": self._trash(), "at": self.begun}

    def _trash(self) -> list[str] | None:
        """Folders that may come back with all that is in them; None where they are too many to be kept."""
        found: list[str] = []
        for corpus in self.scope.corpora():
            for item in self.tree.query(corpus, f"mimeType = {quoted(FOLDER)} and trashed = true"):
                found.append(str(item["id"]))
                if len(found) > _MOST_TRASHED:
                    return None
        return found

    def _whole(self, corpus: str, page: str) -> Iterator[Change]:
        self.tree.list_folders(corpus)
        for folder in list(self.tree.folders.values()):
            if folder is not None and self.tree.corpus_of(folder) == corpus:
                yield from self.scope.tell(folder)
        try:
            yield from self._pages(corpus, page)
        except StalePage:
            if not page:
                raise
            yield from self._pages(corpus, "")

    def _pages(self, corpus: str, page: str) -> Iterator[Change]:
        params = listing(corpus, f"{_FILES} and trashed = false", self.tree.fields)
        for items, following in self.scope.client.pages(f"{DRIVE}/files", "files", params, page):
            for item in items:
                if self.tree.corpus_of(item) == corpus:
                    yield from self.scope.tell(item)
            if following:
                yield self._checkpoint(corpus=corpus, page=following)

    def _parts(self, corpus: str, after: str) -> Iterator[Change]:
        for item in self.scope.starts[corpus]:
            yield from self.scope.tell(item)
        folders = self._folders(corpus)
        for key in folders:
            if folder := self.tree.folders.get(key):
                yield from self.scope.tell(folder)
        for group in groups([key for key in folders if key > after]):
            for item in self.tree.query(corpus, f"{_FILES} and {inside(group)}"):
                yield from self.scope.tell(item)
            yield self._checkpoint(corpus=corpus, after=group[-1])

    def _folders(self, corpus: str) -> list[str]:
        """Ids of the folders that are read in a corpus that is not whole, in a lasting order."""
        if corpus not in self._walked:
            starts = [str(item["id"]) for item in self.scope.starts[corpus] if is_folder(item)]
            below = self.tree.below(starts, corpus, self.scope.enters)
            found = {*starts, *(str(item["id"]) for item in below)}
            self._walked[corpus] = sorted(found)
        return self._walked[corpus]

    def _checkpoint(self, **position: str) -> Checkpoint:
        return Checkpoint({"listing": {**position, "at": self.begun}, "tokens": self.tokens})
