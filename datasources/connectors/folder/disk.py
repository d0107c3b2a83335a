"""The one place that touches the disk for the folder connector: every path is resolved and held within its roots."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.files import is_hidden, natural

DENIED = "Permission denied: let the account that runs Atrium read it"
BAD_NAME = "Its name can't be read as text: rename it"
OUTSIDE = "A link that leads out of the folders that may be read"
OWN_DATA = "Atrium keeps its own data here"
LOOP = "A link to a folder that comes in at its own place"
SPECIAL = "Neither a file nor a folder"
BROKEN_LINK = "A link to nothing"


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a directory. ``path`` is resolved. ``reason``: why it can't come in; empty where it can."""

    name: str
    path: str
    folder: bool
    size: int = 0
    mtime_ns: int = 0
    reason: str = ""


class Disk:
    """``root`` and all below it. Raises ConnectorError, with what to do, where it can't be read at all."""

    def __init__(self, path: str, roots: Sequence[Path], data_dir: Path | None) -> None:
        self.roots = [os.path.realpath(root) for root in roots]
        self.data_dir = os.path.realpath(data_dir) if data_dir else None
        self.root = self._checked_root(path)

    def _checked_root(self, path: str) -> str:
        if not self.roots:
            raise ConnectorError(
                "No folder on the server may be read: name the allowed ones in ATRIUM_FOLDER_ROOTS", permanent=True
            )
        if not path or not os.path.isabs(path) or "\x00" in path:
            raise ConnectorError(f"Give the whole path of the folder, from / on, not {path!r}", permanent=True)
        real = os.path.realpath(path)
        if not any(_within(real, root) for root in self.roots):
            allowed = ", ".join(self.roots)
            raise ConnectorError(
                f"{path} lies outside the folders that may be read ({allowed}): choose one inside them, "
                "or have ATRIUM_FOLDER_ROOTS name it",
                permanent=True,
            )
        if self.data_dir and _within(real, self.data_dir):
            raise ConnectorError(f"{path} holds Atrium's own data: choose another folder", permanent=True)
        return real

    def check(self) -> None:
        """Raises ConnectorError where the root can't be listed now."""
        try:
            with os.scandir(self.root):
                return
        except FileNotFoundError as error:
            raise ConnectorError(
                f"{self.root} is not there: mount or restore it, or point the source elsewhere", permanent=True
            ) from error
        except NotADirectoryError as error:
            raise ConnectorError(f"{self.root} is a file: choose the folder that it is in", permanent=True) from error
        except PermissionError as error:
            raise ConnectorError(
                f"{self.root} can't be read: let the account that runs Atrium read it", permanent=True
            ) from error
        except OSError as error:
            raise ConnectorError(f"{self.root} can't be read just now: {error.strerror}") from error

    def list(self, relative: str) -> Iterator[Entry]:
        """Folders, then files, each in natural order; hidden ones left out. Raises OSError."""
        folder = self.resolve(relative)
        with os.scandir(folder) as found:
            entries = [self._entry(item) for item in found if not is_hidden(item.name)]
        entries.sort(key=lambda entry: (not entry.folder, natural(entry.name), entry.name))
        yield from entries

    def resolve(self, relative: str) -> str:
        """The real path of ``relative``, held within the roots. Raises NodeError."""
        if relative.startswith("/") or ".." in relative.split("/") or "\x00" in relative:
            raise NodeError("A path that leads out of its folder", skip=True)
        real = os.path.realpath(os.path.join(self.root, relative)) if relative else self.root
        if reason := self._forbidden(real):
            raise NodeError(reason, skip=True)
        return real

    def open(self, relative: str) -> tuple[IO[bytes], os.stat_result]:
        """A regular file, opened so that a link put there meanwhile is not followed. Raises NodeError."""
        path = self.resolve(relative)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NodeError("It was there when the folder was listed, and is gone now", skip=True) from error
        except PermissionError as error:
            raise NodeError(DENIED) from error
        except OSError as error:
            raise NodeError(f"It can't be opened: {error.strerror}") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise NodeError(SPECIAL, skip=True)
        return os.fdopen(descriptor, "rb"), status

    def _entry(self, item: os.DirEntry[str]) -> Entry:
        try:
            item.name.encode()
        except UnicodeEncodeError:
            readable = os.fsencode(item.name).decode("utf-8", "backslashreplace")
            return Entry(readable, item.path, False, reason=BAD_NAME)
        path = os.path.realpath(item.path) if item.is_symlink() else item.path
        if reason := self._forbidden(path):
            return Entry(item.name, path, False, reason=reason)
        try:
            status = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            return Entry(item.name, path, False, reason=BROKEN_LINK)
        except OSError:
            return Entry(item.name, path, False, reason=DENIED)
        if stat.S_ISDIR(status.st_mode):
            loops = item.is_symlink() and _within(path, self.root)
            return Entry(item.name, path, True, reason=LOOP if loops or _within(self.root, path) else "")
        if not stat.S_ISREG(status.st_mode):
            return Entry(item.name, path, False, reason=SPECIAL)
        return Entry(item.name, path, False, status.st_size, status.st_mtime_ns)

    def _forbidden(self, real: str) -> str:
        if self.data_dir and _within(real, self.data_dir):
            return OWN_DATA
        return "" if any(_within(real, root) for root in self.roots) else OUTSIDE


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
