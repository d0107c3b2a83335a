"""As much of git's wire protocol as reading a wiki takes: smart HTTP, version 2, and packs.

A wiki has no API; it is a git repository. It is read with the connection's key in a header, through the same guarded session
as everything else: no git program runs, no key stands in an address. Source: gitprotocol-v2(5), gitformat-pack(5).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from datasources.connectors.base import ConnectorError, NodeError

DAMAGED = "The wiki came damaged: it is tried again"
Call = Callable[[str, bytes | None], bytes]
_FLUSH, _DELIM = b"0000", b"0001"
_COMMIT, _TREE, _BLOB, _TAG, _OFS_DELTA, _REF_DELTA = 1, 2, 3, 4, 6, 7
_NAMES = {_COMMIT: b"commit", _TREE: b"tree", _BLOB: b"blob", _TAG: b"tag"}
_MOST_BYTES = 64 * 1024 * 1024
_MOST_OBJECTS = 200_000
_PIECE = 16_384


@dataclass(frozen=True, slots=True)
class GitFile:
    path: str
    sha: str
    mode: str


class Remote:
    """One repository at ``url``. ``call`` makes the HTTP call: (address, body or None) → the answer's bytes."""

    def __init__(self, call: Call, url: str) -> None:
        self._call = call
        self._url = url

    def files(self) -> list[GitFile]:
        """The files of HEAD; none where nothing was ever written."""
        capabilities = self._capabilities()
        head = self._head()
        if not head:
            return []
        asked = [b"ofs-delta\n", b"no-progress\n", b"deepen 1\n"]
        if "filter" in capabilities.get("fetch", ""):
            asked.append(b"filter blob:none\n")
        objects = self._fetch([*asked, f"want {head}\n".encode()])
        sort, data = objects.get(head, (0, b""))
        if sort != _COMMIT:
            raise ConnectorError("The wiki's repository did not give its last commit")
        tree = data.split(b"\n", 1)[0].removeprefix(b"tree ").decode()
        return list(_files(objects, tree, "", 0))

    def blob(self, sha: str) -> bytes:
        """Raises NodeError where it is gone."""
        found = self._fetch([b"no-progress\n", f"want {sha}\n".encode()]).get(sha)
        if found is None or found[0] != _BLOB:
            raise NodeError("This page is no longer in the wiki", skip=True)
        return found[1]

    def _capabilities(self) -> dict[str, str]:
        lines = _packets(self._call(f"{self._url}/info/refs?service=git-upload-pack", None))
        told = [line.decode("utf-8", "replace").strip() for line in lines if line]
        if "version 2" not in told:
            raise ConnectorError("The wiki's server speaks an old git: it can't be read from here", permanent=True)
        return dict(line.partition("=")[::2] for line in told)

    def _head(self) -> str:
        body = _body("ls-refs", [b"ref-prefix HEAD\n"])
        for line in _packets(self._call(f"{self._url}/git-upload-pack", body)):
            if line and (words := line.decode("utf-8", "replace").split())[1:2] == ["HEAD"]:
                return words[0]
        return ""

    def _fetch(self, arguments: list[bytes]) -> dict[str, tuple[int, bytes]]:
        answer = self._call(f"{self._url}/git-upload-pack", _body("fetch", [*arguments, b"done\n"]))
        pack, inside = bytearray(), False
        for line in _packets(answer):
            if line is None:
                continue
            if line.startswith(b"ERR "):
                raise NodeError(f"The wiki can't be read: {line[4:204].decode('utf-8', 'replace').strip()}", skip=True)
            if not inside:
                inside = line.strip() == b"packfile"
                continue
            if line[:1] == b"\x01":
                pack += line[1:]
            elif line[:1] == b"\x03":
                raise ConnectorError(
                    f"The wiki can't be read just now: {line[1:201].decode('utf-8', 'replace').strip()}"
                )
        return unpacked(bytes(pack))


def _body(command: str, arguments: Iterable[bytes]) -> bytes:
    return b"".join([packet(f"command={command}\n".encode()), _DELIM, *(packet(line) for line in arguments), _FLUSH])


def packet(line: bytes) -> bytes:
    return f"{len(line) + 4:04x}".encode() + line


def _packets(data: bytes) -> Iterator[bytes | None]:
    """Lines of the pkt format; None for the marks between them."""
    at = 0
    while at + 4 <= len(data):
        try:
            size = int(data[at : at + 4], 16)
        except ValueError as error:
            raise ConnectorError("The wiki's server answers with something that is not git") from error
        if size < 4:
            yield None
            at += 4
            continue
        yield data[at + 4 : at + size]
        at += size


def unpacked(pack: bytes) -> dict[str, tuple[int, bytes]]:
    """The objects of a pack: SHA-1 → (sort, data). Raises ConnectorError where it is damaged or too large."""
    try:
        return _objects(pack)
    except (IndexError, KeyError) as error:
        raise ConnectorError(DAMAGED) from error


