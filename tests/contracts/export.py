"""What every connector to the zip of an export must do. Subclass ``ExportContract`` and give it a ``place`` fixture."""

from __future__ import annotations

import hashlib
import io
from abc import abstractmethod
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import IO

import pytest

from datasources.connectors.around import Around, StoredFile
from datasources.connectors.base import Complete, ConnectorError, NodeError, Skipped, TestResult
from datasources.ingestion.extract import Extractor
from tests.contracts.documents import ALL, DocumentsContract, DocumentsPlace, Seen, error_of
from tests.datasources.documents import zipped

NAME = "export.zip"


class ExportPlace(DocumentsPlace):
    """An upload store in memory. What a test changes stands in a newer zip of the same name: exports are whole."""

    def __init__(self, archives: Extractor) -> None:
        self.around = Around(archives, uploads=self)
        self.files: dict[str, bytes] = {}
        self.broken = False
        self._times = 0

    @abstractmethod
    def members(self) -> dict[str, bytes | str]:
        """What the vendor would pack now."""

    def upload(self) -> None:
        self.files[NAME] = zipped(self.members())
        self._times += 1

    def list(self) -> Iterable[StoredFile]:
        if self.broken:
            raise OSError("no route to host")
        when = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=self._times)
        return [StoredFile(p, len(d), hashlib.sha256(d).hexdigest()[:16], when) for p, d in self.files.items()]

    def open(self, path: str) -> IO[bytes]:
        if self.broken:
            raise OSError("no route to host")
        if path not in self.files:
            raise FileNotFoundError(path)
        return io.BytesIO(self.files[path])


class ExportContract(DocumentsContract):
    """Give a fixture ``place`` in the subclass."""

    def test_it_is_handed_over_and_looked_for_by_nobody(self, place: ExportPlace) -> None:
        about = place.connector().about
        assert about.files
        assert about.schedules == ()
        assert not [field for auth in about.auths for field in auth.fields]

    def test_before_the_first_zip_it_says_what_to_do(self, place: ExportPlace) -> None:
        place.files.clear()
        assert len(place.connector().test().message) > 15
        assert Seen().run(place.connector()).documents() == set()

    def test_a_damaged_zip_takes_nothing_away_and_is_named(self, place: ExportPlace) -> None:
        seen = Seen().run(place.connector())
        known = seen.documents()
        whole = place.files[NAME]
        for damaged in (whole[: len(whole) // 2], b"PK\x03\x04", b""):
            place.files[NAME] = damaged
            error = error_of(lambda: seen.run(place.connector()))
            assert seen.documents() == known
            if error is None:
                assert not [change for change in seen.changes if isinstance(change, Complete)]
                assert NAME in {change.node.title for change in seen.changes if isinstance(change, Skipped)}
            tried: list[TestResult] = []
            assert error_of(lambda tried=tried: tried.append(place.connector().test())) or not tried[0].ok

    def test_a_storage_that_is_down_can_be_tried_again(self, place: ExportPlace) -> None:
        connector = place.connector()
        seen = Seen().run(connector)
        node = next(node for node in seen.nodes.values() if node.has_text)
        place.broken = True
        for call in (lambda: list(place.connector().changes({}, ALL)), lambda: place.connector().fetch(node)):
            error = error_of(call)
            assert error is not None
            assert not error.permanent
        assert seen.documents() == set(place.documents())

    def test_a_zip_that_was_taken_out_meanwhile_is_said_of_its_documents(self, place: ExportPlace) -> None:
        seen = Seen().run(place.connector())
        node = next(node for node in seen.nodes.values() if node.has_text)
        place.files.clear()
        with pytest.raises((NodeError, ConnectorError)) as caught:
            place.connector().fetch(node)
        assert len(str(caught.value)) > 15
