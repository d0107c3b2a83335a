"""The pages of sources, by the cast."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from datasources.models import DataSource, Grant, Node, RunItem, SyncRun, Table, UploadedFile
from datasources.views import source as source_pages
from portal.models import AuditEvent, Space
from tests import factories

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


def url(name, *args):
    return reverse(name, args=["acme", *args])


@pytest.fixture
def handbook(cast):
    """leave/sick.md and leave/annual.md are indexed, leave/scan.pdf was skipped, pay/bad.docx failed."""
    source = factories.source(cast.workspace, name="Handbook", created_by=cast.admin.user)
    leave, pay = factories.node(source, "leave"), factories.node(source, "pay")
    for name in ("sick", "annual"):
        factories.node(source, f"leave/{name}.md", parent=leave, text=f"# {name}\n\nWords about {name}.")
    for parent, name, state, reason in (
        (leave, "scan.pdf", "skipped", "Scanned"),
        (pay, "bad.docx", "failed", "Damaged"),
    ):
        node = factories.node(source, f"{parent.external_id}/{name}", parent=parent, text="x")
        node.document.delete()
        Node.objects.filter(pk=node.pk).update(status=state, reason=reason)
    return source


def test_no_page_loads_how_far_a_listing_came(as_, handbook):
    """A cursor may be megabytes, and only workers read it: neither the source's own nor the one of a run."""
    run = SyncRun.objects.create(source=handbook, state="syncing", discovered=3, held={"documents": 1, "of": 2})
    sick = Node.objects.get(external_id="leave/sick.md")
    columns = [{"name": "a", "type": "VARCHAR", "samples": []}]
    Table.objects.create(id=sick.pk, node=sick, columns=columns, rows=1, stored="none", content_hash="x")
    client = as_("admin")
    pages = [url(f"data_source{page}", handbook.pk) for page in ("", "_run", "_runs", "_access", "_used", "_settings")]
    pages += [url("data"), url("document", sick.pk), url("tables"), url("data_source_run_account", handbook.pk, run.pk)]
    pages += [url("data_source_node_access", handbook.pk, sick.pk)]
    pages += [f"/w/acme/govern/datasources/{name}/" for name in ("datasource", "syncrun", "grant", "table")]
    with CaptureQueriesContext(connection) as asked:
        assert [client.get(page).status_code for page in pages] == [200] * len(pages)
    assert not [query["sql"][:200] for query in asked.captured_queries if '"cursor"' in query["sql"]]


# ---- The list ------------------------------------------------------------------------------------------------------


def test_the_list_says_in_words_how_each_source_is(cast, as_, handbook):
    SyncRun.objects.create(
        source=handbook, state="syncing", discovered=2300, indexed=400, skipped=12, rate=5.0, listed=True
    )
    factories.source(cast.workspace, name="Share", state="needs_attention", state_detail="The folder is gone")
    page = as_("member").get(url("data")).content.decode()
    assert "Syncing 412 of 2\u202f300, 5.0 a second, 6 min left" in page
    assert "Needs attention: The folder is gone" in page
    assert 'hx-trigger="every 2s"' in page


def test_a_run_that_ends_while_its_card_is_made_shows_as_ended(cast, as_, handbook, monkeypatch):
    """The card is asked for again only while a run is open: what it says last, it says for good."""
    DataSource.objects.filter(pk=handbook.pk).update(state="syncing", last_synced=None)
    found = source_pages.visible

    def ended_meanwhile(request, pk):
        source = found(request, pk)
        DataSource.objects.filter(pk=pk).update(state="ok", last_synced=timezone.now())
        return source

    monkeypatch.setattr(source_pages, "visible", ended_meanwhile)
    card = as_("admin").get(url("data_source_run", handbook.pk)).content.decode()
    assert "Up to date" in card


def test_the_list_asks_as_often_for_many_sources_as_for_few(cast, as_, handbook, django_assert_max_num_queries):
    for _ in range(15):
        factories.node(factories.source(cast.workspace), "a.md", text="text")
    client = as_("admin")
    client.get(url("data"))
    with django_assert_max_num_queries(20):
        client.get(url("data"))


def test_a_member_sees_only_sources_that_their_spaces_read(cast, as_):
    factories.source(cast.workspace, name="Open one")
    factories.source(cast.workspace, name="Secret one", grant_to=factories.space(cast.workspace, cast.admin))
    page = as_("member").get(url("data")).content.decode()
    assert "Open one" in page
    assert "Secret one" not in page
    assert url("data_new") not in page


