"""What every connector to a vendor must do. Subclass ``VendorContract`` and give it a ``place`` fixture.

The place wraps the vendor's loopback server: it says which documents are there, and changes them as a person would at
the vendor. Everything goes over HTTP. What a place of this kind can't do (move, say) it says with ``None``.
"""

from __future__ import annotations

import ast
import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

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
    Delivery,
    DeliveryRefused,
    Hears,
    Looks,
    Move,
    RemoteNode,
    Skipped,
    TestResult,
    Upsert,
)
from tests.vendors.places.loopback import Loopback

ALL = (Chosen(None),)


class VendorPlace(ABC):
    """``server``: running, filled with a few documents in at least two branches, over more than one page of a listing."""

    server: Loopback
    branches: tuple[str, str]
    """External ids of two containers (channels, spaces …) at the top, each with documents."""
    exact_deletes: bool = True
    """Whether a run from a cursor tells of deletions (else only a whole listing shows them)."""

    @abstractmethod
    def connector(self) -> Connector:
        """A new one, as a new process would make it."""

    @abstractmethod
    def documents(self) -> dict[str, str]:
        """What is at the vendor now and can be fetched: external id → a word that its text must contain."""

    @abstractmethod
    def edit(self) -> str:
        """Change one document's text, at a later time; its external id."""

    @abstractmethod
    def add(self) -> str:
        """Write a new document into the first branch; its external id."""

    @abstractmethod
    def delete(self) -> str:
        """Delete one document; its external id."""

    def move(self) -> tuple[str, str] | None:
        """Move one document elsewhere; (its external id, its new parent's). None: nothing moves at this vendor."""
        return None

    def branch_of(self, external_id: str) -> str:
        """The one of ``branches`` that holds the document; "" for neither."""
        return ""

    def deliver(self, external_id: str) -> Delivery | None:
        """What the vendor sends when this document has changed, rightly signed. None: this vendor sends nothing."""
        return None

    def forged(self, delivery: Delivery) -> Delivery:
        """The same with another body, or whatever makes the signature wrong."""
        return Delivery(
            delivery.method,
            delivery.headers,
            delivery.query,
            delivery.body + b" ",
            "another secret",
            delivery.now,
        )


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


def _error_of(call: Callable[[], object]) -> ConnectorError | None:
    try:
        call()
    except ConnectorError as error:
        return error
    return None


