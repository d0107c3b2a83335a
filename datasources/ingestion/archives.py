"""What is inside a zip or a tar, and the bytes of one member. Bounded in number, depth, size and ratio.

Runs in the reading child (see extract.py), so that a hostile archive can waste no more than that child may.
A member's path is POSIX, relative; inside a nested archive it goes on after ``!/``: ``b.zip!/inner/x.md``.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from datasources.ingestion.kinds import is_archive_name
from datasources.ingestion.results import CORRUPT, ENCRYPTED, Limits, Refusal, fail, megabytes, skip

INSIDE = "!/"
_BLOCK = 256 * 1024
_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_PACKED_OTHERWISE = "Packed in a way that can't be read here: unpack it and add the folder"
_BAD_DATA = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside. ``version`` changes with its content. ``archive``: its own members follow.

    ``reason``: why it can't be read, in plain words; empty where it can.
    """

    path: str
    size: int
    version: str
    modified: float | None = None
    archive: bool = False
    reason: str = ""


@dataclass(slots=True)
class _Entry:
    path: str
    size: int
    version: str
    modified: float | None
    handle: zipfile.ZipInfo | tarfile.TarInfo
    packed: int = 0
    encrypted: bool = False


class _Budget:
    """What one listing may still take, over all nested archives together."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.members = limits.archive_members
        self.bytes = limits.archive_bytes

    def take_member(self) -> None:
        self.members -= 1
        if self.members < 0:
            raise skip(f"Archive with more than {self.limits.archive_members:,} files; unpack it and add the folder")

    def take_bytes(self, size: int) -> None:
        self.bytes -= size
        if self.bytes < 0:
            raise skip(f"Archive that unpacks to more than {megabytes(self.limits.archive_bytes)}")


def list_members(source: IO[bytes], limits: Limits) -> list[Member]:
    """All files inside, nested archives unfolded. Raises Refusal where the archive itself can't be read."""
    return list(_walk(source, "", 1, _Budget(limits)))


def copy_member(source: IO[bytes], path: str, target: IO[bytes], limits: Limits) -> int:
    """Write one member's bytes to ``target``; returns how many. Raises Refusal."""
    return _copy_from(source, path, target, _Budget(limits), 1)


def _walk(source: IO[bytes], prefix: str, depth: int, budget: _Budget) -> Iterator[Member]:
    with _open(source, budget) as archive:
        seen: set[str] = set()
        for entry in archive.entries():
            budget.take_member()
            reason = _why_not(entry, budget.limits)
            path = prefix + _unique(entry.path, seen)
            if not is_archive_name(entry.path) or reason:
                budget.take_bytes(0 if reason else entry.size)
                yield Member(path, entry.size, entry.version, entry.modified, reason=reason)
                continue
            yield from _nested(archive, entry, path, depth, budget)


def _nested(archive: _Zip | _Tar, entry: _Entry, path: str, depth: int, budget: _Budget) -> Iterator[Member]:
    """A nested archive and its members; where it can't be opened, the one member that says why."""
    inside: list[Member] = []
    reason = ""
    if depth >= budget.limits.archive_depth:
        reason = f"Archive nested more than {budget.limits.archive_depth} deep"
    else:
        try:
            with tempfile.TemporaryFile() as copy:
                archive.copy(entry, copy, budget)
                inside = list(_walk(copy, path + INSIDE, depth + 1, budget))
        except Refusal as refusal:
            reason = refusal.refused.reason
    yield Member(path, entry.size, entry.version, entry.modified, archive=True, reason=reason)
    yield from inside


def _copy_from(source: IO[bytes], path: str, target: IO[bytes], budget: _Budget, depth: int) -> int:
    with _open(source, budget) as archive:
        seen: set[str] = set()
        entries = {}
        for entry in archive.entries():
            budget.take_member()
            entries[_unique(entry.path, seen)] = entry
        if path in entries:
            if reason := _why_not(entries[path], budget.limits):
                raise skip(reason)
            return archive.copy(entries[path], target, budget)
        for name, entry in entries.items():
            if path.startswith(name + INSIDE) and depth < budget.limits.archive_depth:
                with tempfile.TemporaryFile() as copy:
                    archive.copy(entry, copy, budget)
                    return _copy_from(copy, path[len(name) + len(INSIDE) :], target, budget, depth + 1)
    raise fail("No longer in its archive")


def _why_not(entry: _Entry, limits: Limits) -> str:
    if entry.encrypted:
        return ENCRYPTED
    if entry.size > limits.file_bytes:
        return f"Too large: {megabytes(entry.size)}, the limit is {megabytes(limits.file_bytes)}"
    if entry.packed and entry.size > 1024 * 1024 and entry.size / entry.packed > limits.archive_ratio:
        return f"Unpacks to {entry.size // entry.packed:,} times its size, as harmful files do"
    return ""


def _unique(path: str, seen: set[str]) -> str:
    """Two members of one name (tars allow it): the later gets a number."""
    name, number = path, 2
    while name in seen:
        stem, ext = posixpath.splitext(path)
        name, number = f"{stem} ({number}){ext}", number + 1
    seen.add(name)
    return name


def safe_path(name: str) -> str:
    """The member's path inside its archive, or empty where it would lead out of it."""
    name = name.replace("\\", "/").replace("\x00", "")
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return ""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or not parts:
        return ""
    return "/".join(parts)


def _is_junk(path: str) -> bool:
    parts = path.split("/")
    return parts[0] in _JUNK or parts[-1] in _JUNK or any(part.startswith((".", "~$")) for part in parts)


