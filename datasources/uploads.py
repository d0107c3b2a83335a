"""Files that people handed over: rows here, bytes in the storage, below workspace and source."""

from __future__ import annotations

import hashlib
import posixpath
import unicodedata
from collections.abc import Iterable, Iterator
from typing import IO
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone

from datasources.connectors.around import StoredFile
from datasources.connectors.registry import CONNECTORS
from datasources.models import DataSource, Node, SyncRun, UploadedFile, node_id
from datasources.runs import must_live, request_sync
from portal import audit
from portal.models import User

LONGEST_PATH = 1000
BLOCK = 1024 * 1024


class Uploads:
    """``UploadStore`` of one source. The list is read once, so that threads of a sync need no database."""

    def __init__(self, source: DataSource) -> None:
        rows = source.uploads.select_related("created_by").order_by("path")
        self._rows = {row.path: row for row in rows}

    def list(self) -> Iterable[StoredFile]:
        return [
            StoredFile(row.path, row.size, row.sha256, row.created, str(row.created_by or ""))
            for row in self._rows.values()
        ]

    def open(self, path: str) -> IO[bytes]:
        row = self._rows.get(path)
        if row is None:
            raise FileNotFoundError(path)
        return default_storage.open(row.stored)


def clean_path(path: str) -> str:
    """POSIX and relative, as the browser tells it with the folders that were dropped. Raises ValidationError."""
    path = unicodedata.normalize("NFC", path.replace("\\", "/").replace("\x00", ""))
    parts = [part.strip() for part in path.split("/") if part.strip() not in ("", ".")]
    if not parts or ".." in parts:
        raise ValidationError(f"“{path}” is not a name that a file can have here.")
    clean = "/".join(parts)
    if len(clean) > LONGEST_PATH:
        raise ValidationError(f"The name with its folders has more than {LONGEST_PATH:,} characters; shorten it.")
    return clean


def store(source: DataSource, path: str, file: IO[bytes]) -> UploadedFile:
    """Stream the file into the storage; the row is not saved yet. Raises ValidationError where it is too large."""
    name = posixpath.join(str(source.workspace_id), str(source.pk), uuid4().hex + posixpath.splitext(path)[1][:12])
    metered = _Metered(file)
    stored = default_storage.save(name, File(metered, name=name))  # type: ignore[arg-type]  # read and chunks are what it uses
    if metered.too_large:
        default_storage.delete(stored)
        limit = settings.MAX_UPLOAD_BYTES // (1024 * 1024)
        raise ValidationError(f"{path} is larger than {limit} MB, which is the most that one file may have here.")
    return UploadedFile(source=source, path=path, stored=stored, size=metered.size, sha256=metered.digest)


def add_upload(source: DataSource, *, path: str, file: IO[bytes], by: User | None) -> UploadedFile:
    """Keep a file and sync the source. The same path replaces. Raises ValidationError with a sentence."""
    told = CONNECTORS.get(source.kind)
    if told is None or not told.files:
        raise ValidationError("Files can only be added to a source of uploaded files, or of an export.")
    if source.state != DataSource.State.DRAFT:
        must_live(source)
    made = store(source, clean_path(path), file)
    made.created_by = by
    try:
        with transaction.atomic():
            DataSource.objects.select_for_update().get(pk=source.pk)
            old = source.uploads.filter(path=made.path).first()
            if old is not None:
                made.pk, made.created = old.pk, timezone.now()
                transaction.on_commit(lambda: discard([old.stored]))
                made.save(force_update=True)
            else:
                made.save(force_insert=True)
            after = {"path": made.path, "size": made.size}
            audit.record("upload.add", workspace=source.workspace, actor=by, target=source, after=after)
            _take_in(source)
    except (IntegrityError, DataSource.DoesNotExist, ValidationError):
        discard([made.stored])
        raise
    return made


def _take_in(source: DataSource) -> None:
    """Of a draft, what can be chosen is to be looked at anew; else it is synced."""
    if source.state == DataSource.State.DRAFT:
        source.levels.all().delete()
    else:
        request_sync(source, by=None, trigger=SyncRun.Trigger.UPLOAD, again=True)


def remove_upload(upload: UploadedFile, *, by: User | None) -> None:
    """Take a file out again, with all that came in from it."""
    source = upload.source
    with transaction.atomic():
        DataSource.objects.select_for_update().get(pk=source.pk)
        upload.delete()
        _agree_gone(source, upload.path)
        audit.record("upload.remove", workspace=source.workspace, actor=by, target=source, before={"path": upload.path})
        transaction.on_commit(lambda: discard([upload.stored]))
        _take_in(source)


def _agree_gone(source: DataSource, path: str) -> None:
    """The file's node, what is below it (an archive's members), and folders that only it kept there."""
    pk = node_id(source.pk, path)
    source.nodes.filter(parents__contains=[pk]).update(gone=Node.Gone.AGREED)
    above = path
    while "/" in above:
        above = above.rpartition("/")[0]
        if source.uploads.filter(path__startswith=f"{above}/").exists():
            return
        source.nodes.filter(pk=node_id(source.pk, above)).update(gone=Node.Gone.AGREED)


def discard(stored: Iterable[str]) -> None:
    """Take bytes out of the storage; ones that are gone already do no harm."""
    for name in stored:
        default_storage.delete(name)


class _Metered:
    """Reads a file once, block by block, measuring and hashing it; ends early where it is too large."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0
        self.too_large = False

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        while block := self.read(chunk_size or BLOCK):
            yield block

    def read(self, size: int = BLOCK) -> bytes:
        if self.too_large:
            return b""
        block = self._file.read(size if size and size > 0 else BLOCK)
        self.size += len(block)
        if self.size > settings.MAX_UPLOAD_BYTES:
            self.too_large = True
            return b""
        self._hash.update(block)
        return block
