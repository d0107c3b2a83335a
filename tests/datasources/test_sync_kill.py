"""kill -9 in the middle of a sync: whoever goes on ends with no passage lost and none doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from datasources import oauth, reading
from datasources.connectors.around import Around
from datasources.connectors.github.connector import GitHub
from datasources.connectors.google_drive.connector import GoogleDrive
from datasources.models import SyncRun
from datasources.retrieval.edge_client import EdgeIndex
from datasources.sources import request_sync
from datasources.syncing.reading import extractor
from portal.models import Credential
from tests import factories
from tests.contracts.documents import Seen
from tests.datasources.syncing import account, assert_exact
from tests.embedders import InstantEmbedder
from tests.vendors.places import github, google_drive
from tests.vendors.places.github import GitHubServer, fernholt
from tests.vendors.places.loopback import Loopback

ROOT = Path(__file__).resolve().parents[2]


class Killing:
    """Starts children that sync, and kills each at a moment between its first work and its expected end."""

    def __init__(self, source, run, folder: Path, vectors: Path) -> None:
        self.source, self.run = source, run
        self.environment = {
            **os.environ,
            "ATRIUM_TEST_DATA": str(settings.DATA),
            "TEST_DATABASE": connection.settings_dict["NAME"],
            "TEST_VECTORS": str(vectors),
            "ATRIUM_FOLDER_ROOTS": str(folder),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }

    def child(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.datasources.sync_child", str(self.run.pk)]
        child = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"working\n"
        return child

    def kill_at(self, seconds: float) -> bool:
        """Whether it was killed before its end."""
        child = self.child()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            return True
        return False

    def kill_at_request(self, server: Loopback, number: int) -> bool:
        """Kill the child as its n-th request to the vendor comes in; whether it came so far."""
        child = self.child()
        server.when(number, lambda: child.send_signal(signal.SIGKILL))
        return child.wait(60) == -signal.SIGKILL

    def kill(self, times: int, longest: float, anew: Callable[[], None]) -> list[float]:
        """Kill so often, each at a random moment. A run that got to its end first is followed by one over what is new."""
        moments: list[float] = []
        while len(moments) < times:
            moment = random.uniform(0.02, longest)
            if self.kill_at(moment):
                moments.append(round(moment, 2))
            else:
                anew()
                self.run = request_sync(self.source, by=None)
        return moments

    def finish(self) -> SyncRun:
        child = self.child()
        assert child.wait(240) == 0
        return SyncRun.objects.get(pk=self.run.pk)


def _killing(cast, folder, vectors):
    source = factories.source(cast.workspace, kind="folder", config={"path": str(folder)})
    return source, Killing(source, request_sync(source, by=None), folder, vectors)


def _assert_exact_in(vectors, monkeypatch, source, space):
    index = EdgeIndex(vectors, lock_wait=10.0)
    monkeypatch.setattr(reading, "_index", index)
    try:
        return assert_exact(source, space)
    finally:
        index.close()


def _write_pages(folder: Path, number: int) -> None:
    """Pages of random length, so that each time some get shorter and some longer."""
    for page in range(number):
        path = folder / f"part{page % 7}" / f"page{page}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        paragraphs = (f"Paragraph {n} of {page}. " * 12 for n in range(random.randint(1, 20)))
        path.write_text(f"# Page {page}\n\n" + "\n\n".join(paragraphs))


@pytest.mark.django_db(transaction=True)
def test_a_sync_that_is_killed_three_times_ends_exact(cast, tmp_path, monkeypatch):
    folder, vectors = tmp_path / "folder", tmp_path / "vectors"
    _write_pages(folder, 200)
    source, killing = _killing(cast, folder, vectors)
    moments = killing.kill(3, 1.5, lambda: _write_pages(folder, 200))
    run = killing.finish()
    assert run.state == "done", f"killed at {moments} s: {run.error}"
    assert run.discovered == 200 == run.indexed + run.unchanged
    _assert_exact_in(vectors, monkeypatch, source, InstantEmbedder().space)


def _github() -> GitHubServer:
    server = fernholt(GitHubServer())
    server.page_size = 2
    return server


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("kind", "started", "connector", "secret"),
    [
        ("github", _github, GitHub, {"auth": "token", "token": github.TOKEN}),
        (
            "google_drive",
            lambda: google_drive.filled(page_limit=2),
            GoogleDrive,
            {"auth": "service_account", "service_account": google_drive.service_account()},
        ),
    ],
)
def test_a_sync_of_a_vendor_that_is_killed_at_its_requests_ends_exact(
    cast, tmp_path, monkeypatch, kind, started, connector, secret
):
    """While it lists, as it begins to fetch, and while it fetches; every request there is, is in each connector's contract."""
    vectors = tmp_path / "vectors"
    with started() as server:
        config = {"base_url": server.base_url}
        whole = Seen().run(connector(config, secret, Around(extractor()))).documents()
        listing = len(server.requests)
        credential = Credential(workspace=cast.workspace, kind=kind, name=kind, base_url=server.base_url)
        oauth.keep(credential, secret)
        credential.save()
        source = factories.source(cast.workspace, kind=kind, config=config, credential=credential)
        killing = Killing(source, request_sync(source, by=None), tmp_path, vectors)
        killing.environment["ATRIUM_PRIVATE_HOSTS"] = "127.0.0.0/8"
        assert killing.kill_at_request(server, listing // 2)
        assert killing.kill_at_request(server, listing)
        assert killing.kill_at_request(server, 4)
        run = killing.finish()
    assert run.state == "done", run.error
    assert run.indexed + run.unchanged == len(whole)
    found = set(source.nodes.filter(status="indexed").values_list("external_id", flat=True))
    assert found == whole
    _assert_exact_in(vectors, monkeypatch, source, InstantEmbedder().space)


@pytest.mark.corpora
@pytest.mark.timeout(900)
@pytest.mark.django_db(transaction=True)
def test_ten_kills_over_the_handbook_lose_and_double_nothing(cast, tmp_path, monkeypatch):
    folder = Path(os.environ["ATRIUM_CORPORA"]) / "handbook" / "pages"
    vectors = tmp_path / "vectors"
    files = sum(1 for path in folder.rglob("*") if path.is_file())
    source, killing = _killing(cast, folder, vectors)
    begun = time.monotonic()
    moments = killing.kill(10, 1.5, lambda: source.nodes.update(fetched_version="", status="pending"))
    run = killing.finish()
    print(f"ten kills at {moments} s, {time.monotonic() - begun:.0f} s in all: {account(run)}")  # noqa: T201
    assert run.state == "done"
    assert run.discovered == files == run.indexed + run.unchanged + run.skipped
    _assert_exact_in(vectors, monkeypatch, source, InstantEmbedder().space)
