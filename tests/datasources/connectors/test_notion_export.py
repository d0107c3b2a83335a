"""Exports of Notion: parts in parts, names cut and paired, links made good, databases as tables."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import IO, ClassVar

import pytest

from datasources.connectors.around import Around, StoredFile
from datasources.connectors.base import Chosen, Complete, ConnectorError, NodeError, Skipped
from datasources.connectors.notion_export.connector import NotionExport
from datasources.connectors.notion_export.content import read_table, relinked
from datasources.ingestion.extract import Extractor
from tests.contracts.documents import ALL, Seen
from tests.contracts.export import ExportContract, ExportPlace
from tests.datasources.documents import zipped

HOME, TASKS, RIG, SUB = (digit * 32 for digit in "abcd")
WORKSPACE = {
    f"Home {HOME}.md": f"# Home\n\n[Rig](Home%20{HOME}/Rig%20{RIG}.md) and [Tasks](Home%20{HOME}/Tasks%20{TASKS}.csv)".encode(),
    f"Home {HOME}/Rig {RIG}.md": b"# Rig\n\n![crane.png](Rig/crane.png)",
    f"Home {HOME}/Rig/crane.png": b"\x89PNG",
    f"Home {HOME}/Rig/plan.txt": b"The plan of the rig",
    f"Home {HOME}/Tasks {TASKS}.csv": b"\xef\xbb\xbfName,Done\nPaint,Yes\n",
    f"Home {HOME}/Tasks {TASKS}_all.csv": b"\xef\xbb\xbfName,Done,Cost\nPaint,Yes,12\nSand,No,\n",
    f"Home {HOME}/Tasks/Paint {SUB}.md": b"# Paint\n\nDone: Yes\nCost: 12\n\nTwo coats.",
    "index.html": b"<html></html>",
}


@pytest.fixture(scope="module")
def archives() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


class Store:
    """Uploads in memory, each later than the one before."""

    def __init__(self, archives: Extractor) -> None:
        self.files: dict[str, bytes] = {}
        self.broken = False
        self.around = Around(archives, uploads=self)

    def list(self) -> Iterable[StoredFile]:
        if self.broken:
            raise OSError("no route to host")
        began = datetime(2026, 1, 5, tzinfo=UTC)
        return [
            StoredFile(path, len(data), hashlib.sha256(data).hexdigest()[:16], began + timedelta(days=number))
            for number, (path, data) in enumerate(self.files.items())
        ]

    def open(self, path: str) -> IO[bytes]:
        if path not in self.files:
            raise FileNotFoundError(path)
        return io.BytesIO(self.files[path])

    def connector(self) -> NotionExport:
        return NotionExport({}, {}, self.around)


class ContractPlace(ExportPlace):
    """Two pages at the top, with pages below them. A page keeps its id wherever it lies."""

    branches = (f"page:{HOME}", f"page:{TASKS}")
    titles: ClassVar[dict[str, str]] = {HOME: "Handbook", TASKS: "Labs", RIG: "Rig", SUB: "Leave", "e" * 32: "Travel"}

    def __init__(self, archives: Extractor) -> None:
        super().__init__(archives)
        self.above = {HOME: "", TASKS: "", RIG: TASKS, SUB: HOME}
        self.words = {HOME: "welcome", TASKS: "scales", RIG: "coats", SUB: "thirty"}
        self.upload()

    def members(self) -> dict[str, bytes | str]:
        return {f"{self._path(key)}.md": f"# {self.titles[key]}\n\n{word}" for key, word in self.words.items()}

    def _path(self, key: str) -> str:
        name = f"{self.titles[key]} {key}"
        return f"{self._path(self.above[key])}/{name}" if self.above[key] else name

    def connector(self) -> NotionExport:
        return NotionExport({}, {}, self.around)

    def documents(self) -> dict[str, str]:
        return {f"page:{key}": word for key, word in self.words.items()}

    def branch_of(self, external_id: str) -> str:
        key = external_id.removeprefix("page:")
        return f"page:{self.above[key] or key}"

    def edit(self) -> str:
        self.words[SUB] = "thirty-one"
        self.upload()
        return f"page:{SUB}"

    def add(self) -> str:
        self.above["e" * 32], self.words["e" * 32] = HOME, "trains"
        self.upload()
        return f"page:{'e' * 32}"

    def delete(self) -> str:
        del self.words[RIG]
        self.upload()
        return f"page:{RIG}"

    def move(self) -> tuple[str, str]:
        self.above[RIG] = HOME
        self.upload()
        return f"page:{RIG}", f"page:{HOME}"


class TestNotionExport(ExportContract):
    @pytest.fixture
    def place(self, archives: Extractor) -> ContractPlace:
        return ContractPlace(archives)


@pytest.fixture
def store(archives: Extractor) -> Store:
    made = Store(archives)
    inner = zipped({f"Export-11111111-2222-3333-4444-555555555555/{path}": data for path, data in WORKSPACE.items()})
    made.files["Export-aaaa1111.zip"] = zipped({"ExportBlock-11111111-2222-3333-4444-555555555555-Part-1.zip": inner})
    return made


def text(store: Store, key: str) -> str:
    connector = store.connector()
    content = connector.fetch(Seen().run(connector).nodes[key])
    return content.markdown if content.markdown is not None else content.data.decode()


def test_parts_in_an_export_make_one_tree_without_ids(store: Store) -> None:
    seen = Seen().run(store.connector())
    told = {key: (node.title, node.parent) for key, node in seen.nodes.items()}
    assert told == {
        f"page:{HOME}": ("Home", None),
        f"page:{RIG}": ("Rig", f"page:{HOME}"),
        f"database:{TASKS}": ("Tasks", f"page:{HOME}"),
        f"page:{SUB}": ("Paint", f"database:{TASKS}"),
        f"file:Home {HOME}/Rig/plan.txt": ("plan.txt", f"page:{RIG}"),
    }
    assert None in seen.scopes
    assert seen.nodes[f"page:{HOME}"].url == f"https://www.notion.so/{HOME}"
    for node in seen.nodes.values():
        assert node.parent is None or seen.order.index(node.parent) < seen.order.index(node.external_id)


def test_what_holds_no_text_is_named_with_its_reason(store: Store) -> None:
    changes = list(store.connector().changes({}, ALL))
    skipped = {change.node.title: change.reason for change in changes if isinstance(change, Skipped)}
    assert set(skipped) == {"crane.png", "index.html"}
    assert "list of the files" in skipped["index.html"]


def test_the_whole_database_is_preferred_to_the_view_of_it(store: Store) -> None:
    connector = store.connector()
    content = connector.fetch(Seen().run(connector).nodes[f"database:{TASKS}"])
    (table,) = content.tables
    assert table.columns == ("Name", "Done", "Cost")
    assert [tuple(row) for row in table.rows] == [("Paint", True, 12), ("Sand", False, None)]
    assert content.markdown is not None
    assert "2 rows" in content.markdown


def test_rows_without_pages_are_in_the_text(archives: Extractor) -> None:
    store = Store(archives)
    store.files[f"Ships {TASKS}.csv"] = b"Name,Tons\nAurora,120\n"
    assert "| Aurora | 120 |" in text(store, f"database:{TASKS}")


def test_links_lead_to_notion_and_pictures_are_named(store: Store) -> None:
    assert text(store, f"page:{HOME}") == (
        f"# Home\n\n[Rig](https://www.notion.so/{RIG}) and [Tasks](https://www.notion.so/{TASKS})"
    )
    assert "[Image: crane.png]" in text(store, f"page:{RIG}")


def test_links_in_code_and_to_other_places_stay() -> None:
    code = "```\n[a](b.md)\n```"
    assert relinked(code) == code
    assert relinked("[x](https://example.com/a.md) `[a](b.md)`") == "[x](https://example.com/a.md) `[a](b.md)`"
    assert relinked("[Plan](Plan.md)") == "Plan"
    assert relinked("<aside>\n💡 Mind this\n</aside>") == "> 💡 Mind this"


def test_a_folder_that_was_unpacked_comes_in_just_the_same(store: Store, archives: Extractor) -> None:
    packed = Seen().run(store.connector())
    unpacked = Store(archives)
    unpacked.files = dict(WORKSPACE)
    assert set(Seen().run(unpacked.connector()).nodes) == set(packed.nodes)


def test_html_exports_are_pages_too(archives: Extractor) -> None:
    store = Store(archives)
    store.files["e.zip"] = zipped({f"Home {HOME}.html": b"<h1 class='page-title'>Home</h1><p>Harbour words</p>"})
    connector = store.connector()
    node = Seen().run(connector).nodes[f"page:{HOME}"]
    content = connector.fetch(node)
    assert (node.title, content.filename.endswith(".html")) == ("Home", True)
    assert b"Harbour words" in content.data


def test_of_a_page_in_two_exports_the_newer_counts(store: Store) -> None:
    before = Seen().run(store.connector())
    newer: dict[str, bytes | str] = {**WORKSPACE, f"Home {HOME}/Rig {RIG}.md": b"# Rig\n\nRebuilt"}
    store.files["Export-bbbb2222.zip"] = zipped(newer)
    after = Seen().run(store.connector())
    changed = {key for key, version in after.versions().items() if before.versions()[key] != version}
    assert changed == {f"page:{RIG}"}
    assert "Rebuilt" in text(store, f"page:{RIG}")


def test_only_what_is_chosen_is_told_below_what_is_above_it(store: Store) -> None:
    seen = Seen().run(store.connector(), [Chosen(f"database:{TASKS}")])
    assert seen.documents() == {f"database:{TASKS}", f"page:{SUB}"}
    assert not seen.nodes[f"page:{HOME}"].has_text
    chosen = [Chosen(None), Chosen(f"database:{TASKS}", include=False)]
    assert f"page:{SUB}" not in Seen().run(store.connector(), chosen).documents()


def test_the_tree_and_find_show_what_can_be_chosen(store: Store) -> None:
    connector = store.connector()
    assert [node.external_id for node in connector.children(None)] == [f"page:{HOME}"]
    assert {node.title for node in connector.children(f"page:{HOME}")} == {"Rig", "Tasks"}
    assert {node.title for node in connector.find("PAINT")} == {"Paint"}
    assert connector.estimate(ALL).documents == 5


def test_an_archive_that_is_damaged_takes_nothing_away(store: Store) -> None:
    known = Seen().run(store.connector())
    store.files["Export-aaaa1111.zip"] = store.files["Export-aaaa1111.zip"][:400]
    changes = list(store.connector().changes({}, ALL))
    assert not [change for change in changes if isinstance(change, Complete)]
    assert [change.node.title for change in changes if isinstance(change, Skipped)] == ["Export-aaaa1111.zip"]
    known.run(store.connector())
    assert f"page:{HOME}" in known.nodes
    told = store.connector().test()
    assert not told.ok
    assert told.message.startswith("Export-aaaa1111.zip can't be read: take it out, or hand it over anew. Damaged")


def test_of_a_damaged_archive_beside_an_export_its_own_name_is_told(store: Store) -> None:
    store.files["wrong.zip"] = b"PK\x03\x04"
    assert store.connector().test().message.startswith("wrong.zip can't be read")


def test_a_storage_that_is_down_is_no_deletion(store: Store) -> None:
    store.broken = True
    with pytest.raises(ConnectorError) as caught:
        list(store.connector().changes({}, ALL))
    assert not caught.value.permanent


def test_an_export_that_was_removed_meanwhile_is_said(store: Store) -> None:
    connector = store.connector()
    node = Seen().run(connector).nodes[f"page:{HOME}"]
    store.files.clear()
    with pytest.raises(NodeError, match="removed"):
        store.connector().fetch(node)
    assert Seen().run(store.connector()).nodes == {}


def test_columns_get_the_type_that_all_their_cells_have() -> None:
    data = (
        b"Name,Paid,When,Made,Zip,Odd,Name\n"
        b'a,"1,200.50","April 10, 1925","December 4, 2024 8:45 AM",01234,5,x\n'
        b"b,3,2025-01-02,,00099,five,y\n"
    )
    heads, rows = read_table(data)
    assert heads == ("Name", "Paid", "When", "Made", "Zip", "Odd", "Name (2)")
    assert rows[0] == ["a", 1200.5, date(1925, 4, 10), datetime(2024, 12, 4, 8, 45), "01234", "5", "x"]
    assert rows[1][1:5] == [3, date(2025, 1, 2), None, "00099"]


def test_an_empty_table_has_columns_and_no_rows() -> None:
    assert read_table(b"Name,Status\n") == (("Name", "Status"), [])
    assert read_table(b"") == ((), [])
