"""Google Drive and a web site through a whole sync: what moves, changes and goes at the vendor does so in SQL and index."""

from __future__ import annotations

import pytest

from datasources.connectors.around import Around
from datasources.connectors.google_drive.connector import GoogleDrive
from datasources.connectors.website.connector import Website
from datasources.ingestion.extract import Extractor
from datasources.models import Document, Node, SyncRun
from tests import factories
from tests.datasources.syncing import account, assert_exact, synced
from tests.vendors.places import google_drive, website

pytestmark = pytest.mark.django_db


def test_a_drive_is_synced_and_followed(cast, embedder, monkeypatch) -> None:
    with google_drive.filled() as server, Extractor(workers=1) as extractor:
        secret = {"auth": "service_account", "service_account": google_drive.service_account()}
        connector = GoogleDrive({"base_url": server.base_url}, secret, Around(extractor))
        source = factories.source(cast.workspace, kind="google_drive")
        monkeypatch.setattr("datasources.sync.connector_for", lambda _: connector)
        run = synced(source)
        assert (run.state, run.discovered) == (SyncRun.State.DONE, 9)
        server.edit("d-leave", b"# Leave\n\nEveryone has thirty-two days.")
        server.move("f-travel", google_drive.ROOT)
        server.delete("s-terms")
        run = synced(source)
        assert account(run)["indexed"] == 1
        assert "thirty-two" in Document.objects.get(node__source=source, node__external_id="d-leave").text
        rail = Node.objects.get(source=source, external_id="t-rail")
        assert rail.path == "My Drive / Travel / rail.md"
        assert not Document.objects.filter(node__source=source, node__external_id="s-terms").exists()
        assert_exact(source, embedder.space)


def test_a_site_is_synced_and_followed(cast, embedder, monkeypatch) -> None:
    with website.filled() as server, Extractor(workers=1) as extractor:
        connector = Website({"base_url": f"{server.base_url}/", "pace": 0}, {}, Around(extractor))
        source = factories.source(cast.workspace, kind="website")
        monkeypatch.setattr("datasources.sync.connector_for", lambda _: connector)
        run = synced(source)
        assert (run.state, run.discovered) == (SyncRun.State.DONE, 8)
        server.pages["/blog/spring.html"].text = "In spring we closed the workshop by the river for good."
        del server.pages["/blog/summer.html"]
        run = synced(source)
        titles = set(Document.objects.filter(node__source=source).values_list("node__title", flat=True))
        assert "Summer" not in titles
        spring = Document.objects.get(node__source=source, node__title="Spring")
        assert "for good" in spring.text
        assert account(run)["removed"] == 1
        assert_exact(source, embedder.space)
