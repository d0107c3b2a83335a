"""What every connector must do, whatever it connects to. Subclass it and give it a place to read."""

from __future__ import annotations

from abc import ABC, abstractmethod
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
    Content,
    Estimate,
    Move,
    NodeError,
    RemoteNode,
    Skipped,
    TestResult,
    Upsert,
)
from tests.contracts.rows import assert_knows_no_rows

ALL = (Chosen(None),)


class Place(ABC):
    """The place that the connector reads, as the test changes it. Paths are POSIX, their folders made as needed."""

    prunes: bool = True
    """Whether what is gone from the place may be removed by a run."""

    @abstractmethod
    def connector(self) -> Connector: ...

    @abstractmethod
    def write(self, path: str, data: bytes) -> None: ...

    @abstractmethod
    def remove(self, path: str) -> None: ...

    @abstractmethod
    def move(self, path: str, to: str) -> None: ...

    @abstractmethod
    def break_below(self, path: str) -> None:
        """From now on what lies in the folder ``path`` can't be listed; "" is the whole place."""


def told(connector: Connector, chosen: Sequence[Chosen] = ALL) -> list[Change]:
    return list(connector.changes({}, chosen))


def nodes(changes: Sequence[Change]) -> dict[str, RemoteNode]:
    return {change.node.external_id: change.node for change in changes if isinstance(change, Upsert)}


def scopes(changes: Sequence[Change]) -> set[str | None]:
    return {change.scope for change in changes if isinstance(change, Complete)}


