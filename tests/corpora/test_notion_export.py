"""Real Notion exports: each page and database is told once, below what it lies in, and can be read."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import pytest

from datasources.connectors.around import Around, StoredFile
from datasources.connectors.notion_export.connector import NotionExport
from datasources.ingestion.extract import Extractor
from datasources.ingestion.results import Extracted
from tests.contracts.vendor import Seen

pytestmark = [pytest.mark.corpora, pytest.mark.timeout(600)]

_ID = re.compile(r"[0-9a-f]{32}")


class Folder:
    """What lies in a folder, as if it had been dropped into the browser."""

    def __init__(self, root: Path, pattern: str, archives: Extractor) -> None:
        self.root, self.pattern = root, pattern
        self.connector = NotionExport({}, {}, Around(archives, uploads=self))

    def list(self) -> Iterable[StoredFile]:
        for path in sorted(self.root.glob(self.pattern)):
            if path.is_file():
                relative = path.relative_to(self.root).as_posix()
                yield StoredFile(relative, path.stat().st_size, "1", datetime(2026, 1, 5, tzinfo=UTC))

    def open(self, path: str) -> IO[bytes]:
        return io.BytesIO((self.root / path).read_bytes())


@pytest.fixture(scope="module")
def archives() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


def test_a_workspace_with_a_part_in_its_zip(corpora: Path, archives: Extractor) -> None:
    folder = Folder(corpora / "notion", "*.zip", archives)
    seen = Seen().run(folder.connector)
    pages = [node for node in seen.nodes.values() if node.kind == "page"]
    databases = [node for node in seen.nodes.values() if node.kind == "database"]
    assert (len(pages), [node.title for node in databases]) == (278, ["Habit Tracker"])
    assert not [node.title for node in seen.nodes.values() if _ID.search(node.title)]
    below = [node for node in pages if node.parent == databases[0].external_id]
    (table,) = folder.connector.fetch(databases[0]).tables
    rows = [list(row) for row in table.rows]
    assert table.columns == ("Date", "Ran today", "Meditated", "Practiced guitar", "Full date")
    assert (len(below), len(rows)) == (270, 269), "one page is a row of no view"
    assert {type(cell) for row in rows for cell in row[1:4]} == {bool}
    for node in pages[:40]:
        content = folder.connector.fetch(node)
        read = archives.extract(content.data, content.filename)
        assert isinstance(read, Extracted), node.title
        assert not _ID.search(re.sub(r"https://www\.notion\.so/[0-9a-f]{32}", "", read.markdown)), node.title


def test_a_workspace_that_was_unpacked(corpora: Path, archives: Extractor) -> None:
    folder = Folder(corpora / "notion" / "workspace", "**/*", archives)
    seen = Seen().run(folder.connector)
    by_title = {node.title: node for node in seen.nodes.values()}
    assert sum(node.kind == "page" for node in seen.nodes.values()) == 22
    databases = {node.title: node for node in seen.nodes.values() if node.kind == "database"}
    assert set(databases) == {"Book Library", "Notes", "Projects", "Tasks"}
    assert by_title["Website Redesign"].parent == databases["Projects"].external_id
    assert databases["Tasks"].parent == by_title["API Integration"].external_id
    assert by_title["Design API schema"].parent == databases["Tasks"].external_id
    (table,) = folder.connector.fetch(databases["Projects"]).tables
    rows = [list(row) for row in table.rows]
    assert "Assignee" in table.columns, "the whole of it, not the view"
    assert len(rows) == 5
    text = folder.connector.fetch(by_title["API Integration"]).data.decode()
    assert f"[Tasks](https://www.notion.so/{databases['Tasks'].external_id.partition(':')[2]})" in text
