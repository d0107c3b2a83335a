"""The services profile end to end: two web processes, workers and a beat, over RabbitMQ and over Redis."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import websockets.sync.client
from kombu import Connection
from qdrant_client import QdrantClient

from tests.services.stack import DUE_SECONDS, LEASE_SECONDS, Api, Process, Stack, clean_environment, database, until
from tests.vendors.openai import OpenAIServer, hashed_vector
from tests.vendors.qdrant import qdrant_server
from tests.vendors.server import Script

pytestmark = [pytest.mark.services, pytest.mark.timeout(240)]
both_brokers = pytest.mark.parametrize("site", ["rabbitmq", "redis_url"], indirect=True)
over_redis = pytest.mark.parametrize("site", ["redis_url"], indirect=True)
over_rabbitmq = pytest.mark.parametrize("site", ["rabbitmq"], indirect=True)

PAGES = {
    "leave/parental.md": "# Parental leave\n\nBoth parents take twenty-six weeks of paid leave, at any time in two years.\n",
    "leave/sick.md": "# Sick leave\n\nTell your lead before ten in the morning. A note is needed from the fourth day.\n",
    "money/expenses.md": "# Expenses\n\nReceipts go to the finance inbox within thirty days of the purchase.\n",
}
QUESTION = "How many weeks of parental leave do both parents take?"
SCANNED = 150
"""Pages of the folder over which workers are killed; a page is one passage."""


def slowly(text: str, size: int) -> list[float]:
    """An embedding model that takes its time, so that a sync of some hundred pages can be caught in the middle."""
    time.sleep(0.02)
    return hashed_vector(text, size)


@dataclass
class Site:
    """The installation, and the two people's keys: ``demo`` embeds on this machine, ``remote`` with the vendor."""

    stack: Stack
    vendor: OpenAIServer
    folder: Path
    web_a: Process
    web_b: Process
    keys: dict[str, str]
    link: str

    def at(self, web: Process, slug: str = "demo") -> Api:
        return Api(web.url, slug, self.keys[slug])

    @property
    def broker(self) -> str:
        return self.stack.environment["CELERY_BROKER_URL"]

    @property
    def queue(self) -> str:
        return self.stack.environment["ATRIUM_QUEUE"]

    def rows(self, query: str, *values: object) -> list[Any]:
        with psycopg.connect(self.stack.environment["DATABASE_URL"]) as connection:
            return connection.execute(query, values).fetchall()

    def connect(self, api: Api, path: Path) -> str:
        body = {"kind": "folder", "name": path.name, "config": {"path": str(path)}}
        return str(api.post("data-sources/", body)["id"])

    def run_of(self, api: Api, source: str) -> dict[str, Any]:
        return dict(api.get(f"data-sources/{source}/runs/")["results"][0])

    def finished(self, api: Api, source: str, seconds: float = 60.0) -> dict[str, Any]:
        def ended() -> Any:
            run = self.run_of(api, source)
            return run if run["state"] in ("done", "partial", "failed", "stopped") else None

        try:
            return dict(until(ended, seconds, f"the sync ended: {self.run_of(api, source)}"))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.stack.tails()}") from None

    def assert_exact(self, source: str, pages: int) -> None:
        """Every page once in SQL and each of its passages once in the index."""
        ((documents, passages),) = self.rows(
            "select count(*), sum(passages) from datasources_document d join datasources_node n on n.id = d.node_id "
            "where n.source_id = %s and d.indexed_hash <> ''",
            source,
        )
        assert documents == pages
        client = QdrantClient(url=self.stack.environment["QDRANT_URL"], check_compatibility=False)
        where = {"must": [{"key": "source", "match": {"value": source}}]}
        stored = [client.count(c.name, where).count for c in client.get_collections().collections]  # type: ignore[arg-type]
        client.close()
        assert sum(stored) == passages


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest,
    postgres: str,
    redis_url: str,
    migrated: str,
    data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("site")
    folder = place / "handbook"
    _write(folder, PAGES)
    _write(
        place / "many",
        {f"page{n}.md": f"# Page {n}\n\nWhat page {n} says about subject {n % 7}.\n" for n in range(SCANNED)},
    )
    broker = request.getfixturevalue(request.param)
    with database(postgres, template=migrated) as url, qdrant_server() as qdrant, OpenAIServer(size=32) as vendor:
        vendor.keep_requests = False
        environment = clean_environment(
            ATRIUM_DATA=str(data),
            ATRIUM_PROFILE="services",
            DATABASE_URL=url,
            REDIS_URL=redis_url,
            CELERY_BROKER_URL=broker,
            QDRANT_URL=qdrant,
            ATRIUM_QUEUE=f"atrium-test-{url.rsplit('_', 1)[1]}",
            ATRIUM_LEASE_SECONDS=str(LEASE_SECONDS),
            ATRIUM_DUE_SECONDS=str(DUE_SECONDS),
            ATRIUM_FOLDER_ROOTS=str(place),
            ATRIUM_PRIVATE_HOSTS="127.0.0.1",
        )
        stack = Stack(place, environment)
        try:
            web_a, web_b = stack.web("web-a"), stack.web("web-b")
            stack.beat()
            link, keys = _make_workspaces(stack)
            for web in (web_a, web_b):
                stack.wait_ready(web)
            site = Site(stack, vendor, folder, web_a, web_b, keys, link)
            _add_models(site)
            yield site
        finally:
            stack.close()
            with Connection(broker) as connection:
                connection.default_channel.queue_delete(environment["ATRIUM_QUEUE"])


