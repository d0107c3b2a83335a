"""Settings of a source built from what its kind says, its webhook, and taking it along."""

import csv
import io
import zipfile
from urllib.parse import urlsplit

import pytest
from django.core.files.storage import default_storage
from django.db import connections
from django.urls import reverse

from datasources import connecting, exporting, hooks
from datasources.models import DataSource, Grant, Node
from portal.models import AuditEvent, Space
from tests import factories
from tests.callers import key
from tests.datasources.places import TOKEN, wiki  # noqa: F401

pytestmark = pytest.mark.django_db


def url(name, *args):
    return reverse(name, args=["acme", *args])


@pytest.fixture
def source(cast, wiki):  # noqa: F811
    entered = connecting.read_entered("wiki", config={"drafts": True}, auth="token", fields={"token": TOKEN})
    return connecting.connect(
        workspace=cast.workspace, by=cast.builder.user, kind="wiki", name="Our wiki", entered=entered
    )


# ---- Settings ------------------------------------------------------------------------------------------------------


def test_settings_show_what_was_said_and_no_secret(as_, source):
    shown = as_("builder").get(url("data_source_settings", source.pk)).content.decode()
    assert 'name="s-drafts"' in shown
    assert "checked" in shown
    assert TOKEN not in shown
    assert f"…{TOKEN[-4:]}" in shown
    assert "Everything, and what is added later" in shown
    assert url("data_connect", source.pk) in shown


def test_changed_settings_are_tested_and_synced(cast, as_, source):
    source.runs.all().delete()
    client = as_("builder")
    form = {"name": "Wiki", "schedule": "hourly", "s-languages": "de\nen"}
    client.post(url("data_source_settings", source.pk), form)
    source.refresh_from_db()
    assert (source.name, source.schedule, source.config) == ("Wiki", "hourly", {"languages": ["de", "en"]})
    assert source.runs.count() == 1
    source.runs.all().delete()
    client.post(url("data_source_settings", source.pk), form)
    assert not source.runs.exists()


def test_mirroring_is_switched_and_everything_told_anew(as_, source):
    source.runs.all().delete()
    as_("builder").post(
        url("data_source_settings", source.pk), {"name": "W", "schedule": "off", "mirror": "on", "s-drafts": "on"}
    )
    source.refresh_from_db()
    assert source.mirror
    assert source.runs.get().full
    assert AuditEvent.objects.filter(action="source.update").latest("id").after["mirror"] is True


# ---- The webhook ---------------------------------------------------------------------------------------------------


@pytest.fixture
def slack(cast):
    return factories.source(cast.workspace, kind="slack", created_by=cast.builder.user)


def test_a_webhook_is_opened_and_closed(as_, slack):
    client = as_("builder")
    assert "Make an address" in client.get(url("data_source_settings", slack.pk)).content.decode()
    shown = client.post(url("data_source_webhook", slack.pk), {"action": "open"}).content.decode()
    slack.refresh_from_db()
    assert f"/hooks/{slack.hook_token}/" in shown
    assert "Event Subscriptions" in shown
    client.post(url("data_source_webhook", slack.pk), {"action": "secret", "secret": "8f742231b10e8888"})
    shown = client.get(url("data_source_settings", slack.pk)).content.decode()
    assert "One is stored" in shown
    assert "8f742231b10e8888" not in shown
    assert client.post(url("data_source_webhook", slack.pk), {"action": "rotate"}).status_code == 422
    client.post(url("data_source_webhook", slack.pk), {"action": "close"})
    slack.refresh_from_db()
    assert slack.hook_token == ""


@pytest.mark.parametrize(
    ("own", "told"), [("http://localhost:8000", True), ("http://127.0.0.2", True), ("https://atrium.acme.com", False)]
)
def test_that_no_vendor_can_call_this_machine_is_told_before_one_sets_it_up(as_, slack, settings, own, told):
    settings.BASE_URL = own
    shown = as_("builder").get(url("data_source_settings", slack.pk)).content.decode()
    assert ("Slack can’t call it from elsewhere" in shown) is told


def test_a_secret_that_the_vendor_sent_stays_to_be_pasted_there_and_says_so(cast, client, as_):
    notion = factories.source(cast.workspace, kind="notion", created_by=cast.builder.user)
    address = hooks.open_hook(notion, by=cast.builder.user).url
    told = {"verification_token": "sent-by-notion"}
    assert client.post(urlsplit(address).path, told, content_type="application/json").status_code == 200
    shown = as_("builder").get(url("data_source_settings", notion.pk)).content.decode()
    assert "sent-by-notion" in shown
    assert "Secret that Notion sent" in shown
    assert "shown this once" not in shown


def test_a_member_changes_no_webhook(as_, slack):
    assert as_("member").post(url("data_source_webhook", slack.pk), {"action": "open"}).status_code == 403


# ---- Taking it along -----------------------------------------------------------------------------------------------


