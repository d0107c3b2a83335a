"""What integrations write: told at once, whole, and only as far as it is chosen."""

from __future__ import annotations

import pytest

from datasources.connectors.api.connector import Written
from datasources.connectors.around import Around, TableRows, WrittenNode
from datasources.connectors.base import Chosen, ConnectorError, Delete, NodeError, Skipped, Upsert
from datasources.ingestion.extract import Extractor
from tests.contracts.documents import ALL, DocumentsContract, DocumentsPlace, Seen
from tests.vendors.places.written import MemoryStore


class Place(DocumentsPlace):
    branches = ("handbook", "crm")

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.store.write(WrittenNode("handbook", "Handbook"))
        self.store.write(WrittenNode("crm", "CRM"))
        self.store.write(WrittenNode("pay", "Pay", "handbook", text="Paid on the 25th.", url="https://wiki/pay"))
        self.store.write(WrittenNode("leave", "Leave", "handbook", text="Thirty days.", tags=("people",)))
        self.store.write(WrittenNode("leave-more", "Special leave", "leave", text="For a wedding, one day."))
        self.store.write(
            WrittenNode("deals", "Deals", "crm"), TableRows(("Customer", "Sum"), [["Fernholt", 12], ["Kaur", 7]])
        )
        self.words = {
            "pay": "25th",
            "leave": "Thirty",
            "leave-more": "wedding",
            "deals": "Customer",
        }

    def connector(self) -> Written:
        return Written({}, {}, Around(Extractor(workers=1), written=self.store))

    def documents(self) -> dict[str, str]:
        return dict(self.words)

    def edit(self) -> str:
        self.store.write(WrittenNode("pay", "Pay", "handbook", text="Paid on the last day."))
        self.words["pay"] = "last day"
        return "pay"

    def add(self) -> str:
        self.store.write(WrittenNode("travel", "Travel", "handbook", text="By train."))
        self.words["travel"] = "train"
        return "travel"

    def delete(self) -> str:
        self.store.remove("pay")
        del self.words["pay"]
        return "pay"

    def move(self) -> tuple[str, str]:
        self.store.write(WrittenNode("pay", "Pay", "crm", text="Paid on the 25th."))
        return "pay", "crm"

    def branch_of(self, external_id: str) -> str:
        return "crm" if external_id == "deals" else "handbook"


@pytest.fixture
def place() -> Place:
    return Place()


class TestWritten(DocumentsContract):
    """There is no vendor between: no key to revoke, no listing to break off, no rate."""


def test_without_a_store_it_says_so() -> None:
    assert Written.about.auths == ()
    with pytest.raises(ConnectorError) as caught:
        Written({}, {}, Around(Extractor(workers=1)))
    assert caught.value.permanent


def test_what_the_integration_removes_while_it_is_read_is_skipped(place: Place) -> None:
    seen = Seen().run(place.connector())
    deleted = place.delete()
    with pytest.raises(NodeError) as caught:
        place.connector().fetch(seen.nodes[deleted])
    assert caught.value.skip


def test_rows_become_a_table_and_a_text_that_names_its_columns(place: Place) -> None:
    seen = Seen().run(place.connector())
    content = place.connector().fetch(seen.nodes["deals"])
    (table,) = content.tables
    assert table.columns == ("Customer", "Sum")
    assert [list(row) for row in table.rows] == [["Fernholt", 12], ["Kaur", 7]]
    assert seen.nodes["deals"].kind == "table"
    assert "A table of 2 rows" in str(content.markdown)


def test_a_changed_row_changes_the_tables_version(place: Place) -> None:
    before = Seen().run(place.connector()).versions()["deals"]
    place.store.write(WrittenNode("deals", "Deals", "crm"), TableRows(("Customer", "Sum"), [["Fernholt", 13]]))
    assert Seen().run(place.connector()).versions()["deals"] != before


def test_tags_links_and_authors_are_told(place: Place) -> None:
    place.store.write(WrittenNode("note", "Note", text="x", tags=("a", "b"), url="https://x.example/1", author="Ann"))
    node = Seen().run(place.connector()).nodes["note"]
    assert (node.tags, node.url, node.author) == (("a", "b"), "https://x.example/1", "Ann")


def test_what_was_written_into_nothing_is_skipped_by_name(place: Place) -> None:
    place.store.write(WrittenNode("lost", "Lost", "nowhere", text="x"))
    skipped = [c for c in place.connector().changes({}, ALL) if isinstance(c, Skipped)]
    assert [change.node.external_id for change in skipped] == ["lost"]
    assert "nowhere" in skipped[0].reason
    (looked,) = place.connector().look(["lost"], ALL)
    assert isinstance(looked, Skipped)


def test_what_was_written_into_itself_is_skipped(place: Place) -> None:
    place.store.write(WrittenNode("a", "A", "b", text="x"))
    place.store.write(WrittenNode("b", "B", "a", text="x"))
    (looked,) = place.connector().look(["a"], ALL)
    assert isinstance(looked, Skipped)
    listed = [c for c in place.connector().changes({}, ALL) if isinstance(c, Skipped)]
    assert len(listed) == 2
    assert all("into itself" in change.reason for change in [looked, *listed])


def test_one_write_is_looked_at_alone_with_what_is_above_it(place: Place) -> None:
    changes = list(place.connector().look(["leave-more", "gone"], ALL))
    assert [c.node.external_id for c in changes if isinstance(c, Upsert)] == ["handbook", "leave", "leave-more"]
    assert changes[-1] == Delete("gone")


def test_a_document_that_only_holds_what_is_chosen_keeps_its_text_to_itself(place: Place) -> None:
    chosen = [Chosen("leave-more")]
    assert Seen().run(place.connector(), chosen).documents() == {"leave-more"}
    told = [c.node for c in place.connector().look(["leave-more"], chosen) if isinstance(c, Upsert)]
    assert [node.has_text for node in told] == [False, False, True]
    assert list(place.connector().look(["pay"], chosen)) == []


def test_readers_are_told_only_where_access_is_mirrored(place: Place) -> None:
    place.store.write(WrittenNode("secret", "Secret", text="x", readers=("mail:ann@acme.example",)))
    assert Seen().run(place.connector()).nodes["secret"].readers is None
    mirroring = Written({}, {}, Around(Extractor(workers=1), written=place.store, mirror=True))
    assert Seen().run(mirroring).nodes["secret"].readers == ("mail:ann@acme.example",)
