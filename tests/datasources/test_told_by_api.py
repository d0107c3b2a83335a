"""What an integration is told of data, as a person is in the portal: losses, passages, tags, who sees what, how a source is."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from datasources.models import DataSource, Document, Grant, Node, Offered, SyncRun, node_id
from datasources.retrieval.types import IndexUnavailable
from portal.models import Space
from tests import factories
from tests.callers import Caller
from tests.datasources.syncing import synced
from tests.datasources.tabled import CUSTOMERS, ORDERS, give_table
from tests.portal.test_api import problem

pytestmark = pytest.mark.django_db
LEAVE = "# Krankheit 🤒\n\n" + "".join(
    f"## Fall {number}\n\n" + "Melde dich früh, das Attest kommt am dritten Tag. " * 40 + "\n\n" for number in range(4)
)


@pytest.fixture(autouse=True)
def _storage(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}}


@pytest.fixture
def board(cast):
    """A space with the builder alone."""
    return factories.space(cast.workspace, cast.builder, name="Board")


@pytest.fixture
def leave(place, source):
    """A long document that came in with a sync."""
    place.files["hr/leave.md"] = LEAVE
    synced(source)
    return Document.objects.select_related("node__source").get(node__external_id="hr/leave.md")


def queries(call):
    """Of a call that is not the first: that notes when its key was used."""
    call()
    with CaptureQueriesContext(connection) as asked:
        assert call().status_code == 200
    return len(asked)


# ---- What a deletion would lose ----------------------------------------------------------------------------------


def test_losses_are_told_by_number_and_name_and_nothing_is_done(cast, leave):
    source = leave.node.source
    give_table(factories.node(source, "orders.csv", text="x"), ORDERS)
    source.uploads.create(path="a.md", stored="a.md", size=1, sha256="0")
    at = f"data-sources/{source.pk}/deletion/"
    told = Caller(cast.admin).get(at).json()
    assert (told["documents"], told["tables"], told["rows"]) == (2, 1, 3)
    assert told["passages"] == leave.passages > 3
    assert (told["uploads"], told["syncs"]) == (1, 1)
    assert [space["name"] for space in told["spaces"]] == ["Company"]
    assert told["used_by"] == {"seen": [], "personal": 0}
    assert DataSource.objects.get(pk=source.pk).state != "deleting"


def test_losses_are_for_who_may_delete_and_name_no_space_that_they_do_not_know(cast, client, board):
    secret = factories.space(cast.workspace, cast.admin, name="Takeover")
    source = factories.source(cast.workspace, grant_to=board)
    Grant.objects.create(source=source, space=secret)
    at = f"data-sources/{source.pk}/deletion/"
    told = Caller(cast.builder).get(at)
    assert [space["name"] for space in told.json()["spaces"]] == ["Board"]
    assert [space["name"] for space in Caller(cast.admin).get(at).json()["spaces"]] == ["Board", "Takeover"]
    client.force_login(cast.builder.user)
    page = client.get(reverse("data_source_delete", args=["acme", source.pk])).content.decode()
    assert "<strong>Board</strong>" in page
    assert "Takeover" not in page
    problem(Caller(cast.member).get(at), 403, "permission_denied")
    problem(Caller(cast.builder, "ask").get(at), 403, "scope_missing")
    problem(Caller(cast.outsider, slug="acme").get(at), 404, "not_found")
    Grant.objects.filter(source=source, space=board).update(parents_in=[source.pk])
    problem(Caller(cast.builder).get(at), 403, "permission_denied")
    DataSource.objects.update(state="deleting")
    problem(Caller(cast.admin).get(at), 404, "not_found")


def test_losses_take_as_many_queries_for_much_as_for_little(cast):
    source = factories.source(cast.workspace)
    call = Caller(cast.admin)
    few = queries(lambda: call.get(f"data-sources/{source.pk}/deletion/"))
    for number in range(5):
        Grant.objects.create(source=source, space=factories.space(cast.workspace))
        factories.node(source, f"{number}.md", text="Text.")
    assert queries(lambda: call.get(f"data-sources/{source.pk}/deletion/")) == few


# ---- Passages ----------------------------------------------------------------------------------------------------


def pages(call, address, **query):
    found = []
    while address:
        body = call.get(address, **query).json()
        found.append(body["results"])
        address, query = body["next"] and body["next"].removeprefix("http://testserver"), {}
    return found


def test_each_passage_is_that_stretch_of_the_text(cast, leave):
    call = Caller(cast.member)
    text = call.get(f"documents/{leave.pk}/").json()
    at = f"documents/{leave.pk}/passages/"
    (passages,) = pages(call, at)
    assert [passage["number"] for passage in passages] == list(range(1, leave.passages + 1))
    assert all(text["text"][one["start"] : one["end"]] == one["text"] for one in passages)
    assert {one["content_hash"] for one in passages} == {text["content_hash"]}
    assert [one["start"] for one in passages] == sorted(one["start"] for one in passages)
    assert "Fall 2" in {one["heading"].rpartition(" › ")[2] for one in passages}
    few = pages(call, at, limit=3)
    assert [len(page) for page in few[:-1]] == [3] * (len(few) - 1)
    assert [one for page in few for one in page] == passages
    back = call.get(at, limit=3).json()["next"].removeprefix("http://testserver")
    assert call.get(call.get(back).json()["previous"].removeprefix("http://testserver")).json()["results"] == few[0]


def test_passages_of_a_text_that_changed_since_say_so(cast, leave):
    Document.objects.filter(pk=leave.pk).update(text="Anders.", content_hash="new")
    call = Caller(cast.member)
    (passages,) = pages(call, f"documents/{leave.pk}/passages/")
    assert call.get(f"documents/{leave.pk}/").json()["content_hash"] not in {one["content_hash"] for one in passages}


def test_passages_are_for_who_may_read_the_document(cast, leave, board):
    at = f"documents/{leave.pk}/passages/"
    folder = Node.objects.get(external_id="hr")
    problem(Caller(cast.member).get(f"documents/{folder.pk}/passages/"), 404, "not_found")
    problem(Caller(cast.member, "ask").get(at), 403, "scope_missing")
    problem(Caller(cast.outsider, slug="acme").get(at), 404, "not_found")
    Grant.objects.update(space=board)
    assert Caller(cast.builder).get(at).status_code == 200
    problem(Caller(cast.member).get(at), 404, "not_found")
    problem(Caller(cast.admin).get(at), 404, "not_found")  # governs, does not read


def test_passages_of_what_is_not_in_the_index_are_none_and_an_index_that_is_down_is_a_503(cast, leave, monkeypatch):
    waiting = factories.node(leave.node.source, "new.md", text="Text.")
    assert Caller(cast.member).get(f"documents/{waiting.pk}/passages/").json()["results"] == []

    def down():
        raise IndexUnavailable("The index does not answer. Try again in a minute.")

    monkeypatch.setattr("datasources.reading.open_index", down)
    problem(Caller(cast.member).get(f"documents/{leave.pk}/passages/"), 503, "index_unavailable")


def test_passages_take_as_many_queries_for_many_as_for_few(cast, leave):
    call, at = Caller(cast.member), f"documents/{leave.pk}/passages/"
    assert queries(lambda: call.get(at, limit=1)) == queries(lambda: call.get(at)) <= 7


# ---- Tags --------------------------------------------------------------------------------------------------------


@pytest.fixture
def tagged(cast, board):
    """Of everybody: two sources. Of Board: one more with tags of its own."""
    one, two = factories.source(cast.workspace, name="One"), factories.source(cast.workspace, name="Two")
    secret = factories.source(cast.workspace, grant_to=board, name="Secret")
    hr = factories.node(one, "hr")
    factories.node(one, "hr/a.md", parent=hr, text="x", tags=["hr", "100%"])
    factories.node(one, "b.md", text="x", tags=["hr", "Leave_1"])
    factories.node(two, "c.md", text="x", tags=["leave", "hr"])
    factories.node(secret, "d.md", text="x", tags=["hr", "takeover"])
    factories.node(one, "lost.md", text="x", tags=["broken"])
    Node.objects.filter(title="lost.md").update(status="failed")
    return one, two, secret


def told(call, **query):
    return [(row["tag"], row["documents"]) for row in call.get("tags/", **query).json()["results"]]


def test_tags_are_of_what_one_may_read_the_most_used_first(cast, tagged):
    assert told(Caller(cast.member)) == [("hr", 3), ("100%", 1), ("Leave_1", 1), ("leave", 1)]
    assert told(Caller(cast.builder))[0] == ("hr", 4)
    assert "takeover" in dict(told(Caller(cast.builder)))
    Grant.objects.all().delete()
    assert told(Caller(cast.member)) == []
    assert told(Caller(cast.member), q="hr") == []


def test_tags_of_sources_and_folders(cast, tagged):
    one, two, secret = tagged
    call = Caller(cast.member)
    hr = node_id(one.pk, "hr")
    assert told(call, data_source=one.pk) == [("hr", 2), ("100%", 1), ("Leave_1", 1)]
    assert told(call, data_source=[one.pk, two.pk])[0] == ("hr", 3)
    assert told(call, parents_in=hr) == [("100%", 1), ("hr", 1)]
    assert told(call, parents_in=hr, data_source=two.pk) == []
    for query in ({"data_source": secret.pk}, {"parents_in": node_id(secret.pk, "d.md")}, {"data_source": hr}):
        problem(call.get("tags/", **query), 404, "not_found")
    problem(call.get("tags/", data_source="nonsense"), 400, "invalid")


def test_tags_are_searched_for_literally_and_come_in_pages(cast, tagged):
    call = Caller(cast.member)
    assert told(call, q="LEAVE") == [("Leave_1", 1), ("leave", 1)]
    assert told(call, q="%") == [("100%", 1)]
    assert told(call, q="_") == [("Leave_1", 1)]
    assert told(call, q="\\") == []
    assert [len(page) for page in pages(call, "tags/", limit=3)] == [3, 1]
    problem(Caller(cast.member, "ask").get("tags/"), 403, "scope_missing")
    problem(Caller(cast.outsider, slug="acme").get("tags/"), 404, "not_found")


def test_tags_take_as_many_queries_for_many_as_for_few(cast, tagged):
    one, two, _ = tagged
    call = Caller(cast.member)
    few = queries(lambda: call.get("tags/", data_source=one.pk))
    for number in range(20):
        factories.node(one, f"{number}.md", text="x", tags=[f"tag {number}"])
    assert queries(lambda: call.get("tags/", data_source=[one.pk, two.pk])) == few


# ---- Who sees what -----------------------------------------------------------------------------------------------


def test_access_names_the_spaces_that_see_a_document_or_folder_as_far_as_one_may_know(cast, board):
    source = factories.source(cast.workspace, grant_to=False)
    hr = factories.node(source, "hr")
    node = factories.node(source, "hr/a.md", parent=hr, text="x")
    Grant.objects.create(source=source, space=board)
    Grant.objects.create(
        source=source, space=Space.objects.get(name="Company", workspace=cast.workspace), parents_in=[node.pk]
    )

    def spaces(who, of=node):
        body = Caller(who).get(f"documents/{of.pk}/access/").json()
        return [(space["name"], space["who"]) for space in body["spaces"]]

    assert spaces(cast.member) == [("Company", "every member")]
    assert spaces(cast.builder) == spaces(cast.admin) == [("Board", "1 person"), ("Company", "every member")]
    assert spaces(cast.admin, hr) == [("Board", "1 person")]
    DataSource.objects.update(mirror=True)
    assert spaces(cast.admin)[0] == ("Board", "1 person, where the source lets them read it")


def test_what_each_space_sees_of_a_source_and_each_source_of_a_space(cast, board):
    source = factories.source(cast.workspace, name="Handbook", grant_to=board)
    hr = factories.node(source, "hr")
    pay = factories.node(source, "hr/pay", parent=hr)
    company = Space.objects.get(name="Company", workspace=cast.workspace)
    Grant.objects.create(source=source, space=company, parents_in=[pay.pk])

    def seen(who):
        body = Caller(who).get(f"data-sources/{source.pk}/access/").json()
        return [(row["space"]["name"], row["people"], row["sees"], row["parts"]) for row in body["results"]]

    assert seen(cast.member) == [("Company", None, "part", ["hr / pay"])]
    factories.space(cast.workspace, name="Sales")
    both = [("Company", None, "part", ["hr / pay"]), ("Board", 1, "all", [])]
    assert seen(cast.builder) == both
    assert seen(cast.admin) == [*both, ("Sales", 0, "", [])]
    found = Caller(cast.member).get(f"spaces/{company.pk}/data-sources/").json()["results"]
    assert found == [{"data_source": str(source.pk), "name": "Handbook", "whole": False, "parts": ["hr / pay"]}]
    assert Caller(cast.builder).get(f"spaces/{board.pk}/data-sources/").json()["results"][0]["whole"] is True
    problem(Caller(cast.member).get(f"spaces/{board.pk}/data-sources/"), 404, "not_found")
    for at in (f"data-sources/{source.pk}/access/", f"spaces/{company.pk}/data-sources/"):
        problem(Caller(cast.outsider, slug="acme").get(at), 404, "not_found")
        problem(Caller(cast.member, "ask").get(at), 403, "scope_missing")
    Grant.objects.filter(space=company).delete()
    problem(Caller(cast.member).get(f"data-sources/{source.pk}/access/"), 404, "not_found")


def test_what_is_still_to_come_is_named_to_who_decides(cast):
    source = factories.source(cast.workspace)
    level = source.levels.create(parent="", state="read")
    later = Offered.objects.create(
        level=level, source=source, node=node_id(source.pk, "later"), external_id="later", kind="folder", title="Later"
    )
    Grant.objects.update(parents_in=[later.node, source.pk])
    body = Caller(cast.admin).get(f"data-sources/{source.pk}/access/").json()
    assert body["results"][0]["parts"] == ["Later", "A part that is not in it now"]


def test_who_sees_what_takes_as_many_queries_for_many_as_for_few(cast, board):
    source = factories.source(cast.workspace, grant_to=board)
    Grant.objects.update(parents_in=[factories.node(source, "first").pk])
    call = Caller(cast.admin)
    addresses = (f"data-sources/{source.pk}/access/", f"spaces/{board.pk}/data-sources/")
    few = [queries(lambda at=at: call.get(at)) for at in addresses]
    for number in range(5):
        other = factories.source(cast.workspace, grant_to=board)
        Grant.objects.filter(source=other).update(parents_in=[factories.node(other, "x").pk])
        part = [factories.node(source, f"{number}").pk]
        Grant.objects.create(source=source, space=factories.space(cast.workspace), parents_in=part)
    assert [queries(lambda at=at: call.get(at)) for at in addresses] == few


# ---- How a source and its runs are -------------------------------------------------------------------------------


def test_how_a_source_is_is_told_in_the_words_of_its_page(cast, client):
    source = factories.source(cast.workspace, state="needs_attention", state_detail="The key was revoked")
    body = Caller(cast.member).get(f"data-sources/{source.pk}/").json()
    assert body["health"] == {"words": "Needs attention: The key was revoked", "tone": "bad", "since": None}
    client.force_login(cast.member.user)
    assert body["health"]["words"] in client.get(reverse("data_source", args=["acme", source.pk])).content.decode()
    SyncRun.objects.create(source=source, state="paused", discovered=8, indexed=3)
    (row,) = Caller(cast.member).get("data-sources/").json()["results"]
    assert (row["health"]["words"], row["health"]["tone"]) == ("Paused at 3 of 8", "warn")


def test_who_asked_for_a_run_is_told_to_who_manages_the_source(cast):
    source = factories.source(cast.workspace)
    run = SyncRun.objects.create(source=source, state="done", requested_by=cast.admin.user)
    for at in (f"data-sources/{source.pk}/runs/{run.pk}/", f"data-sources/{source.pk}/"):
        shown = [Caller(who).get(at).json() for who in (cast.builder, cast.member)]
        by = [body.get("last_run", body)["requested_by"] for body in shown]
        assert by == [{"id": cast.admin.user_id, "name": "Ada Admin", "email": "admin@acme.example"}, None]


def test_an_account_is_searched(cast, leave):
    run = leave.node.source.runs.get()
    at = f"data-sources/{leave.node.source_id}/runs/{run.pk}/items/"
    assert [row["path"] for row in Caller(cast.member).get(at, q="LEAVE").json()["results"]] == ["hr / leave.md"]
    assert Caller(cast.member).get(at, q="pay").json()["results"] == []


# ---- Tables ------------------------------------------------------------------------------------------------------


def test_tables_of_a_source_or_document_and_one_for_a_spreadsheet(cast, board):
    shop, other = factories.source(cast.workspace), factories.source(cast.workspace)
    orders = give_table(factories.node(shop, "orders.csv", text="x"), ORDERS)
    give_table(factories.node(shop, "customers.csv", text="x"), CUSTOMERS)
    give_table(factories.node(other, "more.csv", text="x"), "a,b\n=1+1,2\n")
    call = Caller(cast.member)

    def titles(**query):
        return [row["title"] for row in call.get("tables/", **query).json()["results"]]

    assert titles(data_source=shop.pk) == ["customers", "orders"]
    assert titles(document=orders.node_id) == ["orders"]
    assert titles(data_source=other.pk, document=orders.node_id) == []
    problem(call.get("tables/", document="nonsense"), 400, "invalid")
    file = call.get(f"tables/{orders.pk}/csv/")
    assert file["Content-Type"].startswith("text/csv")
    assert "attachment" in file["Content-Disposition"]
    assert "ALFKI,12.5" in file.content.decode()
    (formula,) = call.get("tables/", data_source=other.pk).json()["results"]
    assert "\n'=1+1" in call.get(f"tables/{formula['id']}/csv/").content.decode().replace("\r", "").replace('"', "")
    Grant.objects.filter(source=shop).update(space=board)
    problem(call.get(f"tables/{orders.pk}/csv/"), 404, "not_found")
    assert titles(data_source=shop.pk) == []
