"""Google Drive: the contract, and what only Drive does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
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
    Skipped,
    Upsert,
)
from datasources.connectors.google_drive.connector import GoogleDrive
from datasources.connectors.google_drive.items import EXPORTS
from datasources.connectors.google_drive.tree import SHARED
from datasources.ingestion.extract import Extractor
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.drive_items import APPS, DriveItem
from tests.vendors.places.google_drive import (
    MAIL,
    ROOT,
    GoogleDriveServer,
    doc,
    filled,
    folder,
    made_up,
    note,
    service_account,
    shortcut,
)

NOW = datetime(2026, 2, 1, tzinfo=UTC)


class Place(VendorPlace):
    branches = (ROOT, "drive-sales")

    def __init__(self, server: GoogleDriveServer) -> None:
        self.server: GoogleDriveServer = server
        self.around = Around(Extractor(workers=1))

    def connector(self, **config: Any) -> GoogleDrive:
        around = replace(self.around, mirror=bool(config.pop("mirror", False)))
        secret = {"auth": "service_account", "service_account": service_account()}
        return GoogleDrive({"base_url": self.server.base_url, **config}, secret, around)

    def documents(self) -> dict[str, str]:
        found = {}
        for item in self.server.shelf.items.values():
            text = next(iter(item.exports.values()), item.content).decode()
            if text and not item.trashed:
                found[item.id] = text.split()[-1]
        return found

    def edit(self) -> str:
        self.server.edit("d-leave", b"# Leave\n\nEveryone has thirty-two.")
        return "d-leave"

    def add(self) -> str:
        self.server.put(note("t-new", "new.md", ROOT, "Something that is brand-new"))
        return "t-new"

    def delete(self) -> str:
        self.server.delete("t-rail")
        return "t-rail"

    def move(self) -> tuple[str, str]:
        self.server.move("t-hotels", "f-handbook")
        return "t-hotels", "f-handbook"

    def branch_of(self, external_id: str) -> str:
        item = self.server.shelf.items[external_id]
        return item.drive or (ROOT if item.parents else "")

    def deliver(self, external_id: str) -> Delivery:
        headers = {
            "x-goog-channel-id": "8bd90be9",
            "x-goog-message-number": "7",
            "x-goog-resource-state": "update",
            "x-goog-resource-uri": f"https://www.googleapis.com/drive/v3/files/{external_id}?alt=json",
            "x-goog-channel-token": "ours",
        }
        return Delivery("POST", headers, {}, b"", "ours", NOW)


@pytest.fixture
def place() -> Iterator[Place]:
    with filled() as server:
        yield Place(server)


class TestGoogleDrive(VendorContract):
    pass
