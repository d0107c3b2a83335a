"""Google Drive and a web site through a whole sync: what moves, changes and goes at the vendor does so in SQL and index."""

from __future__ import annotations

import pytest

from datasources.connectors.around import Around
from datasources.connectors.google_drive.connector import GoogleDrive
from datasources.connectors.google_drive.items import EXPORTS
from datasources.connectors.website.connector import Website
from datasources.ingestion.extract import Extractor
from datasources.models import Document, Node, SyncRun, Table
from datasources.tables import run_sql
from tests import factories
from tests.datasources.syncing import account, assert_exact, synced
from tests.datasources.tabled import types_of, xlsx
from tests.vendors.places import drive_items, google_drive, website

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


def test_a_google_sheet_is_a_table_that_follows_its_edits(cast, embedder, monkeypatch, settings, tmp_path) -> None:
    settings.MEDIA_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}}
    rows: list[list[object]] = [["Customer", "Pumps"], ["Harbour", 4], ["Mill", 7]]
    with google_drive.filled() as server, Extractor(workers=1) as extractor:
        kind, mime = drive_items.APPS + "spreadsheet", EXPORTS["spreadsheet"][0][0]
        exports = {mime: xlsx({"Orders": rows})}
        server.put(drive_items.DriveItem("g-sheet", "Plan", kind, [google_drive.ROOT], exports=exports))
        secret = {"auth": "service_account", "service_account": google_drive.service_account()}
        connector = GoogleDrive({"base_url": server.base_url}, secret, Around(extractor))
        source = factories.source(cast.workspace, kind="google_drive")
        monkeypatch.setattr("datasources.sync.connector_for", lambda _: connector)
        assert synced(source).state == SyncRun.State.DONE
        table = Table.objects.get(node__source=source)
        assert types_of(table) == {"Customer": "text", "Pumps": "integer"}
        assert run_sql([table], "SELECT sum(Pumps) FROM Plan").rows == ((11,),)
        assert "Table “Plan” with 2 rows" in Document.objects.get(node__external_id="g-sheet").text
        server.edit("g-sheet", xlsx({"Orders": [*rows, ["Yard", 20]]}))
        assert account(synced(source))["indexed"] == 1
        table = Table.objects.get(node__source=source)
        assert run_sql([table], "SELECT sum(Pumps) FROM Plan").rows == ((31,),)
        server.trash("g-sheet")
        synced(source)
        assert not Table.objects.filter(node__source=source).exists()


def test_a_label_that_is_put_on_a_file_is_searchable_without_reading_it_again(cast, embedder, monkeypatch) -> None:
    with google_drive.filled() as server, Extractor(workers=1) as extractor:
        server.labels = [{"id": "L-1", "properties": {"title": "Confidential"}}]
        secret = {"auth": "service_account", "service_account": google_drive.service_account()}
        connector = GoogleDrive({"base_url": server.base_url, "labels": True}, secret, Around(extractor))
        source = factories.source(cast.workspace, kind="google_drive")
        monkeypatch.setattr("datasources.sync.connector_for", lambda _: connector)
        synced(source)
        server.shelf.items["t-rail"].labels = [{"id": "L-1", "fields": {}}]
        server.changed("t-rail", "")
        run = synced(source)
        assert (run.state, run.indexed) == (SyncRun.State.DONE, 0)
        assert Node.objects.get(source=source, external_id="t-rail").tags == ["markdown", "Confidential"]
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
