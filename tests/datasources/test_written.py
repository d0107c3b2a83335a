"""Sources that integrations write into: items and rows by the REST API, found a moment later."""

from __future__ import annotations

import pytest

from datasources import connecting
from datasources.choosing import choose
from datasources.connectors.base import Chosen
from datasources.models import DataSource, Document, Node, SyncRun, Written, node_id
from datasources.sync import sync_source
from datasources.written import Kept
from portal.models import Space
from tests import factories
from tests.callers import Caller
from tests.datasources.syncing import assert_exact, synced

# What was written is read by other threads, so it has to be there for them.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def feed(cast, embedder):
    """A source of kind api that has been synced once, with nothing in it."""
    source = factories.source(cast.workspace, kind="api", created_by=cast.builder.user)
    synced(source)
    return source


class Writer(Caller):
    def __init__(self, membership, source, *scopes):
        super().__init__(membership, *scopes)
        self.at = f"data-sources/{source.pk}/"

    def put(self, path, data):
        return self._send("put", self.at + path, data)

    def write(self, *items):
        return self.post(f"{self.at}items/", {"items": list(items)})


@pytest.fixture
def writer(cast, feed):
    return Writer(cast.builder, feed, "write")


def sync(source):
    while (run := source.runs.filter(state="queued").first()) is not None:
        sync_source(run)
    return source.runs.order_by("-created").first()


def paths(source):
    return sorted(source.nodes.values_list("path", flat=True))


def test_what_is_written_first_begins_the_first_sync(cast, embedder):
    """Connected as people and integrations connect it: nothing was synced before, and nobody starts a sync."""
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    made = {"workspace": cast.workspace, "by": cast.builder.user, "kind": "api", "name": "Canteen"}
    source = connecting.connect(**made, entered=connecting.Entered({}), spaces=[company])
    assert (source.state, source.runs.count()) == ("new", 0)
    told = Writer(cast.builder, source, "write").write(
        {"external_id": "hours", "title": "Hours", "text": "Open at noon."}
    )
    assert told.json()["run"]["trigger"] == "api"
    sync(source)
    source.refresh_from_db()
    assert source.last_synced
    assert Document.objects.get(node__source=source).text == "Open at noon."


def test_a_document_is_written_and_found_by_a_run_of_just_it(feed, writer, embedder):
    listed = feed.runs.count()
    answer = writer.put("items/notes/1/", {"title": "Note", "text": "The canteen opens at noon.", "tags": ["hr"]})
    assert answer.status_code == 201
    told = answer.json()
    assert told["results"][0] | {"id": 0} == {"external_id": "notes/1", "id": 0, "status": "created"}
    assert told["run"]["trigger"] == "api"
    run = sync(feed)
    assert (run.hints, run.indexed) == (["notes/1"], 1)
    node = Node.objects.get(pk=told["results"][0]["id"])
    assert (node.title, node.tags, node.document.text) == ("Note", ["hr"], "The canteen opens at noon.")
    assert feed.runs.count() == listed + 1
    assert_exact(feed, embedder.space)


def test_writing_the_same_again_changes_nothing(feed, writer):
    item = {"external_id": "1", "title": "Note", "text": "Text.", "modified": "2026-05-01T10:00:00Z"}
    writer.write(item)
    sync(feed)
    before = Written.objects.get().version
    answer = writer.write(item)
    assert (answer.status_code, answer.json()["results"][0]["status"], answer.json()["run"]) == (200, "unchanged", None)
    assert Written.objects.get().version == before
    assert not feed.runs.filter(state="queued").exists()


def test_a_light_write_leaves_the_text_alone_and_embeds_nothing(feed, writer, embedder):
    writer.put("items/1/", {"title": "Note", "text": "Text."})
    sync(feed)
    texts = embedder.texts
    answer = writer.put("items/1/", {"tags": ["new"], "url": "https://acme.example/1"})
    assert answer.json()["results"][0]["status"] == "updated"
    sync(feed)
    node = Node.objects.get()
    assert (node.tags, node.url, node.document.text) == (["new"], "https://acme.example/1", "Text.")
    assert embedder.texts == texts
    assert_exact(feed, embedder.space)


