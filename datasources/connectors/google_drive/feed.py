"""What changed since the last run, by Drive's feed of changes: one for the user, one for each shared drive.

The feed names only what changed itself: a folder that moved is told alone, and what is below it moves along. Where a
folder may be new to us with all that is in it (back from the trash, newly shared, moved into what is chosen), it is walked.
What left is told last, since it may turn up elsewhere in another feed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from datasources.connectors.base import Change, Checkpoint, Cursor
from datasources.connectors.google_drive.client import ALL_DRIVES, DRIVE, PAGE, Client, Item
from datasources.connectors.google_drive.items import is_folder, is_shortcut
from datasources.connectors.google_drive.listing import Listing
from datasources.connectors.google_drive.scope import Scope
from datasources.connectors.google_drive.shortcuts import resolve, target_of, walk
from datasources.connectors.google_drive.tree import USER, Link
from datasources.connectors.lines import moment

_MOST_HELD = 200
_MOST_ASKED = 200
_MOST_TRASHED = 500
_OVERLAP = timedelta(hours=1)


def start_tokens(client: Client, corpora: Iterable[str]) -> dict[str, str]:
    found = {}
    for corpus in corpora:
        params = {"supportsAllDrives": "true"} | ({"driveId": corpus} if corpus else {})
        found[corpus] = str(client.json(f"{DRIVE}/changes/startPageToken", params)["startPageToken"])
    return found


class Feed:
    def __init__(self, scope: Scope, cursor: Cursor) -> None:
        self.scope = scope
        self.tree = scope.tree
        self.tokens: dict[str, str] = dict(cursor["tokens"])
        links: Mapping[str, Any] = cursor.get("links") or {}
        self.tree.links.update({key: Link(str(link[0]), str(link[1])) for key, link in links.items()})
        trash = cursor.get("trash")
        self.trash: list[str] | None = None if trash is None else list(trash)
        self.last = moment(cursor.get("at"))
        self.begun = datetime.now(UTC).isoformat()
        self.held: dict[str, None] = dict.fromkeys(cursor.get("held") or ())
        self.walked: set[str] = set()

    def changes(self) -> Iterator[Change]:
        """Raises StalePage where Google has forgotten where the last run ended."""
        yield from self.scope.tops()
        corpora = self.scope.corpora()
        heard = sorted({USER, *corpora} if self.tree.links else set(corpora))
        for corpus in sorted(self.tokens.keys() - heard):
            del self.tokens[corpus]
            if corpus not in self.tree.drives and corpus != USER:
                self.held[corpus] = None
        for corpus in heard:
            if corpus in self.tokens:
                yield from self._corpus(corpus)
            else:
                yield from self._new(corpus)
        for key in list(self.held):
            if self._left(key):
                yield from self.scope.drop(key)
        self.held.clear()
        yield Checkpoint(self._cursor(self.begun))

    def _new(self, corpus: str) -> Iterator[Change]:
        """A shared drive that was not there in the last run."""
        token = start_tokens(self.scope.client, [corpus])
        if self.scope.whole(corpus) or corpus in self.scope.starts:
            for change in Listing(self.scope, {}).corpus(corpus, {}):
                if not isinstance(change, Checkpoint):
                    yield change
        self.tokens |= token

    def _corpus(self, corpus: str) -> Iterator[Change]:
        fields = f"nextPageToken,newStartPageToken,changes(changeType,removed,fileId,driveId,file({self.tree.fields}))"
        params = {**ALL_DRIVES, "includeRemoved": "true", "pageSize": PAGE, "fields": fields}
        params |= {"driveId": corpus} if corpus else {}
        while True:
            page = self.scope.client.json(f"{DRIVE}/changes", {**params, "pageToken": self.tokens[corpus]})
            for change in page.get("changes") or []:
                if change.get("changeType", "file") == "file" and change.get("fileId"):
                    yield from self._one(corpus, change)
            self.tokens[corpus] = str(page.get("nextPageToken") or page.get("newStartPageToken") or self.tokens[corpus])
            if len(self.held) <= _MOST_HELD:
                yield Checkpoint(self._cursor(self.last.isoformat() if self.last else ""))
            if not page.get("nextPageToken"):
                return

    def _one(self, corpus: str, change: Item) -> Iterator[Change]:
        key, item = str(change["fileId"]), change.get("file")
        if change.get("removed") or not isinstance(item, dict) or item.get("trashed"):
            if corpus != USER or not isinstance(item, dict) or self.tree.corpus_of(item) == USER:
                self._leave(key, item)
            return
        if self.tree.corpus_of(item) != corpus and self.tree.corpus_of(item) in self.tokens:
            return  # another feed tells of it
        yield from self.item(item)

    def item(self, item: Item) -> Iterator[Change]:
        """Something that is there: told, or held as gone where it is not chosen (it may have been before)."""
        key = str(item["id"])
        self.held.pop(key, None)
        if is_shortcut(item):
            yield from self._shortcut(item)
        elif is_folder(item):
            self.tree.add(item)
            yield from self._folder(item)
        elif self.scope.takes(item):
            yield from self.scope.tell(item)
        else:
            self.held[key] = None

    def _folder(self, item: Item) -> Iterator[Change]:
        key = str(item["id"])
        if not self.scope.enters(item):
            self.held[key] = None
            return
        known = self._surely_known(item)
        yield from self.scope.again(item)
        if not known and key not in self.walked:
            self.walked.add(key)
            yield from walk(self.scope, item)
        if self.trash is not None and key in self.trash:
            self.trash.remove(key)

    def _surely_known(self, folder: Item) -> bool:
        """Whether what is below it came in before, or tells of itself in this feed."""
        if self.trash is None or str(folder["id"]) in self.trash:
            return False
        if self.scope.readers.mirror and not folder.get("driveId"):
            return False  # who may read it may have changed, and so for all below it
        shared = moment(folder.get("sharedWithMeTime"))
        newly = shared is not None and (self.last is None or shared > self.last - _OVERLAP)
        return not newly and self.scope.unbroken(self.tree.corpus_of(folder))

    def _shortcut(self, item: Item) -> Iterator[Change]:
        key, target = str(item["id"]), target_of(item)
        for old in [old for old, link in self.tree.links.items() if link.shortcut == key and old != target]:
            del self.tree.links[old]
            self.held[old] = None
        if self.scope.takes(item):
            self.held.pop(target, None)
            yield from resolve(self.scope, item)
        else:
            self._leave(key, None)

    def _leave(self, key: str, item: Item | None) -> None:
        self.held[key] = None
        for target in [target for target, link in self.tree.links.items() if link.shortcut == key]:
            del self.tree.links[target]
            self.held[target] = None
        if item is not None and is_folder(item):
            self.tree.folders.pop(key, None)
            if self.trash is not None and key not in self.trash:
                self.trash = [*self.trash, key] if len(self.trash) < _MOST_TRASHED else None

    def _left(self, key: str) -> bool:
        """Whether it really went. With shared drives, leaving one view need not be leaving all."""
        if not self.tree.drives or key in self.tree.drives or len(self.held) > _MOST_ASKED:
            return True
        item = self.scope.client.file(key, self.tree.fields)
        return item is None or bool(item.get("trashed")) or not self.scope.enters(item)

    def _cursor(self, at: str) -> dict[str, Any]:
        links = {target: [link.shortcut, link.parent] for target, link in self.tree.links.items()}
        held = {"held": list(self.held)} if self.held else {}
        return {"tokens": self.tokens, "links": links, "trash": self.trash, "at": at, **held}