@contextmanager
def _open(source: IO[bytes], budget: _Budget) -> Iterator[_Zip | _Tar]:
    source.seek(0)
    head = source.read(6)
    source.seek(0)
    try:
        if head.startswith(b"PK"):
            _check_directory(source, budget.limits)
            with zipfile.ZipFile(source) as zipped:
                yield _Zip(zipped)
        else:
            with _decompressed(source, head, budget.limits) as plain, tarfile.open(fileobj=plain, mode="r:") as tarred:
                yield _Tar(tarred)
    except _BAD_DATA as error:
        raise fail(CORRUPT) from error
    except (NotImplementedError, ValueError, OverflowError, UnicodeDecodeError, RecursionError) as error:
        raise fail(CORRUPT) from error


def _check_directory(source: IO[bytes], limits: Limits) -> None:
    """Refuse a table of contents that is too long before the standard library reads it whole."""
    end = source.seek(0, io.SEEK_END)
    source.seek(max(0, end - 65_557))
    tail = source.read()
    source.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise fail(CORRUPT)
    if int.from_bytes(tail[at + 12 : at + 16], "little") > 1024 * limits.archive_members:
        raise skip(f"Archive with more than {limits.archive_members:,} files; unpack it and add the folder")


class _NoPassword(bytes):
    """The empty password, which the standard library would take for none."""

    def __bool__(self) -> bool:
        return True


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    def entries(self) -> Iterator[_Entry]:
        for info in self.archive.infolist():
            path = safe_path(_zip_name(info))
            if info.is_dir() or (path and _is_junk(path)):
                continue
            if not path:
                raise skip(f"Archive with a file that would land outside its folder: {info.filename[:80]!r}")
            version = f"{info.CRC:08x}-{info.file_size}"
            yield _Entry(path, info.file_size, version, None, info, info.compress_size, not self._opens(info))

    def _opens(self, info: zipfile.ZipInfo) -> bool:
        """Whether it needs no password. One that is wrong shows in the first bytes, but for one in 256: those show in the end."""
        if not _is_encrypted(info):
            return True
        try:
            self.archive.open(info, pwd=_NoPassword()).close()
        except (RuntimeError, *_BAD_DATA):  # also of what only newer programs can decrypt
            return False
        return True

    def copy(self, entry: _Entry, target: IO[bytes], budget: _Budget) -> int:
        assert isinstance(entry.handle, zipfile.ZipInfo)
        encrypted = _is_encrypted(entry.handle)
        try:
            with self.archive.open(entry.handle, pwd=_NoPassword() if encrypted else None) as stream:
                return _pour(stream, target, budget)
        except NotImplementedError as error:
            raise skip(_PACKED_OTHERWISE) from error
        except _BAD_DATA as error:
            raise (skip(ENCRYPTED) if encrypted else fail(CORRUPT)) from error


def _is_encrypted(info: zipfile.ZipInfo) -> bool:
    return bool(info.flag_bits & 1)


class _Tar:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self.archive = archive

    def entries(self) -> Iterator[_Entry]:
        for info in self.archive:
            path = safe_path(info.name)
            if not info.isreg() or (path and _is_junk(path)):
                continue
            if not path:
                raise skip(f"Archive with a file that would land outside its folder: {info.name[:80]!r}")
            yield _Entry(path, info.size, f"{info.mtime}-{info.size}", float(info.mtime), info)

    def copy(self, entry: _Entry, target: IO[bytes], budget: _Budget) -> int:
        assert isinstance(entry.handle, tarfile.TarInfo)
        stream = self.archive.extractfile(entry.handle)
        if stream is None:
            raise fail(CORRUPT)
        with stream:
            return _pour(stream, target, budget)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Names without the UTF-8 flag are UTF-8 all the same in most zips made since; else the old code page."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _pour(stream: IO[bytes], target: IO[bytes], budget: _Budget) -> int:
    """Copy in blocks; what a member says of its own size is not believed."""
    total = 0
    while block := stream.read(_BLOCK):
        total += len(block)
        budget.take_bytes(len(block))
        if total > budget.limits.file_bytes:
            raise skip(f"Too large: more than {megabytes(budget.limits.file_bytes)} once unpacked")
        target.write(block)
    target.flush()
    return total


@contextmanager
def _decompressed(source: IO[bytes], head: bytes, limits: Limits) -> Iterator[IO[bytes]]:
    """The tar inside a gzip, bzip2 or xz, unpacked to a file of bounded size; a plain tar as it is."""
    opened: Any
    if head.startswith(b"\x1f\x8b"):
        opened = gzip.GzipFile(fileobj=source)
    elif head.startswith(b"BZh"):
        opened = bz2.BZ2File(source)
    elif head.startswith(b"\xfd7zXZ"):
        opened = lzma.LZMAFile(source)  # noqa: SIM115  (closed below)
    else:
        yield source
        return
    packed = source.seek(0, io.SEEK_END)
    source.seek(0)
    with tempfile.TemporaryFile() as plain, opened as stream:
        total = 0
        while block := stream.read(_BLOCK):
            total += len(block)
            if total > limits.archive_bytes:
                raise skip(f"Archive that unpacks to more than {megabytes(limits.archive_bytes)}")
            if total > 16 * 1024 * 1024 and total / max(1, packed) > limits.archive_ratio:
                raise skip(f"Unpacks to over {limits.archive_ratio} times its size, as harmful files do")
            plain.write(block)
        plain.seek(0)
        yield plain
