"""What lies in a loopback Drive: items written by hand, and a made-up drive that is worked out when it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

APPS = "application/vnd.google-apps."
FOLDER = APPS + "folder"
SHORTCUT = APPS + "shortcut"
START = datetime(2026, 1, 5, 9, tzinfo=UTC)


def stamp(minutes: int) -> str:
    return (START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@dataclass
class DriveItem:
    """``exports``: what Google gives for its own kinds; ``too_large``: MIME types that are past the export limit."""

    id: str
    name: str
    mime: str = "text/markdown"
    parents: list[str] = field(default_factory=list)
    drive: str = ""
    content: bytes = b""
    exports: dict[str, bytes] = field(default_factory=dict)
    too_large: set[str] = field(default_factory=set)
    created: int = 0
    modified: int = 0
    trashed: bool = False
    target: str = ""
    shared: int | None = None
    permissions: list[dict[str, Any]] | None = None
    augmented: bool = False
    more: dict[str, Any] = field(default_factory=dict)
    labels: list[dict[str, Any]] = field(default_factory=list)

    def resource(self) -> dict[str, Any]:
        """As Drive API v3 words it."""
        found: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "mimeType": self.mime,
            "trashed": self.trashed,
            "createdTime": stamp(self.created),
            "modifiedTime": stamp(self.modified),
            "webViewLink": f"https://drive.google.com/file/d/{self.id}/view",
            "capabilities": {"canDownload": True},
            "owners": [{"displayName": "Ann Weaver", "emailAddress": "ann@acme.com"}],
        }
        if self.parents:
            found["parents"] = list(self.parents)
        if not self.mime.startswith(APPS):
            found |= {"md5Checksum": hashlib.md5(self.content).hexdigest(), "size": str(len(self.content))}
        if self.target:
            found["shortcutDetails"] = {"targetId": self.target}
        if self.shared is not None:
            found["sharedWithMeTime"] = stamp(self.shared)
        if self.drive:
            found |= {"driveId": self.drive, "hasAugmentedPermissions": self.augmented}
            found.pop("owners")
        elif self.permissions is not None:
            found["permissions"] = self.permissions
        return found | self.more


class Shelf:
    """Items written by hand, in the order in which they came."""

    def __init__(self) -> None:
        self.items: dict[str, DriveItem] = {}

    def __len__(self) -> int:
        return len(self.items)

    def get(self, key: str) -> DriveItem | None:
        return self.items.get(key)

    def between(self, start: int) -> Iterator[DriveItem]:
        yield from list(self.items.values())[start:]

    def children(self, parents: Iterable[str]) -> Iterator[DriveItem]:
        wanted = set(parents)
        yield from [item for item in self.items.values() if wanted & set(item.parents)]


class MadeUp:
    """``folders`` in blocks of a thousand, each block a tree below one folder at the top, and ten files in each folder.

    Nothing of it is kept but what was moved and edited. The folder at the top of a block holds 10,000 files.
    """

    BLOCK = 1000

    def __init__(self, root: str, folders: int = 5_000, files: int = 50_000, words: int = 120) -> None:
        self.root, self.folders, self.files, self.words = root, folders, files, words
        self.moved: dict[str, str] = {}
        self.revisions: dict[str, int] = {}
        self.trashed: set[str] = set()

    def __len__(self) -> int:
        return self.folders + self.files

    def get(self, key: str) -> DriveItem | None:
        kind, number = key[:5], key[5:]
        if not number.isdigit() or kind not in ("made-", "mfil-"):
            return None
        at = int(number)
        if kind == "made-":
            return self._folder(at) if at < self.folders else None
        return self._file(at) if at < self.files else None

    def between(self, start: int) -> Iterator[DriveItem]:
        for at in range(start, len(self)):
            yield self._folder(at) if at < self.folders else self._file(at - self.folders)

    def children(self, parents: Iterable[str]) -> Iterator[DriveItem]:
        for parent in parents:
            for key in self._below(parent):
                if self.moved.get(key, parent) == parent and (item := self.get(key)):
                    yield item
            for key in [key for key, to in self.moved.items() if to == parent]:
                if (item := self.get(key)) and key not in self._below(parent):
                    yield item

    def _below(self, parent: str) -> list[str]:
        if parent == self.root:
            return [f"made-{at:06}" for at in range(0, self.folders, self.BLOCK)]
        if not parent.startswith("made-"):
            return []
        at = int(parent[5:])
        block, local = at - at % self.BLOCK, at % self.BLOCK
        inner = [block + n for n in range(local * 10 + 1, local * 10 + 11) if n < self.BLOCK]
        found = [f"made-{n:06}" for n in inner if n < self.folders]
        return found + [f"mfil-{n:06}" for n in range(at, self.files, self.folders)]

    def _folder(self, at: int) -> DriveItem:
        key, local = f"made-{at:06}", at % self.BLOCK
        home = self.root if local == 0 else f"made-{at - local + (local - 1) // 10:06}"
        item = DriveItem(key, f"Folder {at}", FOLDER, [self.moved.get(key, home)])
        return self._as_it_is(item)

    def _file(self, at: int) -> DriveItem:
        key = f"mfil-{at:06}"
        item = DriveItem(key, f"Report {at}.md", "text/markdown", [self.moved.get(key, f"made-{at % self.folders:06}")])
        revision = self.revisions.get(key, 0)
        item.modified = revision * 60
        item.content = self._text(at, revision)
        return self._as_it_is(item)

    def _as_it_is(self, item: DriveItem) -> DriveItem:
        item.trashed = item.id in self.trashed
        item.permissions = [{"type": "domain", "domain": "acme.com", "allowFileDiscovery": True}]
        return item

    def _text(self, at: int, revision: int) -> bytes:
        words = (_WORDS[(at * 31 + n * 7 + n * n) % len(_WORDS)] for n in range(self.words))
        return f"# Report {at}\n\nRevision {revision} of number{at}. {' '.join(words)}.\n".encode()


_TEXT = (
    "invoice supplier harbour contract meeting budget review pump valve delivery customer quarter plan engineer audit "
    "safety training travel project design market ticket server release backup signal winter summer north river"
)
_WORDS = _TEXT.split()