def _write(folder: Path, pages: dict[str, str]) -> None:
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _add_models(site: Site) -> None:
    """A vendor's key in both workspaces; ``demo`` has assistants that write, ``remote`` embeds there."""
    key = {"kind": "openai_compatible", "base_url": site.vendor.base_url, "api_key": "sk-loopback"}
    for slug in ("demo", "remote"):
        api = site.at(site.web_a, slug)
        credential = api.post("credentials/", key)["id"]
        for handle, knowledge in (("writer", []), ("reader", None)):
            fields = {"handle": handle, "name": handle.title(), "credential": credential, "model": "loopback"}
            api.post("assistants/", {**fields, "knowledge": knowledge})
    with psycopg.connect(site.stack.environment["DATABASE_URL"]) as connection:
        # What a person chooses under Govern; nothing is indexed yet that would have to be embedded again.
        connection.execute(
            "update portal_workspace set embedding_credential_id = %s, embedding_model = 'tiny' where slug = 'remote'",
            [credential],
        )


def _make_workspaces(stack: Stack) -> tuple[str, dict[str, str]]:
    """``demo`` as an operator makes it, with its sign-in link and key; ``remote`` in one go, for time's sake."""
    email, scopes = "admin@demo.example", "read,ask,write,admin"
    link = stack.manage("make_workspace", "--slug", "demo", "--email", email)
    assert link.startswith("http://localhost:8000/sign-in/")
    made = stack.manage("create_api_key", "--workspace", "demo", "--email", email, "--scopes", scopes)
    code = (
        "from portal.models import ApiKey, User; from portal.people import make_workspace; "
        "w = make_workspace(slug='remote', name='Remote', admin=User.objects.get()); "
        f"print(ApiKey.objects.make(w.memberships.get(), 'test', '{scopes}'.split(','))[1])"
    )
    remote = stack.manage("shell", "-v", "0", "-c", code)
    return link, {"demo": made.splitlines()[-1], "remote": remote.splitlines()[-1]}


@pytest.fixture
def workers(site: Site) -> Iterator[Any]:
    """Starts workers, and stops those of one test before the next."""
    started: list[Process] = []

    def start(name: str) -> Process:
        started.append(site.stack.worker(name))
        return started[-1]

    yield start
    site.vendor.embed = hashed_vector
    for worker in started:
        worker.stop()


@both_brokers
def test_a_folder_connected_on_one_web_process_is_synced_by_a_worker_and_answered_on_another(site, workers):
    worker = workers("worker")
    for web in (site.web_a, site.web_b):
        page = httpx.get(f"{web.url}/", follow_redirects=True)
        assert (page.status_code, page.url.path) == (200, "/accounts/login/")
    here, there = site.at(site.web_a), site.at(site.web_b)
    source = site.connect(here, site.folder)
    run = site.finished(there, source)
    assert (run["state"], run["discovered"], run["indexed"]) == ("done", 3, 3), worker.tail()
    site.assert_exact(source, 3)
    found = there.post("search/", {"query": QUESTION, "limit": 3})
    assert found["results"][0]["document"]["path"].endswith("parental.md")
    conversation = there.post("conversations/", {"assistant": "reader"})["id"]
    site.vendor.script = Script(text="Twenty-six weeks of paid leave [1].")
    answer = there.post(f"conversations/{conversation}/messages/", {"content": QUESTION})
    assert (answer["status"], answer["content"]) == ("completed", "Twenty-six weeks of paid leave [1].")
    assert answer["citations"][0]["document"]["path"].endswith("parental.md")


