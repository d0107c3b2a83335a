"""Data sources, documents and search through the API."""

import pytest
from asgiref.sync import sync_to_async
from django.core.files.uploadedfile import SimpleUploadedFile

from datasources import reading
from datasources.models import DataSource, Grant, Node, SyncRun
from datasources.sync import sync_source
from portal.models import AuditEvent, Space
from tests import factories
from tests.callers import ALL, AsyncCaller, Caller, key
from tests.datasources.syncing import synced
from tests.portal.test_api import problem

FILES = {
    "hr/leave.md": "# Leave\n\nEverybody has thirty days of leave a year.",
    "hr/pay/salary.md": "# Salary\n\nSalaries are paid on the 25th.",
    "it/laptop.md": "# Laptops\n\nA laptop lasts four years.",
}


@pytest.fixture
def connected(place, source):
    place.files.update(FILES)
    synced(source)
    return source


def test_a_folder_is_connected_synced_and_listed(cast, tmp_path, settings, embedder):
    folder = tmp_path / "handbook"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nText.")
    settings.FOLDER_ROOTS = [tmp_path]
    call = Caller(cast.builder)
    made = call.post("data-sources/", {"kind": "folder", "name": "Handbook", "config": {"path": str(folder)}})
    assert made.status_code == 201, made.content
    body = made.json()
    assert body["last_run"]["state"] == "queued"
    assert [space["name"] for space in body["spaces"]] == ["Company"]
    run = SyncRun.objects.get(source=body["id"])
    sync_source(run)
    (row,) = call.get("data-sources/").json()["results"]
    assert row["state"] == "ok"
    assert row["counts"] == {"total": 1, "indexed": 1, "skipped": 0, "failed": 0, "pending": 0}
    assert row["last_run"]["state"] == "done"
    assert row["config"] == {"path": str(folder)}
    assert Caller(cast.member).get("data-sources/").json()["results"][0]["config"] is None
    assert AuditEvent.objects.get(action="source.create").via == "api"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"kind": "none", "name": "X"}, "the known ones are"),
        ({"kind": "folder", "name": "X", "config": {"path": "/etc"}}, None),
        ({"kind": "folder", "config": {}}, "name"),
        ({"kind": "upload", "name": "X", "spaces": ["7d4b1b0e-0000-4000-8000-000000000000"]}, "spaces"),
        ({"kind": "upload", "name": "X", "schedule": "monthly"}, "schedule"),
    ],
)
def test_what_cannot_be_connected_says_why(cast, data, says):
    body = problem(Caller(cast.admin).post("data-sources/", data), 400, "invalid")
    assert says is None or says in body["detail"]
    assert not DataSource.objects.exists()


def test_data_goes_only_to_spaces_that_one_knows(cast):
    board = factories.space(cast.workspace, cast.admin)
    data = {"kind": "upload", "name": "X", "spaces": [str(board.pk)]}
    problem(Caller(cast.builder).post("data-sources/", data), 400, "invalid")
    assert Caller(cast.admin).post("data-sources/", data).status_code == 201
    # And nobody learns from a source which other spaces see it.
    source = DataSource.objects.get()
    Grant.objects.create(source=source, space=Space.objects.get(name="Company", workspace=cast.workspace))
    body = Caller(cast.member).get(f"data-sources/{source.pk}/").json()
    assert [space["name"] for space in body["spaces"]] == ["Company"]


def test_runs_are_started_paused_resumed_and_stopped(cast, place, source):
    call = Caller(cast.admin)
    base = f"data-sources/{source.pk}/"
    problem(call.post(f"{base}pause/"), 409, "no_open_run")
    started = call.post(f"{base}sync/")
    assert (started.status_code, started.json()["state"]) == (202, "queued")
    assert call.post(f"{base}sync/").json()["id"] == started.json()["id"]
    assert call.post(f"{base}pause/").json()["state"] == "paused"
    assert call.post(f"{base}resume/").json()["state"] == "queued"
    assert call.post(f"{base}stop/").json()["state"] == "stopped"
    rows = call.get(f"{base}runs/").json()["results"]
    assert [(row["id"], row["state"]) for row in rows] == [(started.json()["id"], "stopped")]