def test_folders_and_what_is_in_them_come_in_any_order_and_move(feed, writer, embedder):
    writer.write(
        {"external_id": "doc", "title": "Doc", "text": "Text.", "parent": "inner"},
        {"external_id": "inner", "title": "Inner", "parent": "outer"},
        {"external_id": "outer", "title": "Outer"},
    )
    sync(feed)
    assert paths(feed) == ["Outer", "Outer / Inner", "Outer / Inner / Doc"]
    writer.put("items/inner/", {"parent": None})
    sync(feed)
    assert paths(feed) == ["Inner", "Inner / Doc", "Outer"]
    assert_exact(feed, embedder.space)
    assert [node.external_id for node in Kept(feed).all()].index("inner") < [
        node.external_id for node in Kept(feed).all()
    ].index("doc")


def test_what_was_deleted_stays_deleted_whatever_is_chosen_afterwards(cast, feed, writer, embedder):
    for folder in ("hr", "it"):
        writer.write({"external_id": folder, "title": folder})
        writer.write(*({"external_id": f"{folder}/{n}", "text": f"Text {n}.", "parent": folder} for n in range(3)))
    sync(feed)
    choose(feed, [Chosen("it")], by=cast.builder.user)
    assert writer.delete(f"{writer.at}items/hr/0/").status_code == 204
    choose(feed, [Chosen("it"), Chosen("hr")], by=cast.builder.user)
    readable = Node.objects.readable_by(cast.member)
    assert sorted(readable.values_list("external_id", flat=True)) == ["hr", "hr/1", "hr/2", *IT]
    sync(feed)
    assert sorted(feed.nodes.values_list("external_id", flat=True)) == ["hr", "hr/1", "hr/2", *IT]
    assert_exact(feed, embedder.space)


IT = ("it", "it/0", "it/1", "it/2")


def test_a_document_below_nothing_says_so_until_its_folder_comes(feed, writer):
    writer.write({"external_id": "doc", "title": "Doc", "text": "Text.", "parent": "later"})
    sync(feed)
    node = Node.objects.get(external_id="doc")
    assert node.status == "skipped"
    assert "later" in node.reason
    writer.write({"external_id": "later", "title": "Later"})
    sync(feed)
    synced(feed)
    assert paths(feed) == ["Later", "Later / Doc"]


def test_deleting_takes_all_below_and_asks_nobody(feed, writer, embedder):
    writer.write(
        {"external_id": "f", "title": "Folder"},
        *({"external_id": f"f/{n}", "title": f"{n}", "text": f"Text {n}.", "parent": "f"} for n in range(15)),
        {"external_id": "stays", "title": "Stays", "text": "Text."},
    )
    sync(feed)
    assert writer.delete(f"{writer.at}items/f/").status_code == 204
    run = sync(feed)
    assert (run.removed, run.held) == (15, None)
    assert paths(feed) == ["Stays"]
    assert writer.delete(f"{writer.at}items/f/").status_code == 204
    assert_exact(feed, embedder.space)


def test_five_hundred_at_once_and_no_more(feed, writer):
    items = [{"external_id": str(n), "title": f"T{n}", "text": "x"} for n in range(501)]
    answer = writer.write(*items)
    assert answer.status_code == 400
    assert "at most 500 items at once; these are 501" in answer.json()["detail"]
    assert not Written.objects.exists()
    assert writer.write(*items[:500]).status_code == 201
    assert Written.objects.count() == 500


def test_a_wrong_item_is_named_and_nothing_of_the_call_is_written(feed, writer):
    answer = writer.write(
        {"external_id": "1", "title": "Good"}, {"external_id": "2", "title": "", "url": "javascript:x"}
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "invalid")
    assert set(problem["errors"]["items"]["1"]) == {"title", "url"}
    assert not Written.objects.exists()
    for wrong, words in (
        ({"external_id": "1", "title": "x", "parent": "1"}, "own parent"),
        ({"external_id": "1", "title": "x", "readers": ["group:all"]}, "mail:<address>"),
        ({"external_id": "1", "title": "x", "columns": ["a", "A"]}, "same name"),
    ):
        assert words in writer.write(wrong).json()["detail"]
    twice = {"external_id": "1", "title": "x"}
    assert "twice" in writer.write(twice, twice).json()["detail"]


