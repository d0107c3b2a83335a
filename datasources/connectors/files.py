"""What the folder and the upload connector share: names, patterns, what is chosen, and archives shown as folders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import IO, Any

from datasources.connectors.around import ArchiveReader, Around
from datasources.connectors.base import Change, Chosen, ConnectorError, Content, NodeError, RemoteNode, Skipped, Upsert
from datasources.ingestion.archives import INSIDE, Member
from datasources.ingestion.kinds import is_archive_name, refuse_by_name
from datasources.ingestion.results import Refused, too_large
from datasources.ingestion.results import Skipped as SkippedFile

_JUNK = {"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information", "lost+found"}
_MOST_PATTERNS, _MOST_STARS = 100, 6
_NUMBERS = re.compile(r"(\d+)")


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts ``page 2`` before ``page 10``, and letters whatever their case."""
    parts = _NUMBERS.split(name.casefold())
    return tuple((0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts if part)


def is_hidden(name: str) -> bool:
    """Files of the system and of editors, which nobody means when they say "this folder"."""
    return name.startswith((".", "~$")) or name.lower() in _JUNK


class Patterns:
    """Globs over relative paths. One without a slash speaks of names at any depth; ``**`` crosses folders.

    Raises ConnectorError for what is not a list of patterns.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.include = _globs(config.get("include"), "include")
        self.exclude = _globs(config.get("exclude"), "exclude")

    def takes(self, path: str) -> bool:
        """Whether a file comes in; the folders above it have been asked about with ``enters``."""
        return (not self.include or any(p.fullmatch(path) for p in self.include)) and self.enters(path)

    def enters(self, path: str) -> bool:
        return not any(p.fullmatch(path) for p in self.exclude)


def _globs(value: Any, name: str) -> list[re.Pattern[str]]:
    if isinstance(value, str):
        value = [part for part in re.split(r"[\n,]", value) if part.strip()]
    if not isinstance(value or [], list | tuple) or any(not isinstance(part, str) for part in value or []):
        raise ConnectorError(f"“{name}” has to be a list of patterns such as *.md or reports/**", permanent=True)
    patterns = [part.strip() for part in value or [] if part.strip()]
    if len(patterns) > _MOST_PATTERNS or any(len(part) > 200 or part.count("*") > _MOST_STARS for part in patterns):
        raise ConnectorError(
            f"“{name}” has too many patterns, or one with more than {_MOST_STARS} stars: make them simpler",
            permanent=True,
        )
    return [_glob(part) for part in patterns]


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    anchored = "/" in pattern.rstrip("/")
    pattern = pattern.strip("/").removesuffix("/**")
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    inner = "".join(known.get(part) or re.escape(part) for part in parts)
    return re.compile(("" if anchored else "(?:.*/)?") + inner + "(?:/.*)?", re.IGNORECASE | re.DOTALL)


class Selected:
    """A selection over path-like ids: the nearest line at or above a node decides. No line at all takes everything."""

    def __init__(self, chosen: Sequence[Chosen]) -> None:
        self.lines = {line.external_id: line.include for line in chosen}
        self.default = self.lines.get(None, not any(self.lines.values()))

    def takes(self, external_id: str) -> bool:
        at: str | None = external_id
        while at is not None:
            if at in self.lines:
                return self.lines[at]
            at = parent_of(at)
        return self.default

    def enters(self, external_id: str) -> bool:
        """Whether anything at or below comes in."""
        if self.takes(external_id):
            return True
        inner = (f"{external_id}/", f"{external_id}{INSIDE}")
        return any(line is not None and line.startswith(inner) for line, include in self.lines.items() if include)


def parent_of(external_id: str) -> str | None:
    """The id above: ``a/b.zip!/c`` lies in ``a/b.zip``, which lies in ``a``."""
    above, slash, _ = external_id.rpartition("/")
    return (above.removesuffix("!") or None) if slash else None


def file_version(size: int, mtime_ns: int) -> str:
    """No inode: some network file systems number anew with each mount, and all would be read again."""
    return f"{size}-{mtime_ns}"


def archive_node(external_id: str, title: str, parent: str | None, version: str, size: int | None) -> RemoteNode:
    return RemoteNode(
        external_id,
        "folder",
        title,
        parent,
        version,
        has_text=False,
        has_children=True,
        size=size,
        extra={"archive": True},
    )


def archive_changes(archive: RemoteNode, found: list[Member] | Refused) -> Iterator[Change]:
    """The archive as a folder with what is inside it, folders before their content."""
    if not isinstance(found, list):
        yield Skipped(archive, found.reason)
        return
    yield Upsert(archive)
    told = {archive.external_id}
    for member in found:
        external_id = f"{archive.external_id}{INSIDE}{member.path}"
        yield from folders_above(external_id, told)
        told.add(external_id)
        yield _told_member(external_id, member)


def folders_above(external_id: str, told: set[str]) -> Iterator[Upsert]:
    """The folders on the way to an id that are not in ``told`` yet, outermost first; they are added to it."""
    missing = []
    above = parent_of(external_id)
    while above is not None and above not in told:
        missing.append(above)
        above = parent_of(above)
    for folder in reversed(missing):
        told.add(folder)
        yield Upsert(
            RemoteNode(folder, "folder", name_of(folder), parent_of(folder), has_text=False, has_children=True)
        )


def _told_member(external_id: str, member: Member) -> Upsert | Skipped:
    parent = parent_of(external_id)
    if member.archive:
        inner = archive_node(external_id, name_of(external_id), parent, member.version, member.size)
        return Skipped(inner, member.reason) if member.reason else Upsert(inner)
    modified = None
    if member.modified is not None:
        try:
            modified = datetime.fromtimestamp(member.modified, UTC)
        except (ValueError, OverflowError, OSError):
            modified = None
    node = RemoteNode(
        external_id, "file", name_of(external_id), parent, member.version, modified=modified, size=member.size
    )
    return Skipped(node, member.reason) if member.reason else Upsert(node)


def name_of(external_id: str) -> str:
    return external_id.rpartition("/")[2]


def split_archive(external_id: str) -> Iterator[tuple[str, str]]:
    """(path of an archive, path inside it), outermost first, for every place where the id may enter one."""
    at = external_id.find(INSIDE)
    while at >= 0:
        if is_archive_name(external_id[:at]):
            yield external_id[:at], external_id[at + len(INSIDE) :]
        at = external_id.find(INSIDE, at + 1)


def read_whole(file: IO[bytes], name: str, size: int, around: Around) -> Content:
    """A file's bytes for the extractor; what can't come in is refused before it is read."""
    if refused := refuse_by_name(name, size, around.limits):
        raise NodeError(refused.reason, skip=True)
    data = file.read(around.limits.file_bytes + 1)
    if len(data) > around.limits.file_bytes:
        raise NodeError(too_large(len(data), around.limits.file_bytes).reason, skip=True)
    return Content(data=data, filename=name)


def read_member(archives: ArchiveReader, file: IO[bytes], inner: str, around: Around) -> Content:
    name = name_of(inner)
    if refused := refuse_by_name(name, None, around.limits):
        raise NodeError(refused.reason, skip=True)
    found = archives.member(file, inner, name)
    if not isinstance(found, bytes):
        raise NodeError(found.reason, skip=isinstance(found, SkippedFile))
    return Content(data=found, filename=name)