def test_a_run_accounts_for_every_document(cast, connected):
    call = Caller(cast.admin)
    (run,) = call.get(f"data-sources/{connected.pk}/runs/").json()["results"]
    assert run["discovered"] == run["indexed"] == 3
    items = call.get(f"data-sources/{connected.pk}/runs/{run['id']}/items/").json()["results"]
    assert {item["outcome"] for item in items} == {"indexed"}
    wrong = call.get(f"data-sources/{connected.pk}/runs/{run['id']}/items/", outcome="lost")
    assert "It takes one of" in problem(wrong, 400, "invalid")["detail"]
    problem(call.post(f"data-sources/{connected.pk}/runs/{run['id']}/retry/"), 400, "invalid")


def test_the_tree_is_browsed_searched_and_filtered(cast, connected):
    call = Caller(cast.member)
    path = f"data-sources/{connected.pk}/nodes/"
    top = call.get(path, parent="").json()["results"]
    assert [(node["title"], node["has_children"]) for node in top] == [("hr", True), ("it", True)]
    below = call.get(path, parent=top[0]["id"]).json()["results"]
    assert sorted(node["title"] for node in below) == ["leave.md", "pay"]
    assert below[0]["parents"][-1] == top[0]["id"]
    assert [node["title"] for node in call.get(path, q="salary").json()["results"]] == ["salary.md"]
    assert len(call.get(path, status="indexed").json()["results"]) == 3
    assert len(call.get(path).json()["results"]) == 6
    problem(call.get(path, parent="nonsense"), 400, "invalid")
    problem(call.get(path, status="lost"), 400, "invalid")


def test_a_document_is_read_by_who_may_read_it(cast, connected):
    (node,) = Caller(cast.member).get(f"data-sources/{connected.pk}/nodes/", q="leave.md").json()["results"]
    body = Caller(cast.member).get(f"documents/{node['id']}/").json()
    assert "thirty days" in body["text"]
    assert body["url"].endswith(f"/documents/{node['id']}/")
    board = factories.space(cast.workspace, cast.builder)
    Grant.objects.filter(source=connected).update(space=board)
    problem(Caller(cast.member).get(f"documents/{node['id']}/"), 404, "not_found")
    problem(Caller(cast.admin).get(f"documents/{node['id']}/"), 404, "not_found")  # governs, does not read
    assert Caller(cast.builder).get(f"documents/{node['id']}/").status_code == 200
    problem(Caller(cast.member).get(f"data-sources/{connected.pk}/"), 404, "not_found")


def test_a_part_is_granted_and_taken_back(cast, connected):
    call = Caller(cast.admin)
    base = f"data-sources/{connected.pk}/"
    company = Space.objects.get(workspace=cast.workspace, name="Company")
    hr = call.get(f"{base}nodes/", parent="").json()["results"][0]["id"]
    saved = call.post(f"{base}grants/", {"space": str(company.pk), "parents_in": [hr]})
    assert saved.json()["parents_in"] == [hr]
    titles = {node["title"] for node in Caller(cast.member).get(f"{base}nodes/").json()["results"]}
    assert titles == {"hr", "leave.md", "pay", "salary.md"}
    problem(call.post(f"{base}grants/", {"space": str(company.pk), "parents_in": [str(connected.pk)]}), 400, "invalid")
    problem(Caller(cast.builder).post(f"{base}grants/", {"space": str(company.pk)}), 403, "permission_denied")
    assert call.delete(f"{base}grants/{saved.json()['id']}/").status_code == 204
    problem(Caller(cast.member).get(base), 404, "not_found")