class ConnectorContract:
    """Give a fixture ``place`` in the subclass."""

    @pytest.fixture
    def filled(self, place: Place) -> Place:
        place.write("handbook/leave.md", b"# Leave\n\nAsk early.")
        place.write("handbook/travel/rail.md", b"# Rail")
        place.write("handbook/page 10.md", b"ten")
        place.write("handbook/page 2.md", b"two")
        place.write("notes.txt", b"Notes")
        return place

    def test_it_has_a_kind_and_a_label(self, place: Place) -> None:
        connector = place.connector()
        assert connector.about.kind
        assert connector.about.label

    def test_it_knows_no_rows(self, place: Place) -> None:
        assert_knows_no_rows(place.connector())

    def test_test_says_what_it_found(self, filled: Place) -> None:
        result = filled.connector().test()
        assert isinstance(result, TestResult)
        assert result.ok
        assert result.message

    def test_all_is_told_parents_before_children(self, filled: Place) -> None:
        changes = told(filled.connector())
        found = nodes(changes)
        assert {"handbook/leave.md", "handbook/travel/rail.md", "notes.txt"} <= set(found)
        order = [change.node.external_id for change in changes if isinstance(change, Upsert)]
        assert len(order) == len(set(order))
        for node in found.values():
            if node.parent is not None:
                assert order.index(node.parent) < order.index(node.external_id)
                assert found[node.parent].has_children

    def test_every_document_can_be_fetched(self, filled: Place) -> None:
        connector = filled.connector()
        for node in nodes(told(connector)).values():
            if node.has_text:
                content = connector.fetch(node)
                assert isinstance(content, Content)
                assert content.data or content.markdown is not None
                assert content.filename

    def test_a_whole_listing_says_that_it_is_complete(self, filled: Place) -> None:
        assert (None in scopes(told(filled.connector()))) == filled.prunes

    def test_complete_comes_last(self, filled: Place) -> None:
        changes = told(filled.connector())
        if None in scopes(changes):
            assert isinstance(changes[-1], Complete)
            assert not [c for c in changes[changes.index(Complete(None)) :] if isinstance(c, Upsert | Skipped)]

    def test_checkpoints_are_values_that_can_be_stored(self, filled: Place) -> None:
        import json

        for change in told(filled.connector()):
            if isinstance(change, Checkpoint):
                assert json.loads(json.dumps(dict(change.cursor))) == dict(change.cursor)

    def test_what_did_not_change_keeps_its_version(self, filled: Place) -> None:
        before, after = nodes(told(filled.connector())), nodes(told(filled.connector()))
        assert {k: n.version for k, n in before.items()} == {k: n.version for k, n in after.items()}
        assert all(node.version for node in before.values() if node.has_text)

    def test_what_changed_gets_another_version(self, filled: Place) -> None:
        before = nodes(told(filled.connector()))
        filled.write("handbook/leave.md", b"# Leave\n\nAsk earlier than that.")
        after = nodes(told(filled.connector()))
        changed = {key for key in after if after[key].version != before[key].version}
        assert changed == {"handbook/leave.md"}

    def test_what_was_deleted_is_told_no_more(self, filled: Place) -> None:
        filled.remove("handbook/leave.md")
        changes = told(filled.connector())
        assert "handbook/leave.md" not in nodes(changes)
        assert "handbook/travel/rail.md" in nodes(changes)

    def test_what_moved_is_told_at_its_new_place_only(self, filled: Place) -> None:
        filled.move("handbook/travel/rail.md", "handbook/trains.md")
        changes = told(filled.connector())
        moved = [c for c in changes if isinstance(c, Move)]
        found = nodes(changes)
        if not moved:
            assert "handbook/travel/rail.md" not in found
            assert found["handbook/trains.md"].parent == "handbook"

    def test_an_outage_is_never_taken_for_deletion(self, filled: Place) -> None:
        filled.break_below("handbook/travel")
        try:
            changes = told(filled.connector())
        except ConnectorError:
            return
        assert not scopes(changes) & {None, "handbook", "handbook/travel"}
        assert [c for c in changes if isinstance(c, Skipped) and c.reason]

    def test_a_place_that_is_gone_is_an_error_for_a_person(self, filled: Place) -> None:
        connector = filled.connector()
        filled.break_below("")
        with pytest.raises(ConnectorError) as caught:
            told(connector)
        assert len(str(caught.value)) > 15

    def test_an_outage_in_the_middle_ends_without_complete(self, filled: Place) -> None:
        changes = filled.connector().changes({}, ALL)
        seen = list(islice(changes, 1))
        filled.break_below("")
        try:
            seen += list(changes)
        except ConnectorError:
            pass
        else:
            assert not filled.prunes
        assert None not in scopes(seen)

    def test_children_are_lazy_and_in_the_order_that_a_person_expects(self, filled: Place) -> None:
        connector = filled.connector()
        assert isinstance(connector.children(None), Iterator)
        assert [node.title for node in connector.children(None)] == ["handbook", "notes.txt"]
        inside = [node.title for node in connector.children("handbook")]
        assert inside == ["travel", "leave.md", "page 2.md", "page 10.md"]
        assert [node.external_id for node in connector.children("handbook/travel")] == ["handbook/travel/rail.md"]

    def test_children_and_changes_tell_the_same_nodes(self, filled: Place) -> None:
        connector = filled.connector()
        found = nodes(told(connector))
        open_, seen = [None], {}
        while open_:
            for node in connector.children(open_.pop()):
                seen[node.external_id] = node
                if node.has_children:
                    open_.append(node.external_id)
        assert seen == found

    def test_find_looks_at_names_whatever_their_case(self, filled: Place) -> None:
        assert {node.title for node in filled.connector().find("RAIL")} == {"rail.md"}
        assert list(filled.connector().find("no such thing")) == []

    def test_an_estimate_counts_documents(self, filled: Place) -> None:
        estimate = filled.connector().estimate(ALL)
        assert isinstance(estimate, Estimate)
        assert estimate.documents == 5
        assert estimate.bytes > 0

    def test_only_what_is_chosen_is_told(self, filled: Place) -> None:
        connector = filled.connector()
        found = nodes(told(connector, [Chosen("handbook"), Chosen("handbook/travel", include=False)]))
        assert {k for k, n in found.items() if n.has_text} == {
            "handbook/leave.md",
            "handbook/page 2.md",
            "handbook/page 10.md",
        }
        found = nodes(told(connector, [Chosen("handbook/travel/rail.md")]))
        assert set(found) == {"handbook", "handbook/travel", "handbook/travel/rail.md"}
        found = nodes(told(connector, [Chosen(None), Chosen("handbook", include=False)]))
        assert set(found) == {"notes.txt"}

    def test_a_listing_of_a_part_completes_it_or_the_place_has_nothing_to_choose_from(self, filled: Place) -> None:
        """So that what is added later is known from what was there: see datasources/syncing/later.py."""
        connector = filled.connector()
        if connector.about.tree:
            completed = scopes(told(connector, [Chosen("handbook", future=False)]))
            assert {None, "handbook"} & set(completed)

    def test_fetching_what_is_gone_speaks_of_that_node_alone(self, filled: Place) -> None:
        connector = filled.connector()
        node = nodes(told(connector))["notes.txt"]
        filled.remove("notes.txt")
        with pytest.raises(NodeError):
            connector.fetch(node)
