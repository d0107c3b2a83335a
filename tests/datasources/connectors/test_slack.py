"""Slack against its loopback server: the contract, and what is particular to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datasources.connectors.around import Around
from datasources.connectors.base import (
    Checkpoint,
    Chosen,
    Complete,
    ConnectorError,
    Delete,
    Delivery,
    DeliveryRefused,
    NodeError,
    RemoteNode,
    Skipped,
    Upsert,
)
from datasources.connectors.slack import run
from datasources.connectors.slack.connector import Slack
from datasources.ingestion.extract import Extractor
from datasources.ingestion.results import Limits
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.slack import SIGNING_SECRET, TOKEN, SlackServer, event, signed
from tests.vendors.places.slack_held import APP_USER, MadeUp, Workspace, days_ago


def day_of(ts: str) -> str:
    return datetime.fromtimestamp(float(ts), UTC).date().isoformat()


class Place(VendorPlace):
    """#general with a thread, two days and a file; #support with a thread; a private #board with a day."""

    branches = ("channel:C01", "channel:C02")

    def __init__(self, server: SlackServer, archives: Extractor) -> None:
        self.server: SlackServer = server
        self.slack: Workspace = server.workspace  # type: ignore[assignment]
        self.around = Around(archives)
        self.config: dict[str, Any] = {"base_url": server.base_url}
        self.held: dict[str, str] = {}
        self._fill()

    def _fill(self) -> None:
        slack = self.slack
        slack.person("U1", "Ann Lee", "ann@acme.example")
        slack.person("U2", "Ben Ode", "ben@acme.example")
        slack.person("U4", "Pager", bot=True)
        slack.open("C01", "general")
        slack.open("C02", "support")
        slack.open("C04", "board", private=True)
        self.lonely = slack.say("C01", "The heating is off until noon", at=days_ago(3))
        plan = slack.share("C01", "plan.txt", b"The kitchen moves upstairs")
        slack.say("C01", "Here is the plan", at=days_ago(2), files=[plan], subtype="file_share")
        slack.say("C01", "<@U1> thank you", user="U2", at=days_ago(2, 11))
        slack.say("C01", "<@U2> has joined the channel", user="U2", at=days_ago(2, 12), subtype="channel_join")
        self.thread = slack.say("C01", "Where are the *keys*?", at=days_ago(1))
        for hour, text in enumerate(("In the drawer", "Not there", "Then with Ben")):
            self.reply = slack.say("C01", text, user="U2", at=days_ago(1, 11 + hour), thread=self.thread)
        question = slack.say("C02", "How long is a refund possible?", at=days_ago(40))
        slack.say("C02", "Sixty days", user="U2", at=days_ago(40, 12), thread=question)
        slack.say("C04", "The merger is signed in June", at=days_ago(4))
        self.held = {
            f"day:C01:{day_of(self.lonely)}": "heating",
            f"day:C01:{day_of(str(days_ago(2)))}": "@Ann Lee thank you",
            "file:C01:F001": "kitchen",
            f"thread:C01:{self.thread}": "Then with Ben",
            f"thread:C02:{question}": "Sixty days",
            f"day:C04:{day_of(str(days_ago(4)))}": "merger",
        }

    def connector(self) -> Slack:
        return Slack(self.config, {"auth": "token", "token": TOKEN}, self.around)

    def documents(self) -> dict[str, str]:
        return dict(self.held)

    def edit(self) -> str:
        """The hardest one: a reply, of which the history says nothing."""
        self.slack.edit("C01", self.reply, "Cleo has them")
        self.held[f"thread:C01:{self.thread}"] = "Cleo has them"
        return f"thread:C01:{self.thread}"

    def add(self) -> str:
        begun = self.slack.say("C01", "Who waters the plants?")
        self.slack.say("C01", "I do", user="U2", thread=begun)
        self.held[f"thread:C01:{begun}"] = "plants"
        return f"thread:C01:{begun}"

    def delete(self) -> str:
        self.slack.remove("C01", self.lonely)
        gone = f"day:C01:{day_of(self.lonely)}"
        del self.held[gone]
        return gone

    def branch_of(self, external_id: str) -> str:
        channel = f"channel:{external_id.split(':')[1]}"
        return channel if channel in self.branches else ""

    def deliver(self, external_id: str) -> Delivery:
        message = dict(self.slack.message("C01", self.reply))
        inner = {"type": "message", "subtype": "message_changed", "channel": "C01", "message": message}
        return self.delivery(inner)

    def delivery(self, inner: dict[str, Any]) -> Delivery:
        return self.sent(event(inner))

    def sent(self, body: bytes, *, age: float = 0) -> Delivery:
        now = datetime.now(UTC)
        headers = signed(body, at=now.timestamp() - age)
        return Delivery("POST", headers, {}, body, SIGNING_SECRET, now)

    def fetched(self, external_id: str) -> str:
        connector = self.connector()
        node = Seen().run(connector).nodes[external_id]
        return connector.fetch(node).markdown or ""


@pytest.fixture(scope="module")
def archives() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


@pytest.fixture
def place(archives: Extractor) -> Iterator[Place]:
    with SlackServer(Workspace(), page=2) as server:
        yield Place(server, archives)


class TestSlack(VendorContract):
    pass
