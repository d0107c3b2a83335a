"""Sources, runs and grants in the admin."""

import pytest

from datasources.models import DataSource, Grant, SyncRun
from portal.models import AuditEvent, Space
from tests import factories


@pytest.fixture
def admin(cast, client):
    client.force_login(cast.admin.user)
    return client


@pytest.fixture
def source(cast):
    made = factories.source(cast.workspace, name="Handbook")
    factories.node(made, "a.md", text="Text.")
    return made


BASE = "/w/acme/govern/datasources/"


def test_sources_of_another_workspace_are_not_there(cast, admin, source):
    theirs = factories.source(cast.elsewhere, name="Umbra files")
    SyncRun.objects.create(source=theirs)
    for listing in ("datasource", "syncrun", "grant"):
        html = admin.get(f"{BASE}{listing}/").content.decode()
        assert "Umbra" not in html
    assert admin.get(f"{BASE}datasource/{theirs.pk}/change/").status_code == 404
    assert admin.post(f"{BASE}datasource/{theirs.pk}/do/sync/").status_code == 404
    assert admin.get(f"{BASE}datasource/").content.decode().count("Handbook") >= 1


def test_a_source_is_synced_paused_resumed_and_stopped(cast, admin, source):
    page = f"{BASE}datasource/{source.pk}/"
    for deed, state in (("sync", "queued"), ("pause", "paused"), ("resume", "queued"), ("stop", "stopped")):
        response = admin.post(f"{page}do/{deed}/", follow=True)
        assert response.status_code == 200
        assert SyncRun.objects.get(source=source).state == state
    assert AuditEvent.objects.get(action="run.pause").via == "admin"
    # What does not apply any more says so instead of failing.
    assert "does not apply" in admin.post(f"{page}do/stop/", follow=True).content.decode()


def test_several_are_synced_at_once(cast, admin, source):
    other = factories.source(cast.workspace)
    chosen = {"action": "sync", "_selected_action": [str(source.pk), str(other.pk)]}
    assert admin.post(f"{BASE}datasource/", chosen).status_code == 302
    assert SyncRun.objects.filter(state="queued").count() == 2


def test_a_source_is_renamed_scheduled_and_deleted_with_what_will_be_lost(cast, admin, source):
    page = f"{BASE}datasource/{source.pk}/"
    html = admin.get(f"{page}change/").content.decode()
    assert "Sync now" in html
    refused = admin.post(f"{page}change/", {"name": "Rules", "schedule": "daily"})
    assert (refused.status_code, "takes one of off" in refused.content.decode()) == (200, True)
    DataSource.objects.filter(pk=source.pk).update(kind="folder")
    assert admin.post(f"{page}change/", {"name": "Rules", "schedule": "daily"}).status_code == 302
    source.refresh_from_db()
    assert (source.name, source.schedule) == ("Rules", "daily")
    assert "1 documents with" in admin.get(f"{page}delete/").content.decode()
    admin.post(f"{page}delete/", {"post": "yes"})
    assert not DataSource.objects.exclude(state="deleting").exists()


def test_held_deletions_wait_on_the_first_page_for_a_yes(cast, admin, source):
    run = SyncRun.objects.create(source=source, state="done", held={"documents": 7, "of": 9, "examples": ["hr / a.md"]})
    DataSource.objects.filter(pk=source.pk).update(state="needs_attention", state_detail="The key was revoked")
    html = admin.get("/w/acme/govern/").content.decode()
    assert "7 documents that are gone at the source" in html
    assert "The key was revoked" in html
    page = f"{BASE}syncrun/{run.pk}/do/agree/"
    assert "7 of 9 documents: hr / a.md" in admin.get(page).content.decode()
    admin.post(page, {"confirmed": "yes"})
    run.refresh_from_db()
    assert run.held is None


def test_a_grant_takes_only_what_is_of_the_workspace(cast, admin, source):
    Grant.objects.all().delete()
    theirs = factories.source(cast.elsewhere)
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    page = f"{BASE}grant/add/"
    assert admin.post(page, {"source": str(theirs.pk), "space": str(company.pk)}).status_code == 200
    assert not Grant.objects.filter(source=theirs, space=company).exists()
    assert admin.post(page, {"source": str(source.pk), "space": str(company.pk)}).status_code == 302
    made = Grant.objects.get(source=source)
    assert admin.post(f"{BASE}grant/{made.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Grant.objects.filter(source=source).exists()