@over_redis
def test_an_index_that_was_lost_is_filled_again_by_a_command(site):
    there = site.at(site.web_b)
    assert there.post("search/", {"query": QUESTION})["results"]
    client = QdrantClient(url=site.stack.environment["QDRANT_URL"], check_compatibility=False)
    for collection in client.get_collections().collections:
        client.delete_collection(collection.name)
    client.close()
    assert site.stack.manage("reindex", "--workspace", "demo").splitlines()[-1] == "demo: handbook: done, 3 documents"
    assert there.post("search/", {"query": QUESTION})["results"][0]["document"]["path"].endswith("parental.md")


@both_brokers
def test_kill_9_of_a_worker_in_mid_sync_is_made_good_by_another(site, workers):
    site.vendor.embed = slowly
    api = site.at(site.web_a, "remote")
    first = workers("first")
    source = site.connect(api, site.folder.parent / "many")
    until(lambda: site.run_of(api, source)["indexed"] >= 40, 60, f"forty pages\n{first.tail()}")
    first.kill()
    left = site.run_of(api, source)
    assert left["state"] == "syncing"
    assert left["indexed"] < SCANNED
    workers("second")
    run = site.finished(api, source)
    assert run["id"] == left["id"]
    assert (run["state"], run["discovered"], run["indexed"] + run["unchanged"]) == ("done", SCANNED, SCANNED)
    site.assert_exact(source, SCANNED)
    api.call("DELETE", f"data-sources/{source}/")


@over_rabbitmq
def test_a_worker_that_hangs_loses_its_run_when_its_lease_ends_and_spoils_nothing_when_it_wakes(site, workers):
    site.vendor.embed = slowly
    api = site.at(site.web_a, "remote")
    first = workers("hanging")
    source = site.connect(api, site.folder.parent / "many")
    until(lambda: site.run_of(api, source)["indexed"] >= 40, 60, f"forty pages\n{first.tail()}")
    first.send(signal.SIGSTOP)
    ((holder,),) = site.rows("select worker from datasources_syncrun where source_id = %s", source)
    second = workers("waiting")
    taken = "select 1 from datasources_syncrun where source_id = %s and worker not in ('', %s)"
    until(lambda: site.rows(taken, source, holder), 40, f"another worker has the run\n{second.tail()}")
    first.send(signal.SIGCONT)
    run = site.finished(api, source)
    assert (run["state"], run["discovered"], run["indexed"] + run["unchanged"]) == ("done", SCANNED, SCANNED)
    site.assert_exact(source, SCANNED)


@both_brokers
def test_a_queue_that_lost_everything_is_filled_again_from_the_database(site, workers):
    api = site.at(site.web_b)
    folder = site.folder.parent / "late"
    _write(folder, {"late.md": "# Late\n\nThis page was connected while no worker ran.\n"})
    source = site.connect(api, folder)
    with Connection(site.broker) as connection:
        lost = connection.default_channel.queue_purge(site.queue)
    assert lost >= 1
    assert site.run_of(api, source)["state"] == "queued"
    workers("late")
    assert site.finished(api, source)["state"] == "done"