class VendorContract:
    """Give a fixture ``place`` in the subclass."""

    def test_it_says_how_it_is_connected(self, place: VendorPlace) -> None:
        about = place.connector().about
        assert about.kind
        assert about.label
        assert about.icon
        assert about.words.endswith(".")
        for auth in about.auths:
            assert auth.steps or auth.name == "none", f"{auth.label}: what is to be done at the vendor?"

    def test_it_knows_no_rows(self, place: VendorPlace) -> None:
        folder = Path(inspect.getfile(type(place.connector()))).parent
        for source in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(source.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not [n for n in names if n.startswith("django") or ".models" in n], source

    def test_a_test_of_the_connection_says_what_it_found(self, place: VendorPlace) -> None:
        result = place.connector().test()
        assert result.ok
        assert len(result.message) > 10

    def test_a_test_with_a_revoked_key_says_what_to_do(self, place: VendorPlace) -> None:
        place.server.revoke()
        results: list[TestResult] = []
        error = _error_of(lambda: results.append(place.connector().test()))
        assert (error is not None and error.permanent) or not results[0].ok
        assert len(str(error or results[0].message)) > 15

    def test_everything_is_told_and_nothing_else(self, place: VendorPlace) -> None:
        seen = Seen().run(place.connector())
        assert seen.documents() == set(place.documents())
        assert None in seen.scopes
        assert isinstance(seen.changes[-1], Complete)

    def test_parents_come_before_children(self, place: VendorPlace) -> None:
        seen = Seen().run(place.connector())
        for node in seen.nodes.values():
            if node.parent is not None:
                assert seen.order.index(node.parent) < seen.order.index(node.external_id)
                assert seen.nodes[node.parent].has_children

    def test_every_document_has_its_text_a_link_and_a_version(self, place: VendorPlace) -> None:
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

    def test_the_tree_is_lazy_and_holds_what_can_be_chosen(self, place: VendorPlace) -> None:
        connector = place.connector()
        top = connector.children(None)
        assert isinstance(top, Iterator)
        assert set(place.branches) <= {node.external_id for node in top}
        told = Seen().run(place.connector()).nodes
        for branch in place.branches:
            for node in connector.children(branch):
                assert node.parent == branch
                assert node.external_id in told

    def test_find_looks_at_names_whatever_their_case(self, place: VendorPlace) -> None:
        connector = place.connector()
        first = next(n for n in connector.children(None) if n.external_id == place.branches[0])
        assert place.branches[0] in {node.external_id for node in connector.find(first.title.swapcase())}
        assert list(connector.find("no such thing anywhere")) == []

    def test_only_what_is_chosen_is_told(self, place: VendorPlace) -> None:
        one, other = place.branches
        of_one = {key for key in place.documents() if place.branch_of(key) == one}
        of_other = {key for key in place.documents() if place.branch_of(key) == other}
        assert of_one
        assert of_other
        assert Seen().run(place.connector(), [Chosen(one)]).documents() == of_one
        rest = Seen().run(place.connector(), [Chosen(None), Chosen(one, include=False)]).documents()
        assert rest == set(place.documents()) - of_one

    def test_an_estimate_is_made_before_anything_is_fetched(self, place: VendorPlace) -> None:
        estimate = place.connector().estimate(ALL)
        if estimate.exact:
            assert estimate.documents == len(place.documents())
        else:
            assert estimate.documents > 0

    def test_what_did_not_change_is_not_fetched_again(self, place: VendorPlace) -> None:
        seen = Seen().run(place.connector())
        before, asked = seen.versions(), len(place.server.requests)
        place.server.requests.clear()
        seen.run(place.connector())
        assert seen.versions() == before
        assert len(place.server.requests) <= asked

    def test_an_edit_changes_one_version(self, place: VendorPlace) -> None:
        seen = Seen().run(place.connector())
        before = seen.versions()
        edited = place.edit()
        connector = place.connector()
        after = seen.run(connector).versions()
        assert {key for key in after if after[key] != before.get(key)} == {edited}
        content = connector.fetch(seen.nodes[edited])
        text = content.markdown if content.markdown is not None else content.data.decode("utf-8", "replace")
        assert place.documents()[edited] in text

    def test_what_is_new_is_told(self, place: VendorPlace) -> None:
        seen = Seen().run(place.connector())
        added = place.add()
        seen.run(place.connector())
        assert added in seen.documents()
        assert seen.documents() == set(place.documents())

    def test_what_is_deleted_goes(self, place: VendorPlace) -> None:
        seen = Seen().run(place.connector())
        deleted = place.delete()
        if not place.exact_deletes:
            seen.cursor = {}
        seen.run(place.connector())
        assert deleted not in seen.documents()
        assert seen.documents() == set(place.documents())

    def test_what_moves_is_known_at_its_new_place(self, place: VendorPlace) -> None:
        seen = Seen().run(place.connector())
        moved = place.move()
        if moved is None:
            return
        seen.run(place.connector())
        assert seen.nodes[moved[0]].parent == moved[1]
        assert seen.documents() == set(place.documents())

    def test_a_listing_that_is_broken_off_anywhere_goes_on(self, place: VendorPlace) -> None:
        """As kill -9 leaves it: after the n-th request nothing more is heard, and a new process goes on from the checkpoint."""
        whole = Seen().run(place.connector())
        place.server.requests.clear()
        Seen().run(place.connector())
        for number in range(len(place.server.requests)):
            seen = Seen()
            place.server.cut(after=number)
            error = _error_of(lambda seen=seen: seen.take_all(place.connector().changes({}, ALL)))
            assert error is not None, f"request {number}"
            assert not error.permanent, f"request {number}: {error}"
            assert None not in seen.scopes, f"request {number}"
            place.server.heal()
            seen.take_all(place.connector().changes(seen.cursor, ALL))
            seen.prune()
            assert seen.versions() == whole.versions(), f"request {number}"

    def test_an_outage_in_the_middle_is_never_taken_for_deletion(self, place: VendorPlace) -> None:
        seen = Seen().run(place.connector())
        known = seen.documents()
        place.server.requests.clear()
        Seen().run(place.connector())
        for number in range(len(place.server.requests)):
            place.server.refuse(503, after=number, times=None)
            seen.cursor = {}
            with pytest.raises(ConnectorError) as caught:
                seen.run(place.connector())
            assert not caught.value.permanent
            seen.prune()
            assert seen.documents() == known, f"request {number}"
            place.server.heal()

    def test_a_rate_limit_is_told_with_the_vendors_wait(self, place: VendorPlace) -> None:
        Seen().run(place.connector())
        number = len(place.server.requests)
        for after in (0, number - 1):
            place.server.requests.clear()
            place.server.refuse(429, after=after, headers={"Retry-After": "7"}, times=None)
            with pytest.raises(ConnectorError) as caught:
                Seen().run(place.connector())
            assert not caught.value.permanent
            assert caught.value.retry_after is not None
            assert 5 <= caught.value.retry_after <= 9
            assert len(place.server.requests) == after + 1, "it went on asking"
            place.server.heal()

    def test_a_key_that_is_revoked_in_the_middle_needs_a_person(self, place: VendorPlace) -> None:
        changes = place.connector().changes({}, ALL)
        next(changes)
        place.server.revoke()
        with pytest.raises(ConnectorError) as caught:
            list(changes)
        assert caught.value.permanent
        assert len(str(caught.value)) > 15

    def test_fetching_while_the_vendor_fails_can_be_tried_again(self, place: VendorPlace) -> None:
        connector = place.connector()
        seen = Seen().run(connector)
        node = next(node for node in seen.nodes.values() if node.has_text)
        place.server.requests.clear()
        place.server.refuse(500, times=None)
        error = _error_of(lambda: place.connector().fetch(node))
        if error is None:
            assert not place.server.requests, "it asked, was refused, and said nothing"
        else:
            assert not error.permanent

    def test_a_webhook_tells_which_nodes_and_only_the_vendor_can_send_it(self, place: VendorPlace) -> None:
        connector = place.connector()
        seen = Seen().run(connector)
        edited = place.edit()
        delivery = place.deliver(edited)
        if delivery is None:
            assert connector.about.webhook is None
            return
        assert connector.about.webhook is not None
        assert isinstance(connector, Hears)
        heard = connector.webhook(delivery)
        assert heard.key
        assert heard.everything or edited in heard.nodes
        with pytest.raises(DeliveryRefused):
            connector.webhook(place.forged(delivery))
        if heard.nodes:
            assert isinstance(connector, Looks)
            before = seen.versions()
            seen.take_all(connector.look(heard.nodes, ALL))
            assert seen.versions()[edited] != before[edited]
            assert seen.documents() == set(place.documents())

    def test_looking_at_what_is_gone_says_so(self, place: VendorPlace) -> None:
        connector = place.connector()
        seen = Seen().run(connector)
        if not isinstance(connector, Looks):
            return
        deleted = place.delete()
        seen.take_all(connector.look([deleted], ALL))
        assert deleted not in seen.documents()