def test_an_empty_list_says_the_next_step(as_):
    assert url("data_new") in as_("builder").get(url("data")).content.decode()
    assert "Ask one of them" in as_("member").get(url("data")).content.decode()


# ---- Contents ------------------------------------------------------------------------------------------------------


def test_the_tree_comes_level_by_level_with_states_and_reasons(as_, handbook):
    client = as_("member")
    page = client.get(url("data_source", handbook.pk)).content.decode()
    assert "leave" in page
    assert "sick.md" not in page
    leave = Node.objects.get(external_id="leave")
    level = client.get(url("data_source_tree", handbook.pk) + f"?parent={leave.pk}").content.decode()
    assert url("document", Node.objects.get(external_id="leave/sick.md").pk) in level
    assert "Scanned" in level


def test_a_page_with_nothing_below_it_has_nothing_to_open(cast, as_, handbook):
    """A page may have others below it; whether it has is known only once everything is here."""
    alone = factories.node(handbook, "alone", text="# Alone\n\nNobody is below.")
    above = factories.node(handbook, "above", text="# Above\n\nSomebody is below.")
    factories.node(handbook, "above/below", parent=above, text="# Below\n\nWords.")
    Node.objects.filter(pk__in=[alone.pk, above.pk]).update(has_children=True)
    level = as_("member").get(url("data_source_tree", handbook.pk)).content.decode()
    assert 'aria-label="Open above"' in level
    assert 'aria-label="Open alone"' not in level
    assert 'title="1 documents below"' not in level


def test_without_scripts_a_folder_is_a_page(as_, handbook):
    leave = Node.objects.get(external_id="leave")
    page = as_("member").get(url("data_source", handbook.pk) + f"?parent={leave.pk}").content.decode()
    assert "sick.md" in page
    assert "bad.docx" not in page


def test_search_keeps_the_path_and_the_filter_the_state(as_, handbook):
    client = as_("member")
    page = client.get(url("data_source", handbook.pk) + "?q=sick", **HTMX).content.decode()
    assert "leave" in page
    assert "sick.md" in page
    assert "annual.md" not in page
    page = client.get(url("data_source", handbook.pk) + "?state=failed", **HTMX).content.decode()
    assert "bad.docx" in page
    assert "scan.pdf" not in page
    assert "Nothing has “zzz”" in client.get(url("data_source", handbook.pk) + "?q=zzz").content.decode()


def test_a_level_of_many_comes_in_pages(cast, as_):
    source = factories.source(cast.workspace)
    for number in range(205):
        factories.node(source, f"n{number:03}.md", text="x")
    client = as_("member")
    first = client.get(url("data_source_tree", source.pk)).content.decode()
    assert first.count("data-node=") == 200
    assert 'data-first="200"' in first
    rest = client.get(url("data_source_tree", source.pk) + "?first=200").content.decode()
    assert rest.count("data-node=") == 5
    assert "data-tree-more" not in rest


def test_who_may_see_a_part_sees_that_part_of_the_tree(cast, as_, handbook):
    Grant.objects.filter(source=handbook).update(parents_in=[Node.objects.get(external_id="leave").pk])
    page = as_("member").get(url("data_source", handbook.pk)).content.decode()
    assert "leave" in page
    assert ">pay<" not in page
    assert ">pay<" in as_("admin").get(url("data_source", handbook.pk)).content.decode()


def test_what_failed_is_retried_as_filtered(as_, handbook):
    client = as_("admin")
    assert "Retry this one" in client.get(url("data_source", handbook.pk) + "?state=failed").content.decode()
    client.post(url("data_source_retry", handbook.pk), {"state": "failed", "q": ""}, **HTMX)
    run = handbook.runs.get()
    assert run.trigger == "retry"
    assert run.only == [Node.objects.get(external_id="pay/bad.docx").pk]


# ---- Runs ----------------------------------------------------------------------------------------------------------


