"""Mirrored access: a node is for those whom its vendor and a grant both let read it. Index, SQL and pages agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from allauth.account.models import EmailAddress
from asgiref.sync import async_to_sync, sync_to_async
from django.urls import reverse
from django.utils import timezone

from assistants.models import Citation
from assistants.presenting import sources_of
from datasources import browsing, narrowing, reading
from datasources.access import readable_branches
from datasources.connectors import registry
from datasources.connectors.base import ConnectorError, Move, Upsert
from datasources.explaining import why
from datasources.models import DataSource, Document, Grant, Node, SourceGroup, node_id
from datasources.reading import search_passages
from datasources.retrieval.types import Branch, Filter
from datasources.sources import update_source
from datasources.sync import sync_source
from tests import factories
from tests.callers import key
from tests.datasources.syncing import assert_exact, file_node, synced

pytestmark = pytest.mark.django_db


@pytest.fixture
def drive(source, place, monkeypatch, embedder, cast):
    """A drive that mirrors: open.md for all, pay below Hr for Max alone, plans below Board for a group that Bea is in."""
    monkeypatch.setattr("datasources.reading.embedder_for", lambda workspace: embedder)
    # In this thread, whose transaction sees the rows.
    monkeypatch.setattr("datasources.reading.in_database", lambda call, *args: sync_to_async(call)(*args))
    for person in (cast.admin, cast.builder, cast.member):
        EmailAddress.objects.create(user=person.user, email=person.user.email, verified=True)
    DataSource.objects.update(mirror=True)
    source.refresh_from_db()
    place.files = {
        "open.md": "The canteen opens at noon.",
        "Hr/pay.md": "The bands of pay.",
        "Hr/leave.md": "The days of leave.",
        "Board/plans.md": "The plans of the board.",
    }
    place.readers = {
        "open.md": ("everyone",),
        "Hr": ("mail:Member@ACME.example",),
        "Hr/leave.md": ("domain:acme.example",),
        "Board": ("group:board",),
    }
    place.groups = {"board": ["Builder@acme.example"]}
    synced(source)
    return place


def read(person) -> set[str]:
    """What this person may read by SQL, which the index must find, and no more."""
    source = DataSource.objects.get()
    by_sql = set(Node.objects.readable_by(person).filter(document__isnull=False).values_list("external_id", flat=True))
    results = async_to_sync(search_passages)(person, "the plans, the pay, the leave, the canteen", limit=50)
    paths = dict(source.nodes.values_list("pk", "external_id"))
    assert {paths[passage.node] for passage in results.passages} == by_sql
    raw = _in_index(person)
    assert {paths[node] for node in raw} == by_sql
    return by_sql


def _in_index(person) -> set:
    """What the index alone lets through, before SQL looks again."""
    handle = reading.open_index().for_workspace(person.workspace_id)
    embedder = reading.embedder_for(person.workspace)
    vector = embedder.embed_query("the").vectors[0]
    filter = Filter(readable_branches(person))
    found = async_to_sync(handle.search)(embedder.space, dense=vector, query="the", filter=filter, limit=100)
    ids = [hit.id for hit in (*found.dense, *found.bm25)]
    return {UUID(hit.payload["node"]) for hit in async_to_sync(handle.fetch)(embedder.space, ids, filter)}


def test_each_reads_what_the_vendor_lets_them(drive, cast, source, embedder):
    assert read(cast.member) == {"open.md", "Hr/pay.md", "Hr/leave.md"}
    assert read(cast.builder) == {"open.md", "Hr/leave.md", "Board/plans.md"}
    assert read(cast.admin) == {"open.md", "Hr/leave.md"}
    assert_exact(source, embedder.space)


def test_a_grant_is_needed_as_well(drive, cast):
    Grant.objects.update(parents_in=[node_id(DataSource.objects.get().pk, "Hr")])
    assert read(cast.member) == {"Hr/pay.md", "Hr/leave.md"}
    assert read(cast.builder) == {"Hr/leave.md"}
    Grant.objects.all().delete()
    assert readable_branches(cast.member) == ()


def test_an_address_that_was_not_proven_counts_for_nothing(drive, cast):
    EmailAddress.objects.update(verified=False)
    assert read(cast.member) == read(cast.builder) == {"open.md"}


def test_a_second_proven_address_counts(drive, cast):
    EmailAddress.objects.create(user=cast.member.user, email="Builder@Acme.example", verified=False)
    assert "Board/plans.md" not in read(cast.member)
    EmailAddress.objects.filter(user=cast.builder.user).delete()
    EmailAddress.objects.filter(user=cast.member.user).update(verified=True)
    assert "Board/plans.md" in read(cast.member)


def test_what_nobody_was_told_of_is_for_nobody(drive, cast, source):
    drive.readers = {}
    synced(source)
    assert read(cast.member) == read(cast.builder) == read(cast.admin) == set()


def test_a_changed_reader_of_a_folder_reaches_all_below_without_reading_it_again(drive, cast, source, embedder):
    drive.fetched.clear()
    texts = embedder.texts
    drive.readers["Hr"] = ("mail:builder@acme.example",)
    drive.script = [Upsert(node) for node in drive.nodes() if node.external_id == "Hr"]
    synced(source)
    assert (drive.fetched, embedder.texts) == ([], texts)
    assert read(cast.member) == {"open.md", "Hr/leave.md"}
    assert read(cast.builder) == {"open.md", "Hr/pay.md", "Hr/leave.md", "Board/plans.md"}
    assert_exact(source, embedder.space)


def test_a_moved_document_takes_the_readers_of_where_it_goes(drive, cast, source, embedder):
    drive.script = [Move("Hr/pay.md", "Board")]
    synced(source)
    assert read(cast.member) == {"open.md", "Hr/leave.md"}
    assert "Hr/pay.md" in read(cast.builder)
    drive.script = [Move("Hr", "Board")]
    synced(source)
    # The folder was told readers of its own, and so was leave.md: those stay with them.
    assert read(cast.member) == {"open.md", "Hr/leave.md"}
    assert Node.objects.get(external_id="Hr").readers == ["mail:member@acme.example"]


def test_who_left_a_group_reads_nothing_of_it_after_the_next_run(drive, cast, source):
    drive.groups["board"] = ["member@acme.example"]
    synced(source)
    assert "Board/plans.md" not in read(cast.builder)
    assert "Board/plans.md" in read(cast.member)


def test_a_group_that_cannot_be_read_counts_for_a_day_and_then_for_nobody(drive, cast, source):
    drive.groups["board"] = ConnectorError("The group can't be read")
    run = synced(source)
    assert run.state == "done"
    assert "A group of the source could not be read (board)" in run.error
    assert "Board/plans.md" in read(cast.builder)
    SourceGroup.objects.update(updated=timezone.now() - timedelta(hours=25))
    run = synced(source)
    assert "nobody counts as in there" in run.error
    assert "Board/plans.md" not in read(cast.builder)
    source.refresh_from_db()
    assert source.state_detail == run.error
    drive.groups["board"] = ["builder@acme.example"]
    assert synced(source).error == ""
    assert "Board/plans.md" in read(cast.builder)


def test_a_source_that_is_broken_for_a_day_lets_nobody_in_by_group(drive, cast, source):
    drive.listing_error = ConnectorError("The token was revoked", permanent=True)
    synced(source)
    assert "Board/plans.md" in read(cast.builder)
    SourceGroup.objects.update(updated=timezone.now() - timedelta(hours=25))
    synced(source)
    assert read(cast.builder) == {"open.md", "Hr/leave.md"}


def test_groups_that_nothing_names_are_forgotten(drive, source):
    drive.readers["Board"] = ("everyone",)
    synced(source)
    assert not SourceGroup.objects.exists()


def test_switched_on_nobody_reads_until_it_was_told_and_off_grants_alone_decide(drive, cast, source, monkeypatch):
    monkeypatch.setitem(registry.CONNECTORS, "fake", replace(drive.about, mirrors=True))
    source = update_source(source, by=None, mirror=False)
    sync_source(source.runs.get(state="queued"))
    assert len(read(cast.admin)) == 4
    assert not Node.objects.exclude(readers=None).exists()
    update_source(source, by=None, mirror=True)
    assert Node.objects.readable_by(cast.member).count() == 0
    drive.fetched.clear()
    run = source.runs.get(state="queued")
    assert run.full
    sync_source(run)
    assert drive.fetched == []
    assert read(cast.admin) == {"open.md", "Hr/leave.md"}


def test_tree_and_counts_show_what_is_readable_and_the_way_to_it(drive, cast, source):
    def names(person):
        rows = browsing.level(person, source, None).rows
        return {row.node.title: (row.readable, row.documents) for row in rows}

    assert names(cast.member) == {"Hr": (True, 2), "open.md": (True, 0)}
    # Hr is not hers, but something in it is.
    cast.builder.role = "member"
    assert names(cast.builder) == {"Board": (True, 1), "Hr": (False, 1), "open.md": (True, 0)}
    found = browsing.find(cast.member, source, "plans")
    assert (found.total, found.rows) == (0, [])


def test_what_leads_only_to_what_is_being_removed_is_not_shown(drive, cast, source):
    cast.builder.role = "member"
    Node.objects.filter(external_id="Hr/leave.md").update(gone="agreed")
    assert set(Node.objects.browsable_by(cast.builder).values_list("title", flat=True)) == {
        "Board",
        "plans.md",
        "open.md",
    }


def test_a_granted_part_is_not_named_where_the_vendor_says_no(drive, cast, source):
    Grant.objects.update(parents_in=[node_id(source.pk, "Board")])
    assert not Node.objects.browsable_by(cast.member).exists()
    assert [place.name for place in narrowing.suggested(cast.member, "board")] == []
    assert [place.name for place in narrowing.suggested(cast.builder, "board")] == ["Board"]
    board = Branch(source.pk, (node_id(source.pk, "Board"),))
    with pytest.raises(narrowing.OutOfReach):
        narrowing.checked([board], readable_branches(cast.member))
    assert narrowing.checked([board], readable_branches(cast.builder))
    wanted = (Branch(source.pk),)
    assert [place.name for place in narrowing.suggested(cast.member, "board", wanted)] == []


def test_readable_branches_take_three_queries_whatever_there_is(drive, cast, source, django_assert_num_queries):
    for number in range(5):
        other = factories.source(cast.workspace, kind="fake", mirror=True)
        SourceGroup.objects.create(source=other, external_id=str(number), emails=["member@acme.example"])
    with django_assert_num_queries(3):
        branches = readable_branches(cast.member)
    assert len(branches) == 6
    DataSource.objects.update(mirror=False)
    with django_assert_num_queries(1):
        readable_branches(cast.member)


def test_why_says_which_rule_lets_one_in_or_not(drive, cast, source):
    pay = Node.objects.get(external_id="Hr/pay.md")
    mine = why(pay, cast.member)
    assert mine.may
    assert mine.reasons[0] == f"Company sees all of {source}, and you are in it."
    assert mine.reasons[1].endswith("it may be read by your address member@acme.example.")
    hers = why(pay, cast.builder, cast.admin)
    assert not hers.may
    assert hers.reasons[1].endswith("it may be read by 1 person; none of their confirmed addresses is among them.")
    assert "member@acme.example" not in " ".join(hers.reasons)
    plans = Node.objects.get(external_id="Board/plans.md")
    assert "a group that your address is in (board)" in why(plans, cast.builder).reasons[1]
    leave = Node.objects.get(external_id="Hr/leave.md")
    assert why(leave, cast.admin).reasons[1].endswith("everybody of acme.example.")
    Grant.objects.all().delete()
    assert why(pay, cast.member).reasons[0] == f"No space sees this part of {source}: no grant covers it."
    secret = factories.space(cast.workspace, cast.builder, name="Takeover")
    Grant.objects.create(space=secret, source=source)
    assert why(pay, cast.member).reasons[0] == "It was given to other spaces, and you are not in any of them."
    assert why(pay, cast.member, cast.admin).reasons[0] == ("Only Takeover sees it, and Max Member is not in it.")
    assert not why(pay, cast.member).may
    cast.member.active = False
    assert not why(pay, cast.member).may


def test_the_api_tells_oneself_and_lets_managers_ask_about_others(drive, cast, source, client):
    pay = node_id(source.pk, "Hr/pay.md")
    url = f"/api/v1/workspaces/acme/documents/{pay}/access/"

    def ask(person, member=None):
        asked = {"member": str(member.pk)} if member else {}
        return client.get(url, asked, headers={"authorization": f"Bearer {key(person, 'read')}"})

    assert ask(cast.member).json()["may"] is True
    assert ask(cast.member, cast.builder).status_code == 403
    told = ask(cast.admin, cast.builder).json()
    assert (told["member"], told["may"]) == (str(cast.builder.pk), False)
    assert ask(cast.outsider).status_code == 404
    assert ask(cast.admin, cast.outsider).status_code == 404
    Grant.objects.all().delete()
    assert ask(cast.member).status_code == 404


def test_the_document_page_says_who_and_why(drive, cast, source, client):
    leave = reverse("document", args=["acme", node_id(source.pk, "Hr/leave.md")])
    client.force_login(cast.admin.user)
    page = client.get(leave, {"about": str(cast.builder.pk)}).content.decode()
    assert "every member, where the source lets them read it" in page
    assert "everybody of acme.example" in page
    assert "Bea Builder can read it" in page
    client.force_login(cast.member.user)
    page = client.get(leave, {"about": str(cast.builder.pk)}).content.decode()
    assert "Bea Builder" not in page
    client.force_login(cast.builder.user)
    assert client.get(reverse("document", args=["acme", node_id(source.pk, "Hr/pay.md")])).status_code == 404


def test_counts_of_the_api_are_of_what_one_may_see(drive, cast, source, client):
    headers = {"authorization": f"Bearer {key(cast.member, 'read')}"}
    shown = client.get("/api/v1/workspaces/acme/data-sources/", headers=headers).json()["results"][0]
    assert shown["counts"]["total"] == 3
    run = source.runs.get()
    run.current, run.held = "Board / plans.md", {"documents": 1, "of": 2, "examples": ["Board / plans.md"]}
    run.save()
    for address in ("runs/", f"runs/{run.pk}/", ""):
        text = client.get(f"/api/v1/workspaces/acme/data-sources/{source.pk}/{address}", headers=headers).content
        assert b"plans" not in text
    admin = {"authorization": f"Bearer {key(cast.admin, 'read')}"}
    assert b"plans" in client.get(f"/api/v1/workspaces/acme/data-sources/{source.pk}/runs/", headers=admin).content


def test_a_deleted_document_that_was_mirrored_is_withheld_from_whom_it_was_told_by_others(drive, cast, source):
    pay = node_id(source.pk, "Hr/pay.md")
    Document.objects.filter(pk=pay).delete()
    Node.objects.filter(pk=pay).delete()
    gone = Citation(n=1, node=pay, source=source.pk, start=0, end=5, content_hash="")
    assert sources_of(cast.builder, [gone])[0].withheld
    assert sources_of(cast.builder, [gone], asked=True)[0].gone


def test_readers_are_kept_only_where_the_source_mirrors(source, place):
    place.files = {"a.md": "Text."}
    place.script = [Upsert(file_node("a.md", "Text.", readers=("mail:x@y.de",)))]
    synced(source)
    assert Node.objects.get().readers is None
