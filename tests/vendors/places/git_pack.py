"""A git repository as its smart HTTP server gives it out: objects, packs, and protocol version 2."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping

NUMBERS = {"commit": 1, "tree": 2, "blob": 3}


def object_id(sort: str, data: bytes) -> str:
    return hashlib.sha1(f"{sort} {len(data)}\0".encode() + data).hexdigest()


class GitRepository:
    """Files by path → every object of one commit."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.objects: dict[str, tuple[str, bytes]] = {}
        self.tree = self._tree(files)
        author = "Ann <ann@fernholt.example> 1767225600 +0000"
        self.head = self._keep("commit", f"tree {self.tree}\nauthor {author}\ncommitter {author}\n\nAll\n".encode())

    def _keep(self, sort: str, data: bytes) -> str:
        name = object_id(sort, data)
        self.objects[name] = (sort, data)
        return name

    def _tree(self, files: Mapping[str, bytes]) -> str:
        below: dict[str, dict[str, bytes]] = {}
        entries: list[tuple[str, str, str]] = []
        for path, data in files.items():
            first, slash, rest = path.partition("/")
            if slash:
                below.setdefault(first, {})[rest] = data
            else:
                entries.append((first, "100644", self._keep("blob", data)))
        entries += [(name, "40000", self._tree(inner)) for name, inner in below.items()]
        lines = [f"{mode} {name}\0".encode() + bytes.fromhex(sha) for name, mode, sha in sorted(entries)]
        return self._keep("tree", b"".join(lines))

    def pack(self, names: list[str]) -> bytes:
        out = b"PACK" + (2).to_bytes(4, "big") + len(names).to_bytes(4, "big")
        for name in names:
            sort, data = self.objects[name]
            size = len(data)
            head = [NUMBERS[sort] << 4 | size & 15]
            size >>= 4
            while size:
                head[-1] |= 0x80
                head.append(size & 0x7F)
                size >>= 7
            out += bytes(head) + zlib.compress(data)
        return out + hashlib.sha1(out).digest()

    def advertised(self) -> bytes:
        lines = [b"version 2\n", b"agent=git/loopback\n", b"ls-refs=unborn\n", b"fetch=shallow wait-for-done filter\n"]
        service = packet(b"# service=git-upload-pack\n") + b"0000"
        return service + b"".join(packet(line) for line in [*lines, b"object-format=sha1\n"]) + b"0000"

    def answer(self, body: bytes) -> bytes:
        if b"command=ls-refs" in body:
            return packet(f"{self.head} HEAD symref-target:refs/heads/master\n".encode()) + b"0000"
        wanted = [
            line.split()[1].decode()
            for line in body.replace(b"want ", b"\nwant ").split(b"\n")
            if line.startswith(b"want ")
        ]
        if wanted == [self.head]:
            bare = b"filter blob:none" in body
            wanted = [name for name, (sort, _) in self.objects.items() if not (bare and sort == "blob")]
        if missing := [name for name in wanted if name not in self.objects]:
            return packet(f"ERR upload-pack: not our ref {missing[0]}\n".encode())
        pack = self.pack(wanted)
        parts = (
            [packet(b"shallow-info\n"), packet(f"shallow {self.head}".encode()), b"0001"] if b"deepen" in body else []
        )
        parts.append(packet(b"packfile\n"))
        parts += [packet(b"\x01" + pack[at : at + 60_000]) for at in range(0, len(pack), 60_000)]
        return b"".join(parts) + b"0000"


def packet(line: bytes) -> bytes:
    return f"{len(line) + 4:04x}".encode() + line