def test_rows_are_written_replaced_and_taken_out_by_their_keys(feed, writer):
    at = f"{writer.at}tables/prices/rows/"
    answer = writer.post(at, {"rows": [{"key": "a", "cells": ["A", 1]}]})
    assert (answer.status_code, "no table prices" in answer.json()["detail"]) == (400, True)
    writer.put("items/prices/", {"title": "Prices", "columns": ["name", "price"]})
    sync(feed)
    answer = writer.post(at, {"rows": [{"key": "a", "cells": ["A", 1]}, {"key": "b", "cells": ["B", None]}]})
    assert answer.json()["rows"] == 2
    sync(feed)
    version = Node.objects.get().version
    assert writer.post(at, {"rows": [{"key": "a", "cells": ["A", 1]}]}).json()["run"] is None
    assert writer.post(at, {"rows": [{"key": "a", "cells": ["A", 2.5]}]}).json()["rows"] == 2
    sync(feed)
    assert Node.objects.get().version != version
    assert [list(row) for row in Kept(feed).rows("prices").rows] == [["A", 2.5], ["B", None]]
    assert writer.put("tables/prices/rows/", {"rows": [{"key": "c", "cells": ["C", 3]}]}).json()["rows"] == 1
    gone = writer._send("delete", at, {"keys": ["c", "never"]})
    assert gone.json()["rows"] == 0
    assert "has 1 cells; the table has 2" in writer.post(at, {"rows": [{"key": "d", "cells": [1]}]}).json()["detail"]
    assert "a number" in writer.post(at, {"rows": [{"key": "d", "cells": [1, {}]}]}).json()["detail"]


def test_a_table_with_rows_keeps_its_width(feed, writer):
    writer.put("items/t/", {"title": "T", "columns": ["a"]})
    writer.post(f"{writer.at}tables/t/rows/", {"rows": [{"key": "1", "cells": ["x"]}]})
    assert "Delete it first" in writer.put("items/t/", {"columns": ["a", "b"]}).json()["detail"]
    assert writer.put("items/t/", {"columns": ["renamed"]}).status_code == 200


def test_it_takes_a_key_that_writes_and_somebody_who_manages_the_source(feed, cast):
    item = {"external_id": "1", "title": "x"}
    assert Writer(cast.builder, feed, "read").write(item).status_code == 403
    assert Writer(cast.member, feed, "write").write(item).status_code == 403
    assert Writer(cast.outsider, feed, "write").write(item).status_code == 404
    assert Writer(cast.admin, feed, "write").write(item).status_code == 201


def test_only_a_source_of_this_kind_is_written_into(cast):
    folder = factories.source(cast.workspace, kind="upload")
    answer = Writer(cast.admin, folder, "write").write({"external_id": "1", "title": "x"})
    assert (answer.status_code, "kind api" in answer.json()["detail"]) == (400, True)


def test_writers_are_throttled_like_all_others(feed, writer, monkeypatch):
    from portal.api.throttling import KeyThrottle

    monkeypatch.setattr(KeyThrottle, "THROTTLE_RATES", {"key": "2/min"})
    codes = [writer.put("items/1/", {"title": f"T{n}"}).status_code for n in range(3)]
    assert codes == [201, 200, 429]


def test_readers_that_were_written_are_asked_where_the_source_mirrors(feed, writer, cast):
    from allauth.account.models import EmailAddress

    DataSource.objects.update(mirror=True)
    EmailAddress.objects.create(user=cast.member.user, email=cast.member.user.email, verified=True)
    writer.write(
        {"external_id": "1", "title": "Hers", "text": "x", "readers": ["mail:Member@acme.example"]},
        {"external_id": "2", "title": "Nobody's", "text": "x", "readers": []},
        {"external_id": "3", "title": "All", "text": "x", "readers": ["everyone"]},
    )
    sync(feed)
    assert set(Node.objects.readable_by(cast.member).values_list("title", flat=True)) == {"Hers", "All"}
    assert set(Node.objects.readable_by(cast.builder).values_list("title", flat=True)) == {"All"}


def test_runs_of_single_writes_are_forgotten_in_time(feed, writer):
    for number in range(24):
        writer.put("items/1/", {"title": "x", "text": f"Text {number}."})
        sync(feed)
    assert SyncRun.objects.filter(source=feed).exclude(hints=[]).count() == 20
    assert SyncRun.objects.filter(source=feed, hints=[]).count() == 1


def test_it_is_in_the_schema(client, cast):
    client.force_login(cast.admin.user)
    schema = client.get("/api/schema/").content.decode()
    for operation in ("items_write", "items_put", "items_delete", "rows_replace", "rows_write", "rows_delete"):
        assert f"operationId: {operation}" in schema


