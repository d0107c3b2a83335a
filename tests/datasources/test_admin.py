"""Sources, runs and grants in the admin."""

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test.utils import CaptureQueriesContext

from datasources import reading
from datasources.access import readable_branches
from datasources.models import DataSource, Grant, Node, Offered, SyncRun, node_id
from datasources.retrieval.types import Filter
from portal.models import AuditEvent, Space
from tests import factories
from tests.datasources.syncing import synced


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


# ---- Grants ------------------------------------------------------------------------------------------------------


@pytest.fixture
def company(cast):
    return Space.objects.get(workspace=cast.workspace, name="Company")


@pytest.fixture
def folders(source):
    """Two of the source, by name."""
    hr = factories.node(source, "hr")
    pay = factories.node(source, "hr/pay", parent=hr)
    factories.node(source, "hr/pay/salary.md", parent=pay, text="Secret sums.")
    Node.objects.filter(pk__in=[hr.pk, pay.pk]).update(has_children=True)
    return {"hr": hr, "pay": pay}


def read_as(html):
    """The lines of a page, for a look at its words."""
    return " ".join(html.content.decode().split())


def test_a_grant_takes_only_what_is_of_the_workspace(cast, admin, source, company):
    Grant.objects.all().delete()
    theirs = factories.source(cast.elsewhere)
    page = f"{BASE}grant/add/"
    whole = {"sees": "all", "space": str(company.pk)}
    assert admin.post(page, {**whole, "source": str(theirs.pk)}).status_code == 200
    assert not Grant.objects.filter(source=theirs, space=company).exists()
    assert admin.post(page, {**whole, "source": str(source.pk)}).status_code == 302
    made = Grant.objects.get(source=source)
    assert made.parents_in is None
    assert admin.post(f"{BASE}grant/{made.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Grant.objects.filter(source=source).exists()


def test_a_part_is_granted_changed_and_made_the_whole_and_each_is_in_the_log(cast, admin, source, company, folders):
    Grant.objects.all().delete()
    hr, pay = (str(folders[name].pk) for name in ("hr", "pay"))
    given = {"source": str(source.pk), "space": str(company.pk), "sees": "part", "parts": [pay]}
    assert admin.post(f"{BASE}grant/add/", given).status_code == 302
    made = Grant.objects.get(source=source)
    assert made.parents_in == [folders["pay"].pk]
    page = f"{BASE}grant/{made.pk}/change/"
    shown = read_as(admin.get(page))
    assert "hr / pay</option>" in shown
    assert admin.post(page, {"sees": "part", "parts": [hr, pay]}).status_code == 302
    made.refresh_from_db()
    assert made.parents_in == [folders["hr"].pk, folders["pay"].pk]
    assert "hr; hr / pay" in read_as(admin.get(f"{BASE}grant/"))
    assert admin.post(page, {"sees": "all"}).status_code == 302
    made.refresh_from_db()
    assert made.parents_in is None
    assert "All of it" in read_as(admin.get(f"{BASE}grant/"))
    told = AuditEvent.objects.filter(action="grant.set").order_by("id")
    assert [event.after["parents_in"] for event in told] == [[pay], [hr, pay], None]
    assert {(event.via, event.actor_id, event.object_id) for event in told} == {
        ("admin", cast.admin.user_id, str(source.pk))
    }


def test_a_part_that_the_admin_granted_is_all_that_the_index_gives(cast, admin, place, embedder, company):
    source = factories.source(cast.workspace, kind="fake")
    place.files.update({"hr/leave.md": "Words of leave.", "it/laptop.md": "Words of laptops."})
    synced(source)
    made = Grant.objects.get(source=source)
    part = {"sees": "part", "parts": [str(Node.objects.get(source=source, external_id="hr").pk)]}
    assert admin.post(f"{BASE}grant/{made.pk}/change/", part).status_code == 302
    assert found_in_index(cast.member, embedder) == {"leave.md"}
    assert admin.post(f"{BASE}grant/{made.pk}/change/", {"sees": "all"}).status_code == 302
    assert found_in_index(cast.member, embedder) == {"leave.md", "laptop.md"}


def found_in_index(membership, embedder):
    handle = reading.open_index().for_workspace(membership.workspace_id)
    filter = Filter(readable_branches(membership))
    vector = embedder.embed_query("words").vectors[0]
    found = async_to_sync(handle.search)(embedder.space, dense=vector, query="words", filter=filter, limit=100)
    hits = async_to_sync(handle.fetch)(embedder.space, [hit.id for hit in (*found.dense, *found.bm25)], filter)
    return set(Node.objects.filter(pk__in=[hit.payload["node"] for hit in hits]).values_list("title", flat=True))


def test_a_part_of_another_source_or_workspace_is_refused_in_words_and_not_named(cast, admin, source, company):
    here = factories.node(factories.source(cast.workspace), "Another folder")
    there = factories.node(factories.source(cast.elsewhere), "Umbra plans")
    made = Grant.objects.get(source=source)
    add = {"source": str(source.pk), "space": str(factories.space(cast.workspace).pk)}
    for address, more in ((f"{BASE}grant/{made.pk}/change/", {}), (f"{BASE}grant/add/", add)):
        for node in (here, there):
            page = admin.post(address, {**more, "sees": "part", "parts": [str(node.pk)]})
            assert page.status_code == 200
            assert "Some of what was ticked is not in Handbook, or no longer." in read_as(page)
            assert "Another folder" not in read_as(page)
            assert "Umbra" not in read_as(page)
    for given, says in (
        ({"sees": "part"}, "Tick what Company may see, or take its access away."),
        ({"sees": "part", "parts": ["nonsense"]}, "What was chosen did not arrive whole."),
        ({"sees": "all", "parts": [str(here.pk)]}, "give only these, or take them out"),
    ):
        assert says in read_as(admin.post(f"{BASE}grant/{made.pk}/change/", given))
    made.refresh_from_db()
    assert (made.parents_in, Grant.objects.count()) == (None, 3)
    assert not AuditEvent.objects.filter(action="grant.set").exists()


def test_parts_are_found_by_their_paths_in_the_chosen_source_of_ones_own_workspace(cast, admin, source, folders):
    theirs = factories.source(cast.elsewhere)
    factories.node(theirs, "hr")
    factories.node(factories.source(cast.workspace), "hr of another")
    address = f"{BASE}grant/parts/"

    def texts(**query):
        body = admin.get(address, query).json()
        return [row["text"] for row in body["results"]], body["pagination"]["more"]

    whole = ["hr", "hr / pay", "a.md", "hr / pay / salary.md"]
    assert texts(source=source.pk) == (whole, False)
    assert texts(source=source.pk, term="PAY hr") == (["hr / pay", "hr / pay / salary.md"], False)
    assert texts() == ([], False)
    Node.objects.filter(title="salary.md").update(gone="agreed")
    for number in range(20):
        factories.node(source, f"it/{number:02}", text="x")
    found, more = texts(source=source.pk)
    assert (len(found), more) == (20, True)
    assert texts(source=source.pk, page=2) == (["18", "19", "a.md"], False)
    assert admin.get(address, {"source": theirs.pk}).status_code == 404
    assert admin.get(address, {"source": "nonsense"}).status_code == 404
    assert admin.post(address).status_code == 405
    for who in (cast.builder, cast.member, cast.outsider):
        admin.force_login(who.user)
        assert admin.get(address, {"source": source.pk}).status_code in (403, 404)


def test_a_part_that_is_still_to_come_is_named_and_may_stay(cast, admin, source, folders):
    level = source.levels.create(parent="", state="read")
    later = Offered.objects.create(
        level=level, source=source, node=node_id(source.pk, "it"), external_id="it", kind="folder", title="Later"
    )
    unknown = node_id(source.pk, "an integration knows it")
    Grant.objects.filter(source=source).update(parents_in=[later.node, unknown])
    made = Grant.objects.get(source=source)
    assert "Later; A part that is not in it now" in read_as(admin.get(f"{BASE}grant/"))
    page = f"{BASE}grant/{made.pk}/change/"
    assert "Later</option>" in read_as(admin.get(page))
    parts = [str(key) for key in (later.node, unknown, folders["hr"].pk)]
    assert admin.post(page, {"sees": "part", "parts": parts}).status_code == 302
    made.refresh_from_db()
    assert made.parents_in == [later.node, unknown, folders["hr"].pk]


def test_grants_of_others_are_not_there_and_the_list_asks_a_constant_number_of_questions(cast, admin, source, folders):
    theirs = Grant.objects.get(source=factories.source(cast.elsewhere))
    assert admin.get(f"{BASE}grant/{theirs.pk}/change/").status_code == 404
    assert admin.post(f"{BASE}grant/{theirs.pk}/change/", {"sees": "all"}).status_code == 404

    def queries():
        with CaptureQueriesContext(connection) as asked:
            assert admin.get(f"{BASE}grant/").status_code == 200
        return len(asked)

    Grant.objects.filter(source=source).update(parents_in=[folders["hr"].pk])
    queries()
    few = queries()
    for _ in range(5):
        other = factories.source(cast.workspace)
        parts = [factories.node(other, f"folder {number}").pk for number in range(6)]
        Grant.objects.filter(source=other).update(parents_in=parts)
    assert queries() == few
    assert "folder 3; and 2 more" in read_as(admin.get(f"{BASE}grant/"))