@over_redis
def test_an_answer_is_followed_from_another_web_process_token_by_token(site):
    site.vendor.script = Script(tokens=150, delay=0.01)
    here, there = site.at(site.web_a), site.at(site.web_b)
    conversation = here.post("conversations/", {"assistant": "writer"})["id"]
    asking = here.events("POST", f"conversations/{conversation}/messages/", {"content": "Say it all."})
    answer = next(asking)["data"]["answer"]
    followed: list[dict[str, Any]] = []
    late: list[dict[str, Any]] = []

    def follow() -> None:
        followed.extend(there.events("GET", f"messages/{answer}/events/"))

    watching = Thread(target=follow)
    watching.start()
    own = list(asking)
    watching.join(30)
    last = followed[len(followed) // 2]["seq"]
    late.extend(there.events("GET", f"messages/{answer}/events/?after={last}"))
    expected = "".join(f"token{n} " for n in range(150))
    assert _text(own) == _text(followed) == expected
    assert followed[-1]["type"] == "completed"
    assert len([e for e in followed if e["type"] == "token"]) > 5, "it came in one piece"
    assert [e["seq"] for e in followed] == sorted({e["seq"] for e in followed})
    assert _text([e for e in followed if e["seq"] <= last]) + _text(late) == expected
    assert there.get(f"messages/{answer}/")["content"].strip() == expected.strip()


@over_redis
def test_a_page_open_on_one_web_process_hears_of_a_question_asked_on_another(site):
    site.vendor.script = Script(text="Yes.")
    with httpx.Client(base_url=site.web_b.url, follow_redirects=True) as browser:
        browser.get(urlsplit(site.link).path)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)
    here = site.at(site.web_a)
    conversation = here.post("conversations/", {"assistant": "writer"})["id"]
    address = site.web_b.url.replace("http:", "ws:") + "/ws/w/demo/answers/"
    headers = {"Cookie": cookies}
    with websockets.sync.client.connect(address, additional_headers=headers, origin=site.web_b.url) as socket:  # type: ignore[arg-type]
        socket.send(json.dumps({"watch": conversation}))
        # Refused in words, and thereby a sign that what was sent before it has been done.
        socket.send(json.dumps({"watch": "nothing"}))
        assert json.loads(socket.recv(10))["refused"]["code"] == "not_found"
        answer = here.post(f"conversations/{conversation}/messages/", {"content": "Are you there?"})
        heard = json.loads(socket.recv(10))
        assert (heard["changed"], heard["answer"]) == (conversation, answer["id"])
        socket.send(json.dumps({"follow": answer["id"], "after": 0}))
        text = ""
        while (event := json.loads(socket.recv(10))).get("type") != "completed":
            text += event["data"]["text"] if event.get("type") == "token" else ""
        assert text == "Yes."


@over_redis
def test_an_answer_is_stopped_from_another_web_process(site):
    site.vendor.script = Script(tokens=2000, delay=0.02)
    here, there = site.at(site.web_a), site.at(site.web_b)
    conversation = here.post("conversations/", {"assistant": "writer"})["id"]
    asking = here.events("POST", f"conversations/{conversation}/messages/", {"content": "Say it all."})
    answer = next(asking)["data"]["answer"]
    assert next(e for e in asking if e["type"] == "token")
    asked = time.monotonic()
    there.post(f"messages/{answer}/stop/")
    rest = list(asking)
    assert rest[-1]["type"] == "stopped"
    assert time.monotonic() - asked < 5
    assert there.get(f"messages/{answer}/")["status"] == "stopped"


@over_redis
def test_an_answer_whose_web_process_was_killed_becomes_interrupted_and_keeps_its_text(site, workers):
    worker = workers("closer")
    site.vendor.script = Script(tokens=3000, delay=0.02)
    doomed = site.stack.web("web-doomed")
    site.stack.wait_ready(doomed)
    here, there = site.at(doomed), site.at(site.web_b)
    conversation = there.post("conversations/", {"assistant": "writer"})["id"]
    asking = here.events("POST", f"conversations/{conversation}/messages/", {"content": "Say it all."})
    answer = next(asking)["data"]["answer"]
    seen = "".join(next(e for e in asking if e["type"] == "token")["data"]["text"] for _ in range(20))
    doomed.kill()
    last = list(there.events("GET", f"messages/{answer}/events/"))[-1]
    assert (last["type"], last["data"]["status"], last["data"]["retryable"]) == ("error", "interrupted", True), (
        worker.tail()
    )
    message = there.get(f"messages/{answer}/")
    assert message["status"] == "interrupted"
    assert message["content"].startswith(seen.strip())
    site.vendor.script = Script(text="All of it.")
    again = there.post(f"messages/{answer}/again/")
    assert (again["status"], again["content"]) == ("completed", "All of it.")


def _text(events: list[dict[str, Any]]) -> str:
    return "".join(event["data"]["text"] for event in events if event["type"] == "token")
