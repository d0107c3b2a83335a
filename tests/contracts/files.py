"""What every connector to files must do: documents.py, and what only paths have. Subclass it and give it a place to read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice

import pytest

from datasources.connectors.base import (
    Change,
    Checkpoint,
    Chosen,
    Complete,
    Connector,
    ConnectorError,
    Estimate,
    Move,
    NodeError,
    RemoteNode,
    Skipped,
    Upsert,
)
from tests.contracts.documents import ALL, DocumentsContract, DocumentsPlace

FILES = {
    "handbook/leave.md": b"# Leave\n\nAsk early.",
    "handbook/travel/rail.md": b"# Rail",
    "handbook/page 10.md": b"ten",
    "handbook/page 2.md": b"two",
    "notes.txt": b"Notes",
    "reports/spring.md": b"Spring was quiet.",
}


class FilesPlace(DocumentsPlace):
    """The place that the connector reads, as the test changes it. Paths are POSIX, their folders made as needed."""

    branches = ("handbook", "reports")

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    def fill(self) -> None:
        for path, data in FILES.items():
            self.write(path, data)
            self.words[path] = data.decode().split()[-1]

    def documents(self) -> dict[str, str]:
        return dict(self.words)

    def edit(self) -> str:
        self.write("handbook/leave.md", b"# Leave\n\nAsk earlier than that")
        self.words["handbook/leave.md"] = "that"
        return "handbook/leave.md"

    def add(self) -> str:
        self.write("handbook/new.md", b"Something that is new")
        self.words["handbook/new.md"] = "new"
        return "handbook/new.md"

    def delete(self) -> str:
        self.remove("handbook/travel/rail.md")
        del self.words["handbook/travel/rail.md"]
        return "handbook/travel/rail.md"

    def move(self) -> tuple[str, str]:
        """A file's id is its path: what moves is another one afterwards."""
        self.rename("handbook/page 2.md", "reports/page 2.md")
        self.words["reports/page 2.md"] = self.words.pop("handbook/page 2.md")
        return "reports/page 2.md", "reports"

    def branch_of(self, external_id: str) -> str:
        return external_id.partition("/")[0]

    @abstractmethod
    def write(self, path: str, data: bytes) -> None: ...

    @abstractmethod
    def remove(self, path: str) -> None: ...

    @abstractmethod
    def rename(self, path: str, to: str) -> None: ...

    @abstractmethod
    def break_below(self, path: str) -> None:
        """From now on what lies in the folder ``path`` can't be listed; "" is the whole place."""


def told(connector: Connector, chosen: Sequence[Chosen] = ALL) -> list[Change]:
    return list(connector.changes({}, chosen))


def nodes(changes: Sequence[Change]) -> dict[str, RemoteNode]:
    return {change.node.external_id: change.node for change in changes if isinstance(change, Upsert)}


def scopes(changes: Sequence[Change]) -> set[str | None]:
    return {change.scope for change in changes if isinstance(change, Complete)}


