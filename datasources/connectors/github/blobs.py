"""The bytes of files: one by one, or, where many of a repository are wanted, out of one tarball of it.

An hour allows 5,000 calls, so a repository of 10,000 files would take two hours blob by blob; its tarball is one call.
What a tarball holds differently (``export-subst``, large files) is told by git's own name of the content and asked for singly.
"""

from __future__ import annotations

import base64
import tarfile
import tempfile
import threading
import zlib
from collections import Counter
from typing import IO

from urllib3.exceptions import HTTPError

from datasources.connectors.base import ConnectorError, NodeError
from datasources.connectors.github.client import Client
from datasources.connectors.github.git import blob_id
from datasources.connectors.http import told
from datasources.ingestion.results import Limits

SINGLY = 20
"""So many of a repository are asked for one by one; then its tarball is worth it."""
_POINTER = b"version https://git-lfs.github.com/spec/"
_KEPT = 2


class Blobs:
    """Used by several threads at once."""

    def __init__(self, client: Client, limits: Limits) -> None:
        self._client = client
        self._limits = limits
        self._asked: Counter[int] = Counter()
        self._tarballs: dict[int, _Tarball] = {}
        self._lock = threading.Lock()

    def read(self, repo: int, path: str, sha: str) -> bytes:
        """Raises NodeError where it is gone, or is a pointer to a large file kept elsewhere."""
        data = self._from_tarball(repo, path)
        if data is None or blob_id(data) != sha:
            data = self._single(repo, sha)
        if data.startswith(_POINTER):
            raise NodeError("Kept in Git LFS: only a pointer to it is in the repository", skip=True)
        return data

    def _single(self, repo: int, sha: str) -> bytes:
        told_blob = self._client.get(f"/repositories/{repo}/git/blobs/{sha}", node=True)
        return base64.b64decode(told_blob.get("content") or "")

    def _from_tarball(self, repo: int, path: str) -> bytes | None:
        with self._lock:
            self._asked[repo] += 1
            if self._asked[repo] <= SINGLY:
                return None
            tarball = self._tarballs.pop(repo, None) or self._loaded(repo)
            self._tarballs[repo] = tarball
            while len(self._tarballs) > _KEPT:
                self._tarballs.pop(next(iter(self._tarballs))).close()
            return tarball.read(path)

    def _loaded(self, repo: int) -> _Tarball:
        with told("GitHub"):
            response = self._client.stream(f"/repositories/{repo}/tarball")
            try:
                return _Tarball(response.raw, self._limits)
            except (tarfile.TarError, EOFError, zlib.error, HTTPError) as error:
                raise ConnectorError("GitHub broke off while it sent a repository") from error
            finally:
                response.close()


class _Tarball:
    """Unpacked, as it comes in, into one unnamed file; what goes past the limits is left to single calls."""

    def __init__(self, source: IO[bytes], limits: Limits) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the tarball)
        self._places: dict[str, tuple[int, int]] = {}
        at = 0
        with tarfile.open(fileobj=source, mode="r|gz") as archive:
            for member in archive:
                if not member.isreg() or member.size > limits.file_bytes or at + member.size > limits.archive_bytes:
                    continue
                file = archive.extractfile(member)
                if file is None:
                    continue
                while piece := file.read(1 << 20):
                    self._file.write(piece)
                self._places[member.name.partition("/")[2]] = at, member.size
                at += member.size

    def read(self, path: str) -> bytes | None:
        if path not in self._places:
            return None
        begin, size = self._places[path]
        self._file.seek(begin)
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()
