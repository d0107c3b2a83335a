"""Files handed over by people: the contract, and that a run removes nothing of theirs."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from typing import IO

import pytest

from datasources.connectors.around import Around, StoredFile
from datasources.connectors.base import Complete, ConnectorError, Delete, Skipped
from datasources.connectors.upload.connector import Upload
from datasources.ingestion.extract import Extractor
from tests.contracts.files import FilesContract, FilesPlace, nodes, scopes, told
from tests.datasources.documents import zipped


@pytest.fixture(scope="module")
def archives() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


class Store(FilesPlace):
    prunes = False

    def __init__(self, archives: Extractor) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.broken = False
        self.around = Around(archives, uploads=self)

    def list(self) -> Iterable[StoredFile]:
        if self.broken:
            raise OSError("no route to host")
        return [StoredFile(p, len(d), hashlib.sha256(d).hexdigest()[:16]) for p, d in self.files.items()]

    def open(self, path: str) -> IO[bytes]:
        if path not in self.files:
            raise FileNotFoundError(path)
        return io.BytesIO(self.files[path])

    def connector(self) -> Upload:
        return Upload({}, {}, self.around)

    def write(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def remove(self, path: str) -> None:
        del self.files[path]

    def rename(self, path: str, to: str) -> None:
        self.files[to] = self.files.pop(path)

    def break_below(self, path: str) -> None:
        self.broken = True


@pytest.fixture
def place(archives: Extractor) -> Store:
    return Store(archives)


class TestUpload(FilesContract):
    pass


def test_nothing_that_a_person_added_is_ever_pruned(place: Store) -> None:
    place.write("a/b.md", b"b")
    place.write("c.zip", zipped({"d.md": b"d"}))
    changes = told(place.connector())
    assert scopes(changes) == {"c.zip"}
    assert not [change for change in changes if isinstance(change, Delete)]


def test_what_came_out_of_an_archive_follows_the_archive(place: Store) -> None:
    place.write("c.zip", zipped({"d.md": b"d", "x/e.md": b"e"}))
    connector = place.connector()
    found = nodes(told(connector))
    assert set(found) == {"c.zip", "c.zip!/d.md", "c.zip!/x", "c.zip!/x/e.md"}
    assert connector.fetch(found["c.zip!/x/e.md"]).data == b"e"
    assert [node.title for node in connector.children("c.zip")] == ["x", "d.md"]
    place.write("c.zip", zipped({"d.md": b"d"}))
    changes = told(place.connector())
    assert set(nodes(changes)) == {"c.zip", "c.zip!/d.md"}
    assert Complete("c.zip") in changes


def test_a_damaged_archive_prunes_nothing(place: Store) -> None:
    place.write("c.zip", b"PK\x03\x04")
    changes = told(place.connector())
    assert [change.reason for change in changes if isinstance(change, Skipped)]
    assert scopes(changes) == set()


def test_a_storage_that_does_not_answer_is_worth_another_try(place: Store) -> None:
    place.break_below("")
    with pytest.raises(ConnectorError, match="does not answer") as caught:
        place.connector().test()
    assert not caught.value.permanent


def test_without_a_store_it_says_so(archives: Extractor) -> None:
    with pytest.raises(ConnectorError, match="no place"):
        Upload({}, {}, Around(archives))
