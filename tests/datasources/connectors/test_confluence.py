"""Confluence against its loopback server, as Cloud and as Data Center: the contract, and what is particular to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from datasources.connectors.around import Around
from datasources.connectors.base import (
    Chosen,
    ConnectorError,
    Delivery,
    DeliveryRefused,
    NodeError,
    Skipped,
    Upsert,
)
from datasources.connectors.confluence.connector import ConfluenceConnector
from datasources.connectors.confluence.storage import markdown
from datasources.ingestion.extract import Extractor
from datasources.ingestion.results import Limits
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.confluence import EMAIL, TOKEN, ConfluenceServer

SECRET = "a secret of ours"


class Place(VendorPlace):
    exact_deletes = False

    def __init__(self, server: ConfluenceServer, archives: Extractor) -> None:
        self.server: ConfluenceServer = server
        self.around = Around(archives)
        self.branches = ("space:HB", "space:ENG")
        self.words = {
            "Handbook home": "Harbour Lane",
            "Leave": "Twenty-eight",
            "Parental leave": "Sixteen weeks",
            "Pay": "last working day",
            "Bonus": "spring",
            "rota.txt": "rota of the harbour",
            "Ship launched": "Aurora",
            "Engineering home": "engineers",
            "Releases": "Tuesday",
        }

    def connector(self, **config: Any) -> ConfluenceConnector:
        secret = {"auth": "token" if self.server.cloud else "personal", "email": EMAIL, "token": TOKEN}
        return ConfluenceConnector({"base_url": self.server.base_url, **config}, secret, self.around)

    def key(self, title: str) -> str:
        key = self.server.by_title(title)
        kind = self.server.contents[key]["type"]
        return f"{'blog' if kind == 'blogpost' else kind}:{key}"

    def documents(self) -> dict[str, str]:
        return {self.key(title): word for title, word in self.words.items()}

    def edit(self) -> str:
        self.server.edit(self.server.by_title("Leave"), "<p>Thirty days from now on.</p>")
        self.words["Leave"] = "Thirty"
        return self.key("Leave")

    def add(self) -> str:
        self.server.tick(days=1)
        self.server.add("Travel", "HB", "<p>By train.</p>", parent=self.server.by_title("Handbook home"))
        self.words["Travel"] = "By train"
        return self.key("Travel")

    def delete(self) -> str:
        deleted = self.key("Releases")
        self.server.contents[self.server.by_title("Releases")]["status"] = "trashed"
        del self.words["Releases"]
        return deleted

    def move(self) -> tuple[str, str]:
        content = self.server.contents[self.server.by_title("Releases")]
        content |= {"parent": self.server.by_title("Handbook home"), "space": "HB", "when": self.server.tick(days=1)}
        return self.key("Releases"), self.key("Handbook home")

    def branch_of(self, external_id: str) -> str:
        return f"space:{self.server.contents[external_id.partition(':')[2]]['space']}"

    def deliver(self, external_id: str) -> Delivery:
        page = {"id": int(external_id.partition(":")[2]), "contentType": "page", "spaceKey": "HB"}
        return self.delivery({"timestamp": 1, "event": "page_updated", "page": page})

    def delivery(self, event: dict[str, Any]) -> Delivery:
        now = datetime.now(UTC)
        body, headers = self.server.signed(event | {"timestamp": int(now.timestamp() * 1000)}, SECRET)
        return Delivery("POST", headers, {}, body, SECRET, now)


@pytest.fixture(scope="module")
def archives() -> Iterator[Extractor]:
    with Extractor() as extractor:
        yield extractor


@pytest.fixture
def place(archives: Extractor) -> Iterator[Place]:
    with ConfluenceServer(page_size=3) as server:
        yield Place(server, archives)


@pytest.fixture
def datacenter(archives: Extractor) -> Iterator[Place]:
    with ConfluenceServer(page_size=3, cloud=False) as server:
        yield Place(server, archives)


class TestConfluenceCloud(VendorContract):
    pass


class TestConfluenceDataCenter(VendorContract):
    @pytest.fixture
    def place(self, datacenter: Place) -> Place:
        return datacenter