def test_a_run_is_paused_resumed_and_stopped(as_, handbook):
    client = as_("admin")
    client.post(url("data_source_steer", handbook.pk), {"action": "sync"}, **HTMX)
    run = handbook.runs.get()
    card = client.post(
        url("data_source_steer", handbook.pk), {"action": "pause", "run": run.pk}, **HTMX
    ).content.decode()
    run.refresh_from_db()
    assert run.state == "paused"
    assert "Resume" in card
    client.post(url("data_source_steer", handbook.pk), {"action": "resume", "run": run.pk}, **HTMX)
    client.post(url("data_source_steer", handbook.pk), {"action": "stop", "run": run.pk}, **HTMX)
    run.refresh_from_db()
    assert run.state == "stopped"
    answer = client.post(url("data_source_steer", handbook.pk), {"action": "stop", "run": run.pk}, **HTMX)
    assert answer.status_code == 422
    assert "stopped already" in answer.content.decode()


def test_the_card_asks_for_itself_until_the_run_has_ended(as_, handbook):
    client = as_("member")
    run = SyncRun.objects.create(source=handbook, state="syncing", discovered=10, indexed=5, listed=True)
    answer = client.get(url("data_source_run", handbook.pk), **HTMX)
    assert 'hx-trigger="every 1s"' in answer.content.decode()
    assert "HX-Trigger" not in answer
    SyncRun.objects.filter(pk=run.pk).update(state="done")
    answer = client.get(url("data_source_run", handbook.pk), **HTMX)
    assert "every 1s" not in answer.content.decode()
    assert answer["HX-Trigger"] == "run-ended"


def test_the_account_lists_every_page_and_filters(as_, handbook):
    run = SyncRun.objects.create(source=handbook, state="partial", discovered=4, indexed=2, skipped=1, failed=1)
    for node in Node.objects.filter(source=handbook).exclude(status="container"):
        RunItem.objects.create(run=run, node=node.pk, path=node.path, outcome=node.status, reason=node.reason)
    client = as_("admin")
    page = client.get(url("data_source_run_account", handbook.pk, run.pk)).content.decode()
    assert all(words in page for words in ("sick.md", "annual.md", "Scanned", "Damaged", "Retry the 1 that failed"))
    page = client.get(url("data_source_run_account", handbook.pk, run.pk) + "?outcome=skipped", **HTMX).content.decode()
    assert "scan.pdf" in page
    assert "bad.docx" not in page
    assert as_("member").get(url("data_source_runs", handbook.pk)).status_code == 403


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("done", "The source had nothing new"),
        ("failed", "The run ended before that."),
        ("stopped", "The run ended before that."),
        ("syncing", "Nothing was read yet"),
    ],
)
def test_an_empty_account_says_why_it_is_empty(as_, handbook, state, says):
    begun = timezone.now()
    run = SyncRun.objects.create(source=handbook, state=state, started=begun, finished=begun + timedelta(seconds=4))
    page = as_("admin").get(url("data_source_run_account", handbook.pk, run.pk)).content.decode()
    assert says in page
    assert "took 4 s" in page
    assert ("nothing new" in page) is (state == "done")


def test_why_a_run_waits_is_said_once(as_, handbook):
    soon = timezone.now() + timedelta(minutes=5)
    SyncRun.objects.create(source=handbook, state="queued", attempts=1, not_before=soon, error="Slack is away")
    assert as_("admin").get(url("data_source_run", handbook.pk), **HTMX).content.decode().count("Slack is away") == 1


def test_held_deletions_wait_for_a_yes(as_, handbook):
    run = SyncRun.objects.create(
        source=handbook, state="done", held={"documents": 1, "of": 2, "examples": ["leave / sick.md"]}
    )
    Node.objects.filter(external_id="leave/sick.md").update(gone="held")
    client = as_("admin")
    assert "1 of 2 documents are missing at the source" in client.get(url("data_source", handbook.pk)).content.decode()
    client.post(url("data_source_steer", handbook.pk), {"action": "reject", "run": run.pk}, **HTMX)
    assert Node.objects.get(external_id="leave/sick.md").gone == ""


def test_a_member_steers_nothing(as_, handbook):
    assert as_("member").post(url("data_source_steer", handbook.pk), {"action": "sync"}).status_code == 403
    assert not handbook.runs.exists()


def test_a_builder_manages_only_sources_that_they_may(cast, as_):
    theirs = factories.source(cast.workspace, grant_to=factories.space(cast.workspace, cast.admin))
    client = as_("builder")
    for name in ("data_source_settings", "data_source_runs", "data_source_delete"):
        assert client.get(url(name, theirs.pk)).status_code == 404, name
    assert client.post(url("data_source_steer", theirs.pk), {"action": "sync"}).status_code == 404


