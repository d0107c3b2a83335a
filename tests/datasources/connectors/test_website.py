"""Web sites: the contract, manners, and what a site can do to whoever reads it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from datasources.connectors.around import Around
from datasources.connectors.base import (
    Checkpoint,
    Chosen,
    Complete,
    ConnectorError,
    NodeError,
    Skipped,
    Upsert,
)
from datasources.connectors.website import crawl, sitemap
from datasources.connectors.website.addresses import Site, normalized
from datasources.connectors.website.connector import Website
from datasources.ingestion.extract import Extractor
from datasources.ingestion.results import Limits
from portal.net import GuardedNetwork
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.website import WebPage, WebsiteServer, filled

ALLOWED = GuardedNetwork(("127.0.0.1",))


class Place(VendorPlace):
    def __init__(self, server: WebsiteServer) -> None:
        self.server: WebsiteServer = server
        self.around = Around(Extractor(workers=1), network=ALLOWED)
        self.branches = (f"dir:{server.base_url}/handbook/", f"dir:{server.base_url}/blog/")

    def connector(self, around: Around | None = None, **config: Any) -> Website:
        given = {"base_url": f"{self.server.base_url}/", "pace": 0, **config}
        return Website(given, {}, around or self.around)

    def at(self, path: str) -> str:
        return f"{self.server.base_url}{path}"

    def documents(self) -> dict[str, str]:
        pages = self.server.pages.items()
        return {self.at(path): page.text.split()[-1] for path, page in pages if page.text}

    def edit(self) -> str:
        self.server.pages["/handbook/leave.html"].text = "Everyone has thirty-two days of leave, and takes them-gladly."
        return self.at("/handbook/leave.html")

    def add(self) -> str:
        self.server.pages["/handbook/new.html"] = WebPage("New", "This chapter is new, and it says something-else.")
        return self.at("/handbook/new.html")

    def delete(self) -> str:
        del self.server.pages["/handbook/travel/rail.html"]
        return self.at("/handbook/travel/rail.html")

    def branch_of(self, external_id: str) -> str:
        return next((branch for branch in self.branches if external_id.startswith(branch[4:])), "")


@pytest.fixture
def place() -> Iterator[Place]:
    with filled() as server:
        yield Place(server)


class TestWebsite(VendorContract):
    pass
