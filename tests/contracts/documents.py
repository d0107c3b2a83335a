"""What every connector must do: asked over HTTP (vendor.py), handed over as a zip (export.py), or reading files (files.py).

The place says which documents are there, and changes them as a person would. What a place of this kind can't do (move, say)
it says with ``None``.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from datasources.connectors.base import (
    Change,
    Checkpoint,
    Chosen,
    Complete,
    Connector,
    ConnectorError,
    Content,
    Cursor,
    Delete,
    Move,
    RemoteNode,
    Skipped,
    Upsert,
)
from tests.contracts.rows import assert_knows_no_rows

ALL = (Chosen(None),)


class DocumentsPlace(ABC):
    """A few documents in at least two branches."""

    branches: tuple[str, str]
    """External ids of two containers (channels, spaces …) at the top, each with documents."""
    prunes: bool = True
    """Whether what is gone from the place may be removed by a run (else only by who put it there)."""
    exact_deletes: bool = True
    """Whether a run from a cursor tells of deletions (else only a whole listing shows them)."""

    @abstractmethod
    def connector(self) -> Connector:
        """A new one, as a new process would make it."""

    @abstractmethod
    def documents(self) -> dict[str, str]:
        """What is there now and can be fetched: external id → a word that its text must contain."""

    @abstractmethod
    def edit(self) -> str:
        """Change one document's text, at a later time; its external id."""

    @abstractmethod
    def add(self) -> str:
        """Write a new document into the first branch; its external id."""

    @abstractmethod
    def delete(self) -> str:
        """Delete one document; its external id."""

    def along(self, external_id: str) -> set[str]:
        """What else changes with a document: the table that it is a row of."""
        return set()

    def move(self) -> tuple[str, str] | None:
        """Move one document elsewhere; (its external id, its new parent's). None: nothing moves at this vendor."""
        return None

    def branch_of(self, external_id: str) -> str:
        """The one of ``branches`` that holds the document; "" for neither."""
        return ""


class Seen:
    """What a sync would hold after these changes."""

    def __init__(self) -> None:
        self.nodes: dict[str, RemoteNode] = {}
        self.cursor: Cursor = {}
        self.scopes: list[str | None] = []
        self.told: set[str] = set()
        self.order: list[str] = []
        self.changes: list[Change] = []

    def take(self, change: Change) -> None:
        self.changes.append(change)
        match change:
            case Upsert(node):
                if node.external_id not in self.told:
                    self.order.append(node.external_id)
                self.nodes[node.external_id] = node
                self.told.add(node.external_id)
            case Skipped(node, reason):
                assert len(reason) > 4
                self.nodes.pop(node.external_id, None)
                self.told.add(node.external_id)
            case Delete(external_id):
                self.forget(external_id)
            case Move(external_id, parent, title):
                old = self.nodes[external_id]
                self.nodes[external_id] = RemoteNode(
                    external_id, old.kind, title or old.title, parent, old.version, old.has_text, old.has_children
                )
            case Checkpoint(cursor):
                self.cursor = json.loads(json.dumps(dict(cursor)))
            case Complete(scope):
                self.scopes.append(scope)

    def forget(self, external_id: str) -> None:
        below = {external_id}
        while True:
            more = {key for key, node in self.nodes.items() if node.parent in below} - below
            if not more:
                break
            below |= more
        for key in below:
            self.nodes.pop(key, None)

    def run(self, connector: Connector, chosen: Sequence[Chosen] = ALL) -> Seen:
        """One run from where the last ended; afterwards what a complete listing did not tell is forgotten."""
        self.told, self.order, self.scopes, self.changes = set(), [], [], []
        self.take_all(connector.changes(self.cursor, chosen))
        self.prune()
        return self

    def take_all(self, changes: Iterator[Change]) -> None:
        for change in changes:
            self.take(change)

    def prune(self) -> None:
        for scope in self.scopes:
            for key in list(self.nodes):
                if key not in self.told and key in self.nodes and (scope is None or self._below(key, scope)):
                    del self.nodes[key]

    def _below(self, key: str, scope: str) -> bool:
        node = self.nodes.get(key)
        while node is not None and node.parent is not None:
            if node.parent == scope:
                return True
            node = self.nodes.get(node.parent)
        return False

    def documents(self) -> set[str]:
        return {key for key, node in self.nodes.items() if node.has_text}

    def versions(self) -> dict[str, str]:
        return {key: node.version for key, node in self.nodes.items() if node.has_text}


def error_of(call: Callable[[], object]) -> ConnectorError | None:
    try:
        call()
    except ConnectorError as error:
        return error
    return None


