"""What every connector to a vendor must do. Subclass ``VendorContract`` and give it a ``place`` fixture.

The place wraps the vendor's loopback server, and everything goes over HTTP; see documents.py for what any place has to say.
"""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
import requests

from datasources.connectors import http
from datasources.connectors.base import (
    Connector,
    ConnectorError,
    Delivery,
    DeliveryRefused,
    Hears,
    Looks,
    TestResult,
)
from tests.contracts.documents import ALL, DocumentsContract, DocumentsPlace, Seen, error_of
from tests.vendors.places.loopback import Loopback

__all__ = ["ALL", "Seen", "VendorContract", "VendorPlace"]

PATIENCE = 0.25
"""Seconds that a connector waits for an answer in the test of slow ones."""


class VendorPlace(DocumentsPlace):
    """``server``: running, and with more than one page of a listing."""

    server: Loopback

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


class Holding:
    """A sync in small: it reads the text of each document of which it does not hold this version."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.held: dict[str, str] = {}
        self.fetched: list[str] = []

    def sync(self, connector: Connector) -> Holding:
        self.seen.run(connector)
        return self.fetch(connector)

    def fetch(self, connector: Connector) -> Holding:
        self.fetched = []
        for key, version in self.seen.versions().items():
            if self.held.get(key) != version:
                connector.fetch(self.seen.nodes[key])
                self.held[key] = version
                self.fetched.append(key)
        return self


class VendorContract(DocumentsContract):
    """Give a fixture ``place`` in the subclass."""

    @pytest.fixture
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever a connector asks for, an answer has to come within PATIENCE."""
        send, handle = http._PinnedAdapter.send, http._PinnedTransport.handle_request

        def sent(adapter: Any, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            return send(adapter, request, *args, **{**kwargs, "timeout": PATIENCE})

        def handled(transport: Any, request: httpx.Request) -> httpx.Response:
            request.extensions = {
                **request.extensions,
                "timeout": dict.fromkeys(("connect", "read", "write", "pool"), PATIENCE),
            }
            return handle(transport, request)

        monkeypatch.setattr(http._PinnedAdapter, "send", sent)
        monkeypatch.setattr(http._PinnedTransport, "handle_request", handled)

    def test_a_test_with_a_revoked_key_says_what_to_do(self, place: VendorPlace) -> None:
        place.server.revoke()
        results: list[TestResult] = []
        error = error_of(lambda: results.append(place.connector().test()))
        assert (error is not None and error.permanent) or not results[0].ok
        assert len(str(error or results[0].message)) > 15

    def test_what_did_not_change_is_not_fetched_again(self, place: VendorPlace) -> None:
        holding = Holding()
        holding.seen.run(place.connector())
        listing = len(place.server.requests)
        holding.fetch(place.connector())
        assert set(holding.fetched) == set(place.documents())
        held = dict(holding.held)
        place.server.requests.clear()
        holding.sync(place.connector())
        assert holding.fetched == []
        assert holding.held == held
        assert len(place.server.requests) <= listing
        edited = place.edit()
        assert set(holding.sync(place.connector()).fetched) == {edited, *place.along(edited)}

    def test_a_sync_that_is_broken_off_at_any_fetch_goes_on(self, place: VendorPlace) -> None:
        """As kill -9 leaves it, with the whole listing told and some of the texts read."""
        whole = Holding()
        whole.seen.run(place.connector())
        place.server.requests.clear()
        whole.fetch(place.connector())
        asked = len(place.server.requests)
        for number in sorted({*range(0, asked, max(1, asked // 5))}):
            holding = Holding()
            holding.seen.run(place.connector())
            place.server.cut(after=number)
            error = error_of(lambda holding=holding: holding.fetch(place.connector()))
            place.server.heal()
            assert error is not None, f"request {number}"
            assert not error.permanent, f"request {number}: {error}"
            before = len(holding.held)
            holding.fetch(place.connector())
            assert holding.held == whole.held, f"request {number}"
            assert len(holding.fetched) == len(whole.held) - before, "what was read is not read again"

    def test_a_listing_that_is_broken_off_anywhere_goes_on(self, place: VendorPlace) -> None:
        """As kill -9 leaves it: after the n-th request nothing more is heard, and a new process goes on from the checkpoint."""
        whole = Seen().run(place.connector())
        place.server.requests.clear()
        Seen().run(place.connector())
        for number in range(len(place.server.requests)):
            seen = Seen()
            place.server.cut(after=number)
            error = error_of(lambda seen=seen: seen.take_all(place.connector().changes({}, ALL)))
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

    def test_a_rate_limit_at_any_request_is_told_with_the_vendors_wait(self, place: VendorPlace) -> None:
        Seen().run(place.connector())
        number = len(place.server.requests)
        for after in sorted({*range(0, number, max(1, number // 6)), number - 1}):
            place.server.requests.clear()
            place.server.refuse(429, after=after, headers={"Retry-After": "7"}, times=None)
            self._waits(error_of(lambda: Seen().run(place.connector())), after)
            assert len(place.server.requests) == after + 1, f"request {after}: it went on asking"
            place.server.heal()

    def test_a_rate_limit_while_fetching_is_told_with_the_vendors_wait(self, place: VendorPlace) -> None:
        seen = Seen().run(place.connector())
        one_of_each = {node.kind: node for node in seen.nodes.values() if node.has_text}
        for node in one_of_each.values():
            place.server.requests.clear()
            place.server.refuse(429, headers={"Retry-After": "7"}, times=None)
            error = error_of(lambda node=node: place.connector().fetch(node))
            place.server.heal()
            if place.server.requests:
                self._waits(error, node.external_id)
                assert len(place.server.requests) == 1, f"{node.external_id}: it went on asking"

    def _waits(self, error: ConnectorError | None, where: object) -> None:
        assert error is not None, where
        assert not error.permanent, where
        assert error.retry_after is not None, where
        assert 5 <= error.retry_after <= 9, where

    def test_a_vendor_that_does_not_answer_is_given_up_in_time(self, place: VendorPlace, impatient: None) -> None:
        """One request hangs: the run ends with an error that can be tried again, and does not ask on and on."""
        place.server.delay = 30.0
        begun = time.monotonic()
        error = error_of(lambda: list(place.connector().changes({}, ALL)))
        place.server.delay = 0.0
        assert error is not None
        assert not error.permanent
        assert len(str(error)) > 15
        assert time.monotonic() - begun < 20 * PATIENCE

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
        error = error_of(lambda: place.connector().fetch(node))
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