class FilesContract(DocumentsContract):
    """Give a fixture ``place`` in the subclass."""

    @pytest.fixture
    def place(self, place: FilesPlace) -> FilesPlace:
        place.fill()
        return place

    def test_all_is_told_parents_before_children(self, place: FilesPlace) -> None:
        changes = told(place.connector())
        found = nodes(changes)
        assert {"handbook/leave.md", "handbook/travel/rail.md", "notes.txt"} <= set(found)
        order = [change.node.external_id for change in changes if isinstance(change, Upsert)]
        assert len(order) == len(set(order))
        for node in found.values():
            if node.parent is not None:
                assert order.index(node.parent) < order.index(node.external_id)
                assert found[node.parent].has_children

    def test_a_whole_listing_says_that_it_is_complete(self, place: FilesPlace) -> None:
        assert (None in scopes(told(place.connector()))) == place.prunes

    def test_complete_comes_last(self, place: FilesPlace) -> None:
        changes = told(place.connector())
        if None in scopes(changes):
            assert isinstance(changes[-1], Complete)
            assert not [c for c in changes[changes.index(Complete(None)) :] if isinstance(c, Upsert | Skipped)]

    def test_checkpoints_are_values_that_can_be_stored(self, place: FilesPlace) -> None:
        import json

        for change in told(place.connector()):
            if isinstance(change, Checkpoint):
                assert json.loads(json.dumps(dict(change.cursor))) == dict(change.cursor)

    def test_what_changed_gets_another_version(self, place: FilesPlace) -> None:
        before = nodes(told(place.connector()))
        place.write("handbook/leave.md", b"# Leave\n\nAsk earlier than that.")
        after = nodes(told(place.connector()))
        changed = {key for key in after if after[key].version != before[key].version}
        assert changed == {"handbook/leave.md"}

    def test_what_was_deleted_is_told_no_more(self, place: FilesPlace) -> None:
        place.remove("handbook/leave.md")
        changes = told(place.connector())
        assert "handbook/leave.md" not in nodes(changes)
        assert "handbook/travel/rail.md" in nodes(changes)

    def test_what_moved_is_told_at_its_new_place_only(self, place: FilesPlace) -> None:
        place.rename("handbook/travel/rail.md", "handbook/trains.md")
        changes = told(place.connector())
        moved = [c for c in changes if isinstance(c, Move)]
        found = nodes(changes)
        if not moved:
            assert "handbook/travel/rail.md" not in found
            assert found["handbook/trains.md"].parent == "handbook"

    def test_an_outage_is_never_taken_for_deletion(self, place: FilesPlace) -> None:
        place.break_below("handbook/travel")
        try:
            changes = told(place.connector())
        except ConnectorError:
            return
        assert not scopes(changes) & {None, "handbook", "handbook/travel"}
        assert [c for c in changes if isinstance(c, Skipped) and c.reason]

    def test_a_place_that_is_gone_is_an_error_for_a_person(self, place: FilesPlace) -> None:
        connector = place.connector()
        place.break_below("")
        with pytest.raises(ConnectorError) as caught:
            told(connector)
        assert len(str(caught.value)) > 15

    def test_an_outage_in_the_middle_ends_without_complete(self, place: FilesPlace) -> None:
        changes = place.connector().changes({}, ALL)
        seen = list(islice(changes, 1))
        place.break_below("")
        try:
            seen += list(changes)
        except ConnectorError:
            pass
        else:
            assert not place.prunes
        assert None not in scopes(seen)

    def test_children_are_lazy_and_in_the_order_that_a_person_expects(self, place: FilesPlace) -> None:
        connector = place.connector()
        assert isinstance(connector.children(None), Iterator)
        assert [node.title for node in connector.children(None)] == ["handbook", "reports", "notes.txt"]
        inside = [node.title for node in connector.children("handbook")]
        assert inside == ["travel", "leave.md", "page 2.md", "page 10.md"]
        assert [node.external_id for node in connector.children("handbook/travel")] == ["handbook/travel/rail.md"]

    def test_children_and_changes_tell_the_same_nodes(self, place: FilesPlace) -> None:
        connector = place.connector()
        found = nodes(told(connector))
        open_, seen = [None], {}
        while open_:
            for node in connector.children(open_.pop()):
                seen[node.external_id] = node
                if node.has_children:
                    open_.append(node.external_id)
        assert seen == found

    def test_find_looks_at_names_whatever_their_case(self, place: FilesPlace) -> None:
        assert {node.title for node in place.connector().find("RAIL")} == {"rail.md"}
        assert list(place.connector().find("no such thing")) == []

    def test_an_estimate_counts_documents(self, place: FilesPlace) -> None:
        estimate = place.connector().estimate(ALL)
        assert isinstance(estimate, Estimate)
        assert estimate.documents == 6
        assert estimate.bytes > 0

    def test_only_what_is_chosen_is_told(self, place: FilesPlace) -> None:
        connector = place.connector()
        found = nodes(told(connector, [Chosen("handbook"), Chosen("handbook/travel", include=False)]))
        assert {k for k, n in found.items() if n.has_text} == {
            "handbook/leave.md",
            "handbook/page 2.md",
            "handbook/page 10.md",
        }
        found = nodes(told(connector, [Chosen("handbook/travel/rail.md")]))
        assert set(found) == {"handbook", "handbook/travel", "handbook/travel/rail.md"}
        found = nodes(told(connector, [Chosen(None), Chosen("handbook", include=False)]))
        assert set(found) == {"notes.txt", "reports", "reports/spring.md"}

    def test_a_listing_of_a_part_completes_it_or_the_place_has_nothing_to_choose_from(self, place: FilesPlace) -> None:
        """So that what is added later is known from what was there: see datasources/syncing/later.py."""
        connector = place.connector()
        if connector.about.tree:
            completed = scopes(told(connector, [Chosen("handbook", future=False)]))
            assert {None, "handbook"} & set(completed)

    def test_fetching_what_is_gone_speaks_of_that_node_alone(self, place: FilesPlace) -> None:
        connector = place.connector()
        node = nodes(told(connector))["notes.txt"]
        place.remove("notes.txt")
        with pytest.raises(NodeError):
            connector.fetch(node)