def test_files_are_handed_over(cast, embedder):
    call = Caller(cast.builder)
    source = call.post("data-sources/", {"kind": "upload", "name": "Uploads"}).json()
    base = f"data-sources/{source['id']}/"
    files = [SimpleUploadedFile(name, f"# {name}".encode()) for name in ("a.md", "b.md")]
    made = call.upload(f"{base}documents/", files=files, path="hr")
    assert made.status_code == 201, made.content
    assert [row["path"] for row in made.json()["results"]] == ["hr/a.md", "hr/b.md"]
    assert made.json()["run"]["state"] == "queued"
    one = call.upload(f"{base}documents/", file=SimpleUploadedFile("x.md", b"# C"), path="hr/c.md")
    assert one.json()["results"][0]["path"] == "hr/c.md"
    again = call.upload(f"{base}documents/", files=SimpleUploadedFile("a.md", b"# A2"), path="hr/")
    assert again.json()["results"][0]["id"] == made.json()["results"][0]["id"]
    sync_source(SyncRun.objects.get(source=source["id"]))
    body = call.get(base).json()
    assert body["counts"]["indexed"] == 3
    problem(call.upload(f"{base}documents/", path="x"), 400, "invalid")
    problem(call.upload(f"{base}documents/", files=SimpleUploadedFile("a", b"x"), path="../.."), 400, "invalid")
    problem(call.post(f"{base}documents/", {}), 415, "unsupported_media_type")


def test_a_source_is_changed_and_deleted_by_who_manages_it(cast, connected):
    path = f"data-sources/{connected.pk}/"
    Grant.objects.filter(source=connected).update(parents_in=[connected.nodes.first().pk])
    refused = problem(Caller(cast.builder).patch(path, {"name": "Mine"}), 403, "permission_denied")
    assert "others manage it" in refused["detail"]
    problem(Caller(cast.member).delete(path), 403, "permission_denied")
    call = Caller(cast.admin)
    assert call.patch(path, {"name": "Ours", "schedule": "daily"}).json()["name"] == "Ours"
    assert call.delete(path).status_code == 204
    problem(call.get(path), 404, "not_found")
    problem(Caller(cast.outsider, slug="acme").get(path), 404, "not_found")


def test_lists_ask_a_constant_number_of_questions(cast, connected, django_assert_max_num_queries):
    for number in range(12):
        other = factories.source(cast.workspace)
        factories.node(other, f"{number}.md", text="Text.")
        SyncRun.objects.create(source=other, state="done")
    for membership in (cast.admin, cast.member):
        call = Caller(membership)
        call.get("me/")
        with django_assert_max_num_queries(9):
            assert len(call.get("data-sources/").json()["results"]) == 13
        with django_assert_max_num_queries(8):
            call.get(f"data-sources/{connected.pk}/nodes/")
        with django_assert_max_num_queries(8):
            call.get(f"data-sources/{connected.pk}/runs/")


@pytest.mark.django_db(transaction=True)
async def test_search_finds_what_one_may_read(cast, connected, embedder, monkeypatch):
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: embedder)

    def prepare():
        hr = connected.nodes.get(external_id="hr")
        return key(cast.member, *ALL), key(cast.outsider, *ALL), str(hr.pk)

    member, outsider, hr = await sync_to_async(prepare)()
    call = AsyncCaller("acme", member)
    body = (await call.post("search/", {"query": "days of leave"})).json()
    assert [row["score"] for row in body["results"]] == sorted((r["score"] for r in body["results"]), reverse=True)
    best = next(row for row in body["results"] if "thirty days" in row["text"])
    assert best["document"]["path"].startswith("hr")
    assert best["document"]["data_source"] == str(connected.pk)
    document = (await call.get(f"documents/{best['document']['id']}/")).json()
    assert document["text"][best["start"] : best["end"]] == best["text"]

    inside = (await call.post("search/", {"query": "laptop", "parents_in": [hr]})).json()["results"]
    assert all(row["document"]["path"].startswith("hr") for row in inside)
    nothing = await call.post("search/", {"query": "laptop", "data_sources": [hr]})
    assert nothing.json()["results"] == []
    assert (await call.post("search/", {"query": ""})).status_code == 400
    assert (await call.post("search/", {"query": "x", "limit": 1000})).status_code == 400
    assert len((await call.post("search/", {"query": "leave salary laptop", "limit": 1})).json()["results"]) <= 1
    assert (await AsyncCaller("acme", outsider).post("search/", {"query": "x"})).status_code == 404