def _objects(pack: bytes) -> dict[str, tuple[int, bytes]]:
    right = hashlib.sha1(pack[:-20], usedforsecurity=False).digest()
    if len(pack) < 32 or pack[:4] != b"PACK" or pack[-20:] != right:
        raise ConnectorError(DAMAGED)
    number = int.from_bytes(pack[8:12], "big")
    if number > _MOST_OBJECTS:
        raise NodeError(f"The wiki is too large to be read: {number:,} objects", skip=True)
    by_place: dict[int, tuple[int, bytes]] = {}
    found: dict[str, tuple[int, bytes]] = {}
    at, total = 12, 0
    for _ in range(number):
        begin = at
        sort, size, at = _entry_head(pack, at)
        base: tuple[int, bytes] | None = None
        if sort == _OFS_DELTA:
            back, at = _back(pack, at)
            base = by_place.get(begin - back)
        elif sort == _REF_DELTA:
            base = found.get(pack[at : at + 20].hex())
            at += 20
        total += size
        if total > _MOST_BYTES:
            raise NodeError("The wiki is too large to be read", skip=True)
        data, at = _inflated(pack, at, size)
        if sort in (_OFS_DELTA, _REF_DELTA):
            if base is None:
                raise ConnectorError(DAMAGED)
            sort, data = base[0], _patched(base[1], data)
        by_place[begin] = sort, data
        found[object_id(sort, data)] = sort, data
    return found


def object_id(sort: int, data: bytes) -> str:
    return hashlib.sha1(_NAMES[sort] + b" %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def blob_id(data: bytes) -> str:
    """The name under which git keeps these bytes as a file."""
    return object_id(_BLOB, data)


def _entry_head(pack: bytes, at: int) -> tuple[int, int, int]:
    """(sort, size when inflated, where it goes on)."""
    byte = pack[at]
    sort, size, shift = byte >> 4 & 7, byte & 15, 4
    while byte & 0x80:
        at += 1
        byte = pack[at]
        size |= (byte & 0x7F) << shift
        shift += 7
    return sort, size, at + 1


def _back(pack: bytes, at: int) -> tuple[int, int]:
    byte = pack[at]
    value = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = pack[at]
        value = (value + 1 << 7) | (byte & 0x7F)
    return value, at + 1


def _inflated(pack: bytes, at: int, size: int) -> tuple[bytes, int]:
    """(the object's bytes, where the next entry begins). Fed in pieces: what zlib leaves over is copied each time."""
    engine, data = zlib.decompressobj(), bytearray()
    while not engine.eof and at < len(pack) and len(data) <= size:
        piece = pack[at : at + _PIECE]
        at += len(piece)
        try:
            data += engine.decompress(piece, size + 1 - len(data))
            while engine.unconsumed_tail and len(data) <= size:
                data += engine.decompress(engine.unconsumed_tail, size + 1 - len(data))
        except zlib.error as error:
            raise ConnectorError(DAMAGED) from error
    if not engine.eof or len(data) != size:
        raise ConnectorError(DAMAGED)
    return bytes(data), at - len(engine.unused_data)


def _patched(base: bytes, delta: bytes) -> bytes:
    """A delta is copies from its base and bytes of its own."""
    _, at = _varint(delta, 0)
    size, at = _varint(delta, at)
    if size > _MOST_BYTES:
        raise NodeError("The wiki is too large to be read", skip=True)
    out = bytearray()
    while at < len(delta):
        order = delta[at]
        at += 1
        if order & 0x80:
            start = length = 0
            for bit in range(4):
                if order & 1 << bit:
                    start |= delta[at] << 8 * bit
                    at += 1
            for bit in range(3):
                if order & 0x10 << bit:
                    length |= delta[at] << 8 * bit
                    at += 1
            out += base[start : start + (length or 0x10000)]
        else:
            out += delta[at : at + order]
            at += order
        if len(out) > size:
            break
    if len(out) != size:
        raise ConnectorError(DAMAGED)
    return bytes(out)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _files(objects: dict[str, tuple[int, bytes]], sha: str, above: str, depth: int) -> Iterator[GitFile]:
    sort, data = objects.get(sha, (0, b""))
    if sort != _TREE or depth > 20:
        raise ConnectorError(DAMAGED)
    at = 0
    while at < len(data):
        space, end = data.find(b" ", at), data.find(b"\0", at)
        if not at < space < end:
            raise ConnectorError(DAMAGED)
        mode, name = data[at:space].decode(), data[space + 1 : end].decode("utf-8", "replace")
        inner, at = data[end + 1 : end + 21].hex(), end + 21
        path = f"{above}/{name}" if above else name
        if mode.startswith("4"):
            yield from _files(objects, inner, path, depth + 1)
        else:
            yield GitFile(path, inner, mode)