def test_an_admin_sees_sources_that_no_space_reads(cast, as_):
    lonely = factories.source(cast.workspace, name="Lonely", grant_to=False)
    assert "Lonely" in as_("admin").get(url("data")).content.decode()
    assert as_("admin").get(url("data_source", lonely.pk)).status_code == 200


# ---- Access --------------------------------------------------------------------------------------------------------


def test_an_admin_gives_a_space_a_part_then_all_then_nothing(cast, as_, handbook):
    room = factories.space(cast.workspace, cast.member, name="Room")
    leave = Node.objects.get(external_id="leave")
    address = url("data_source_access_change", handbook.pk, room.pk)
    part = json.dumps([{"data_source": str(handbook.pk), "parents_in": [str(leave.pk)], "parents_not_in": []}])
    client = as_("admin")
    client.post(address, {"sees": "part", "part": part})
    assert Grant.objects.get(space=room).parents_in == [leave.pk]
    page = client.get(url("data_source_access", handbook.pk)).content.decode()
    assert "sees 1 part" in page
    assert str(leave.pk) in client.get(address).content.decode()
    client.post(address, {"sees": "all"})
    assert Grant.objects.get(space=room).parents_in is None
    client.post(address, {"sees": "none"})
    assert not Grant.objects.filter(space=room).exists()
    assert AuditEvent.objects.filter(action__in=["grant.set", "grant.remove"]).count() == 3


@pytest.mark.parametrize("part", ["", "[]", "nonsense", '[{"data_source": 1}]', "{}", "null"])
def test_a_part_that_is_nothing_or_nonsense_changes_no_access(cast, as_, handbook, part):
    room = factories.space(cast.workspace, name="Room")
    address = url("data_source_access_change", handbook.pk, room.pk)
    answer = as_("admin").post(address, {"sees": "part", "part": part})
    assert answer.status_code == 422
    assert not Grant.objects.filter(space=room).exists()


def test_nodes_of_another_source_are_no_part_of_this_one(cast, as_, handbook):
    other = factories.node(factories.source(cast.workspace), "x")
    room = factories.space(cast.workspace, name="Room")
    part = json.dumps([{"data_source": str(handbook.pk), "parents_in": [str(other.pk)]}])
    answer = as_("admin").post(url("data_source_access_change", handbook.pk, room.pk), {"sees": "part", "part": part})
    assert answer.status_code == 422


def test_a_builder_does_not_decide_access(cast, as_, handbook):
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    assert (
        as_("builder").post(url("data_source_access_change", handbook.pk, company.pk), {"sees": "none"}).status_code
        == 403
    )


# ---- Settings, deletion, uploads -----------------------------------------------------------------------------------


def test_name_and_schedule_change(as_, handbook):
    DataSource.objects.filter(pk=handbook.pk).update(kind="folder", config={"path": "/srv/guide"})
    form = {"name": "Guide", "schedule": "hourly", "s-path": "/srv/guide"}
    as_("admin").post(url("data_source_settings", handbook.pk), form)
    handbook.refresh_from_db()
    assert (handbook.name, handbook.schedule) == ("Guide", "hourly")
    assert handbook.next_run is not None


def test_deleting_says_what_is_lost_and_wants_the_name(as_, handbook):
    client = as_("admin")
    page = client.get(url("data_source_delete", handbook.pk), **HTMX).content.decode()
    assert "<strong>2</strong> documents" in page
    assert "tables with" not in page
    for number in range(2):
        sheet = handbook.nodes.get(external_id="leave/sick.md")
        Table.objects.create(id=uuid4(), node=sheet, position=number, rows=600, stored=f"{number}.parquet")
    page = client.get(url("data_source_delete", handbook.pk), **HTMX).content.decode()
    assert "<strong>2</strong> tables with 1\u202f200 rows" in page
    assert "<strong>Company</strong>" in page
    assert client.post(url("data_source_delete", handbook.pk), {"name": "Hand"}).status_code == 422
    client.post(url("data_source_delete", handbook.pk), {"name": "Handbook"})
    handbook.refresh_from_db()
    assert handbook.state == "deleting"