@pytest.fixture
def full(cast):
    source = factories.source(cast.workspace, name="Hand book", created_by=cast.admin.user)
    leave, pay = factories.node(source, "leave"), factories.node(source, "pay")
    factories.node(source, "leave/sick.md", parent=leave, text="# Sick\n\nWords.", author='An "author"', tags=["hr"])
    factories.node(source, "leave/../x.md", parent=leave, text="One", title="../../x: y?")
    factories.node(source, "leave/again", parent=leave, text="Two", title="sick.md")
    factories.node(source, "pay/secret.md", parent=pay, text="Salaries")
    return source


def unzipped(membership, source):
    return zipfile.ZipFile(io.BytesIO(b"".join(exporting.blocks(membership, source))))


def test_documents_come_as_markdown_with_what_is_known_in_front(cast, full):
    found = unzipped(cast.member, full)
    assert found.testzip() is None
    assert sorted(found.namelist()) == [
        "leave/-..-x- y-.md",
        "leave/sick (2).md",
        "leave/sick.md",
        "pay/secret.md",
    ]
    texts = [found.read(name).decode() for name in found.namelist() if "sick" in name]
    text = next(text for text in texts if "# Sick" in text)
    assert text.startswith("---\ntitle: ")
    assert 'author: "An \\"author\\""' in text
    assert 'tags: ["hr"]' in text
    assert text.endswith("---\n\n# Sick\n\nWords.")


def test_only_what_one_may_read_comes_along(cast, full):
    Grant.objects.filter(source=full).update(parents_in=[Node.objects.get(external_id="leave").pk])
    assert not any("secret" in name for name in unzipped(cast.member, full).namelist())
    # Governing is not reading.
    assert not any("secret" in name for name in unzipped(cast.admin, full).namelist())


def test_what_is_revoked_meanwhile_is_left_out(cast, full, monkeypatch):
    monkeypatch.setattr(exporting, "BATCH", 1)
    work = exporting.blocks(cast.member, full)
    begun = next(work)
    Grant.objects.all().delete()
    assert len(zipfile.ZipFile(io.BytesIO(begun + b"".join(work))).namelist()) == 1


def test_tables_come_as_csv_without_formulas(cast, full):
    from datasources.models import Table

    node = factories.node(full, "prices.csv", text="Prices")
    folder = io.BytesIO()
    parquet(folder, [("=1+1", 3), ("plain", 4)])
    stored = default_storage.save("test/prices.parquet", folder)
    Table.objects.create(
        id=node.pk, node=node, columns=[{"name": "what"}, {"name": "price"}], rows=2, stored=stored, content_hash="x"
    )
    found = unzipped(cast.member, full)
    rows = list(csv.reader(io.StringIO(found.read("prices.csv").decode())))
    assert rows == [["what", "price"], ["'=1+1", "3"], ["plain", "4"]]


def parquet(file, rows):
    import tempfile
    from pathlib import Path

    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        connection = duckdb.connect(":memory:")
        connection.execute("CREATE TABLE t (what VARCHAR, price INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
        connection.close()
        file.write(path.read_bytes())
        file.seek(0)


@pytest.mark.django_db(transaction=True)
async def test_the_zip_is_streamed_and_audited(cast, full, async_client):
    from asgiref.sync import sync_to_async

    await async_client.aforce_login(cast.member.user)
    answer = await async_client.get(url("data_source_export", full.pk))
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == 'attachment; filename="hand-book.zip"'
    body = b"".join([block async for block in answer])
    assert len(zipfile.ZipFile(io.BytesIO(body)).namelist()) == 4
    text = await sync_to_async(key)(cast.member, "read")
    headers = {"authorization": f"Bearer {text}"}
    again = await async_client.get(f"/api/v1/workspaces/acme/data-sources/{full.pk}/export/", headers=headers)
    assert len(zipfile.ZipFile(io.BytesIO(b"".join([block async for block in again]))).namelist()) == 4
    assert await sync_to_async(AuditEvent.objects.filter(action="source.export").exists)()
    await sync_to_async(connections.close_all)()


def test_others_export_nothing(cast, as_, full):
    assert as_("outsider").get(url("data_source_export", full.pk)).status_code == 404
    room = Space.objects.create(workspace=cast.workspace, name="Room", kind="restricted")
    Grant.objects.update(space=room)
    assert as_("member").get(url("data_source_export", full.pk)).status_code == 404
    assert DataSource.objects.exists()


def test_a_web_site_that_has_moved_gets_another_address(cast, as_):
    source = factories.source(
        cast.workspace, name="Docs", kind="website", config={"base_url": "https://docs.acme.example"}
    )
    shown = as_("admin").get(url("data_source_settings", source.pk)).content.decode()
    assert url("data_connect", source.pk) in shown
    assert "Nothing is deleted at the source itself" in shown


def test_of_an_export_the_files_go_with_it_and_a_newer_one_is_asked_for(cast, as_):
    source = factories.source(cast.workspace, name="Slack of old", kind="slack_export", state="ok")
    client = as_("admin")
    shown = client.get(url("data_source_settings", source.pk)).content.decode()
    assert "The files that were handed over go with it" in shown
    assert "Nothing is deleted at the source itself" not in shown
    assert "Drop the export here, also a newer one" in client.get(url("data_source", source.pk)).content.decode()