def test_what_was_written_is_listed_and_read_back(feed, writer, cast):
    writer.write(
        {"external_id": "hr", "title": "People"},
        {"external_id": "hr/leave", "parent": "hr", "title": "Leave", "text": "Thirty days.", "tags": ["hr"]},
        {"external_id": "rates", "title": "Rates", "columns": ["Country", "Rate"]},
    )
    writer.post(f"{writer.at}tables/rates/rows/", {"rows": [{"key": "fr", "cells": ["France", 20]}]})
    rows = writer.get(f"{writer.at}items/").json()["results"]
    assert [row["external_id"] for row in rows] == ["hr", "hr/leave", "rates"]
    assert "text" not in rows[1]
    assert rows[2]["columns"] == ["Country", "Rate"]
    listed = {
        name: [r["external_id"] for r in writer.get(f"{writer.at}items/", **asked).json()["results"]]
        for name, asked in {"top": {"parent": ""}, "below": {"parent": "hr"}, "named": {"q": "rat"}}.items()
    }
    assert listed == {"top": ["hr", "rates"], "below": ["hr/leave"], "named": ["rates"]}
    one = writer.get(f"{writer.at}items/hr/leave/").json()
    assert (one["text"], one["tags"], one["parent"], one["readers"]) == ("Thirty days.", ["hr"], "hr", None)
    assert writer.get(f"{writer.at}items/nothing/").status_code == 404
    assert writer.get(f"{writer.at}tables/rates/rows/").json()["results"] == [{"key": "fr", "cells": ["France", 20]}]
    other = factories.source(cast.workspace, kind="folder", created_by=cast.builder.user)
    assert "kind api" in writer.get(f"data-sources/{other.pk}/items/").json()["detail"]


def test_many_are_removed_at_once(feed, writer):
    writer.write(
        *({"external_id": key, "title": key, "text": "Text."} for key in ("a", "b", "c")),
        {"external_id": "a/1", "parent": "a", "text": "x"},
    )
    sync(feed)
    answer = writer._send("delete", f"{writer.at}items/", {"external_ids": ["a", "b", "never"]})
    assert (answer.status_code, answer.json()["removed"]) == (200, 3)
    assert answer.json()["run"]["trigger"] == "api"
    sync(feed)
    assert paths(feed) == ["c"]
    again = writer._send("delete", f"{writer.at}items/", {"external_ids": ["a"]}).json()
    assert again == {"removed": 0, "run": None}


def test_only_who_manages_it_reads_back_what_was_written(feed, writer, cast):
    writer.write({"external_id": "a", "title": "A", "text": "Text."})
    for who, code in ((cast.member, 403), (cast.outsider, 404)):
        call = Caller(who, slug="acme")
        for path in ("items/", "items/a/", "tables/a/rows/"):
            assert call.get(f"{writer.at}{path}").status_code == code
        assert call._send("delete", f"{writer.at}items/", {"external_ids": ["a"]}).status_code == code


def test_who_manages_it_without_reading_it_gets_no_text_back(cast, embedder):
    """Governing is not reading: an admin sees what there is, and reads only what a space of theirs sees."""
    leads = factories.space(cast.workspace, cast.builder)
    source = factories.source(cast.workspace, kind="api", created_by=cast.builder.user, grant_to=leads)
    synced(source)
    writer, admin = Writer(cast.builder, source), Caller(cast.admin)
    writer.write(
        {"external_id": "pay", "title": "Pay", "text": "The board earns a lot."},
        {"external_id": "rates", "title": "Rates", "columns": ["Who", "Rate"]},
    )
    writer.post(f"{writer.at}tables/rates/rows/", {"rows": [{"key": "ceo", "cells": ["CEO", 20]}]})
    for _ in ("just written", "came in"):
        for path in ("items/pay/", "tables/rates/rows/"):
            assert writer.get(writer.at + path).status_code == 200
            assert admin.get(writer.at + path).status_code == 404
        assert len(admin.get(f"{writer.at}items/").json()["results"]) == 2
        sync(source)
    source.grants.update(parents_in=[node_id(source.pk, "rates")])
    assert writer.get(f"{writer.at}items/pay/").status_code == 404
    assert writer.get(f"{writer.at}tables/rates/rows/").status_code == 200