@pytest.mark.django_db(transaction=True)
async def test_a_search_gives_as_many_results_as_were_asked_for_however_long_they_are(
    cast, place, source, embedder, monkeypatch
):
    monkeypatch.setattr(reading, "embedder_for", lambda workspace: embedder)
    place.files.update({f"long/{n}.md": f"# Page {n}\n\n" + f"Pumps of kind {n} are oiled. " * 40 for n in range(30)})

    def prepare():
        synced(source)
        return key(cast.member, *ALL)

    call = AsyncCaller("acme", await sync_to_async(prepare)())
    found = (await call.post("search/", {"query": "how are pumps oiled", "limit": 30})).json()["results"]
    assert len(found) == 30
    assert sum(len(row["text"]) for row in found) > 20_000


@pytest.mark.django_db(transaction=True)
async def test_an_index_that_does_not_answer_is_a_503(cast, monkeypatch):
    from datasources.api import search
    from datasources.retrieval.types import IndexUnavailable

    async def down(*_args, **_kwargs):
        raise IndexUnavailable("The index does not answer. Try again in a minute.")

    monkeypatch.setattr(search, "search_passages", down)
    text = await sync_to_async(key)(cast.member, *ALL)
    problem(await AsyncCaller("acme", text).post("search/", {"query": "x"}), 503, "index_unavailable")


def test_files_are_listed_and_taken_out(cast, embedder):
    call = Caller(cast.builder)
    source = call.post("data-sources/", {"kind": "upload", "name": "Uploads"}).json()
    at = f"data-sources/{source['id']}/"
    call.upload(f"{at}documents/", files=[SimpleUploadedFile(n, b"# Text") for n in ("b.md", "a.md")], path="hr")
    sync_source(SyncRun.objects.get())
    rows = call.get(f"{at}files/").json()["results"]
    assert [row["path"] for row in rows] == ["hr/a.md", "hr/b.md"]
    assert [row["path"] for row in call.get(f"{at}files/", q="b.m").json()["results"]] == ["hr/b.md"]
    for who, code in ((cast.member, 403), (cast.outsider, 404)):
        other = Caller(who, slug="acme")
        assert other.get(f"{at}files/").status_code == code
        assert other.delete(f"{at}files/{rows[0]['id']}/").status_code == code
    assert call.delete(f"{at}files/{rows[0]['id']}/").status_code == 204
    assert call.delete(f"{at}files/{rows[0]['id']}/").status_code == 404
    sync_source(SyncRun.objects.exclude(state="done").get())
    assert sorted(Node.objects.values_list("path", flat=True)) == ["hr", "hr / b.md"]


def test_what_failed_is_read_again_by_state_name_or_folder(cast, place, source):
    folder = factories.node(source, "hr")
    names = ("hr/a", "hr/b", "c", "d")
    nodes = {name: factories.node(source, name, parent=folder if "/" in name else None, text="x") for name in names}
    for name, status in (("hr/a", "failed"), ("hr/b", "skipped"), ("c", "failed")):
        Node.objects.filter(pk=nodes[name].pk).update(status=status, version="1", fetched_version="1")
    call, at = Caller(cast.admin), f"data-sources/{source.pk}/nodes/retry/"

    def retried(**asked):
        answer = call.post(at, asked)
        if answer.status_code != 202:
            return answer.status_code
        run = SyncRun.objects.get(pk=answer.json()["id"])
        run.source.runs.all().delete()
        return run.trigger, sorted(name for name, node in nodes.items() if node.pk in run.only)

    assert retried() == ("retry", ["c", "hr/a", "hr/b"])
    assert retried(status="failed") == ("retry", ["c", "hr/a"])
    assert retried(nodes=[str(folder.pk)]) == ("retry", ["hr/a", "hr/b"])
    assert retried(nodes=[str(nodes["hr/b"].pk), str(nodes["d"].pk)]) == ("retry", ["hr/b"])
    assert retried(q="c") == ("retry", ["c"])
    assert retried(q="nothing") == 400
    assert retried(nodes=[str(nodes["d"].pk)]) == 400
    assert retried(status="indexed") == 400
    assert Caller(cast.member).post(at, {}).status_code == 403
    assert Caller(cast.outsider, slug="acme").post(at, {}).status_code == 404
