"""Notion and Confluence through whole runs: all accounted for, an edit and a deletion followed, a webhook looked at."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from datasources.connectors.around import Around
from datasources.connectors.confluence.connector import ConfluenceConnector
from datasources.connectors.notion.connector import NotionConnector
from datasources.ingestion.extract import Extractor
from datasources.models import DataSource, Document, Node, Table
from datasources.runs import request_look
from datasources.sync import sync_source
from tests.datasources.syncing import account, assert_exact, synced
from tests.vendors.places import confluence, notion

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _storage(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}}


def texts(source: DataSource) -> dict[str, str]:
    return {d.node.title: d.text for d in Document.objects.filter(node__source=source).select_related("node")}


@pytest.fixture
def around():
    with Extractor() as archives:
        yield Around(archives)


@pytest.fixture
def made(monkeypatch, source, embedder):
    """Puts a connector in the place of the fake one."""

    def make(connector):
        monkeypatch.setattr("datasources.sync.connector_for", lambda source, **more: connector)
        return source

    return SimpleNamespace(make=make, space=embedder.space)


def test_notion_comes_in_whole_and_follows_its_edits(made, around):
    with notion.NotionServer(page_size=3) as server:
        secret = {"auth": "token", "token": notion.TOKEN}
        source = made.make(NotionConnector({"base_url": server.base_url}, secret, around))
        run = synced(source)
        assert (run.state, account(run)["indexed"]) == ("done", 11)
        assert assert_exact(source, made.space) >= 11
        table = Table.objects.get(node__source=source)
        assert (table.node.title, table.rows) == ("Projects", 3)
        types = {column["name"]: column["type"] for column in table.columns}
        assert types == {"Name": "text", "Status": "text", "Budget": "decimal", "Due": "date", "Due_end": "date"}
        guest = Node.objects.get(source=source, title="Guest Wi-Fi")
        assert guest.path == "Pages whose parent is not shared / Guest Wi-Fi"
        server.put_blocks(notion.uid("Leave"), [notion.block("paragraph", "Thirty days now.")])
        server.touch(notion.uid("Leave"))
        run = synced(source)
        assert (run.state, account(run).get("indexed")) == ("done", 1)
        assert "Thirty days" in texts(source)["Leave"]
        server.trash(notion.uid("Releases"))
        request_look(source, [f"page:{notion.uid('Releases')}"])
        sync_source(source.runs.get(state="queued"))
        assert "Releases" not in texts(source)
        assert_exact(source, made.space)


def test_confluence_comes_in_whole_and_follows_its_edits(made, around):
    with confluence.ConfluenceServer(page_size=3) as server:
        secret = {"auth": "token", "email": confluence.EMAIL, "token": confluence.TOKEN}
        source = made.make(ConfluenceConnector({"base_url": server.base_url}, secret, around))
        run = synced(source)
        # A page that is restricted there, and what is below it, stay out.
        assert (run.state, account(run)["indexed"], account(run)["skipped"]) == ("done", 7, 2)
        assert_exact(source, made.space)
        assert Node.objects.get(source=source, title="rota.txt").path == "Handbook / Handbook home / Leave / rota.txt"
        leave = server.by_title("Leave")
        server.edit(leave, "<p>Thirty days now.</p>")
        request_look(source, [f"page:{leave}"])
        sync_source(source.runs.get(state="queued"))
        assert "Thirty days" in texts(source)["Leave"]
        server.contents[server.by_title("Releases")]["status"] = "trashed"
        run = synced(source, full=True)
        assert run.state == "done"
        assert "Releases" not in texts(source)
        assert_exact(source, made.space)