def test_files_come_in_with_their_folders_and_go_out_again(as_, handbook):
    client = as_("admin")
    answer = client.post(
        url("data_source_upload", handbook.pk),
        {"path": "trip/notes/day 1.md", "file": SimpleUploadedFile("day 1.md", b"# Day 1")},
        headers={"X-Atrium-Upload": "1"},
    )
    assert answer.status_code == 204
    assert UploadedFile.objects.get().path == "trip/notes/day 1.md"
    address = url("data_source_upload_remove", handbook.pk)
    assert "trip/notes/day 1.md" in client.get(address, {"path": "trip/notes/day 1.md"}, **HTMX).content.decode()
    client.post(address, {"path": "trip/notes/day 1.md"})
    assert not UploadedFile.objects.exists()


def test_what_programs_write_is_named_and_started_and_says_where_to_write(as_, cast, settings):
    settings.BASE_URL = "https://atrium.acme.example"
    client, company = as_("admin"), Space.objects.get(workspace=cast.workspace, name="Company")
    way = url("data_new") + "?kind=api"
    assert "Test connection" not in client.get(way).content.decode()
    client.post(way, {"name": "Canteen", "spaces": [company.pk]})
    source = DataSource.objects.get(kind="api")
    assert source.state == "new"
    where = f"https://atrium.acme.example/api/v1/workspaces/acme/data-sources/{source.pk}/items/"
    for name in ("data_source", "data_source_settings"):
        assert where in client.get(url(name, source.pk)).content.decode()
    # Programs begin when they like: the card looks for that, and leaves what somebody may be copying alone.
    card = client.get(url("data_source_run", source.pk))
    assert 'hx-trigger="every 3s"' in card.content.decode()
    assert "Nothing written yet" in card.content.decode()
    assert "HX-Trigger" not in card
    DataSource.objects.update(last_synced=timezone.now())
    card = client.get(url("data_source_run", source.pk))
    assert "hx-trigger" not in card.content.decode()
    assert card["HX-Trigger"] == "run-ended"
    factories.node(source, "hours", text="The canteen opens at noon.")
    assert where not in client.get(url("data_source", source.pk)).content.decode()
    assert where not in as_("member").get(url("data_source", source.pk)).content.decode()


def test_a_file_that_can_not_be_taken_is_told_in_a_sentence(as_, handbook, settings):
    settings.MAX_UPLOAD_BYTES = 5
    answer = as_("admin").post(
        url("data_source_upload", handbook.pk),
        {"path": "big.txt", "file": SimpleUploadedFile("big.txt", b"0123456789")},
        headers={"X-Atrium-Upload": "1"},
    )
    assert answer.status_code == 422
    assert "big.txt is larger than" in answer.content.decode()
    answer = as_("admin").post(
        url("data_source_upload", handbook.pk),
        {"path": "../../etc/passwd", "file": SimpleUploadedFile("passwd", b"x")},
        headers={"X-Atrium-Upload": "1"},
    )
    assert answer.status_code == 422


def test_a_plain_form_brings_several_files(as_, handbook):
    files = [SimpleUploadedFile(f"{n}.md", b"text") for n in range(3)]
    as_("admin").post(url("data_source_upload", handbook.pk), {"file": files})
    assert UploadedFile.objects.count() == 3


def test_a_member_uploads_nothing(as_, handbook):
    answer = as_("member").post(url("data_source_upload", handbook.pk), {"file": SimpleUploadedFile("a.md", b"x")})
    assert answer.status_code == 403


def test_outsiders_find_nothing(as_, handbook):
    client = as_("outsider")
    node = Node.objects.get(external_id="leave/sick.md")
    for address in (
        url("data_source", handbook.pk),
        url("data_source_tree", handbook.pk),
        url("data_source_run", handbook.pk),
        url("document", node.pk),
        reverse("data_source", args=["umbra", handbook.pk]),
        reverse("document", args=["umbra", node.pk]),
    ):
        assert client.get(address).status_code == 404, address


def test_a_fragment_that_a_script_fetches_asks_for_nothing_of_the_frame(cast, client, handbook):
    client.force_login(cast.member.user)

    def asked(address: str, **headers: str) -> str:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address, **headers).status_code == 200
        return " ".join(query["sql"] for query in queries)

    frame = ("assistants_conversation", "assistants_favourite", "portal_notice")
    page, level = asked(url("data_source", handbook.pk)), asked(url("data_source_tree", handbook.pk))
    assert all(table in page for table in frame)
    assert not any(table in level for table in frame)