class DocumentsContract:
    """Give a fixture ``place`` in the subclass."""

    def test_it_says_how_it_is_connected(self, place: DocumentsPlace) -> None:
        about = place.connector().about
        assert about.kind
        assert about.label
        assert about.icon
        assert about.words.endswith(".")
        for auth in about.auths:
            assert auth.steps or auth.name == "none", f"{auth.label}: what is to be done at the vendor?"

    def test_it_knows_no_rows(self, place: DocumentsPlace) -> None:
        assert_knows_no_rows(place.connector())

    def test_a_test_of_the_connection_says_what_it_found(self, place: DocumentsPlace) -> None:
        result = place.connector().test()
        assert result.ok
        assert len(result.message) > 10

    def test_everything_is_told_and_nothing_else(self, place: DocumentsPlace) -> None:
        seen = Seen().run(place.connector())
        assert seen.documents() == set(place.documents())
        assert (None in seen.scopes) == place.prunes
        if place.prunes:
            assert isinstance(seen.changes[-1], Complete)

    def test_parents_come_before_children(self, place: DocumentsPlace) -> None:
        seen = Seen().run(place.connector())
        for node in seen.nodes.values():
            if node.parent is not None:
                assert seen.order.index(node.parent) < seen.order.index(node.external_id)
                assert seen.nodes[node.parent].has_children

    def test_every_document_has_its_text_a_link_and_a_version(self, place: DocumentsPlace) -> None:
        connector = place.connector()
        seen = Seen().run(connector)
        for key, word in place.documents().items():
            node = seen.nodes[key]
            content = connector.fetch(node)
            assert isinstance(content, Content)
            text = content.markdown if content.markdown is not None else content.data.decode("utf-8", "replace")
            assert word in text, key
            assert node.version, key
            assert node.title, key
            assert node.url.startswith(("http://", "https://")) or not node.url

    def test_the_tree_is_lazy_and_holds_what_can_be_chosen(self, place: DocumentsPlace) -> None:
        connector = place.connector()
        top = connector.children(None)
        assert isinstance(top, Iterator)
        assert set(place.branches) <= {node.external_id for node in top}
        told = Seen().run(place.connector()).nodes
        for branch in place.branches:
            for node in connector.children(branch):
                assert node.parent == branch
                assert node.external_id in told

    def test_find_looks_at_names_whatever_their_case(self, place: DocumentsPlace) -> None:
        connector = place.connector()
        first = next(n for n in connector.children(None) if n.external_id == place.branches[0])
        assert place.branches[0] in {node.external_id for node in connector.find(first.title.swapcase())}
        assert list(connector.find("no such thing anywhere")) == []

    def test_only_what_is_chosen_is_told(self, place: DocumentsPlace) -> None:
        one, other = place.branches
        of_one = {key for key in place.documents() if place.branch_of(key) == one}
        of_other = {key for key in place.documents() if place.branch_of(key) == other}
        assert of_one
        assert of_other
        assert Seen().run(place.connector(), [Chosen(one)]).documents() == of_one
        rest = Seen().run(place.connector(), [Chosen(None), Chosen(one, include=False)]).documents()
        assert rest == set(place.documents()) - of_one

    def test_an_estimate_is_made_before_anything_is_fetched(self, place: DocumentsPlace) -> None:
        estimate = place.connector().estimate(ALL)
        if estimate.exact:
            assert estimate.documents == len(place.documents())
        else:
            assert estimate.documents > 0

    def test_an_edit_changes_one_version(self, place: DocumentsPlace) -> None:
        seen = Seen().run(place.connector())
        before = seen.versions()
        edited = place.edit()
        connector = place.connector()
        after = seen.run(connector).versions()
        assert {key for key in after if after[key] != before.get(key)} == {edited, *place.along(edited)}
        content = connector.fetch(seen.nodes[edited])
        text = content.markdown if content.markdown is not None else content.data.decode("utf-8", "replace")
        assert place.documents()[edited] in text

    def test_what_is_new_is_told(self, place: DocumentsPlace) -> None:
        seen = Seen().run(place.connector())
        added = place.add()
        seen.run(place.connector())
        assert added in seen.documents()
        assert seen.documents() == set(place.documents())

    def test_what_is_deleted_goes(self, place: DocumentsPlace) -> None:
        seen = Seen().run(place.connector())
        deleted = place.delete()
        if not place.exact_deletes:
            seen.cursor = {}
        seen.run(place.connector())
        gone = {deleted} if place.prunes else set()
        assert seen.documents() == {*place.documents(), deleted} - gone

    def test_what_moves_is_known_at_its_new_place(self, place: DocumentsPlace) -> None:
        seen = Seen().run(place.connector())
        moved = place.move()
        if moved is None:
            return
        seen.run(place.connector())
        assert seen.nodes[moved[0]].parent == moved[1]
        assert seen.documents() >= set(place.documents())
        assert seen.documents() == set(place.documents()) or not place.prunes

    def test_what_did_not_change_keeps_its_version(self, place: DocumentsPlace) -> None:
        seen = Seen().run(place.connector())
        before = seen.versions()
        assert seen.run(place.connector()).versions() == before
