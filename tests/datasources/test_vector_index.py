"""Both indexes under one contract, and what is the embedded one's alone: its process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest
from qdrant_client import QdrantClient

from datasources.retrieval import wire
from datasources.retrieval.edge_client import EdgeIndex
from datasources.retrieval.edge_process import ROOT, IndexLocked
from datasources.retrieval.index import open_index
from datasources.retrieval.server import ServerIndex
from datasources.retrieval.types import IndexUnavailable, Selector
from tests.contracts.vector_index import NORTH, SPACE, VectorIndexContract, found, passage, whole
from tests.vendors.qdrant import qdrant_server


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone_within(seconds: float, pid: int) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


class LocalSearcher:
    """The server client's local mode, whose sync and async clients would not share their points."""

    def __init__(self, client: QdrantClient) -> None:
        self._client = client

    async def query_batch_points(self, *args, **options):
        return self._client.query_batch_points(*args, **options)

    async def scroll(self, *args, **options):
        return self._client.scroll(*args, **options)

    async def count(self, *args, **options):
        return self._client.count(*args, **options)


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")
@pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning")
class TestServer(VectorIndexContract):
    """Against a real server where QDRANT_URL names one, else on the client's local mode."""

    @pytest.fixture
    def index(self):
        url = os.environ.get("QDRANT_URL")
        if url:
            index = ServerIndex.connect(url, api_key=os.environ.get("QDRANT_API_KEY"))
        else:
            client = QdrantClient(":memory:", force_disable_check_same_thread=True)
            index = ServerIndex(client, lambda: LocalSearcher(client))
        yield index
        if url:
            for name in index.info().spaces:
                index.writer.delete_collection(name)
        index.close()


@pytest.fixture(scope="module")
def qdrant():
    with qdrant_server() as url:
        yield url


class TestServerOverHTTP(VectorIndexContract):
    """What goes over the wire, in the client's own words, to a server in another process."""

    @pytest.fixture
    def index(self, qdrant):
        index = ServerIndex.connect(qdrant)
        yield index
        for name in index.info().spaces:
            index.writer.delete_collection(name)
        index.close()


@pytest.fixture(scope="module")
def shared_edge(tmp_path_factory):
    """One process for the contract; each test has a workspace of its own, and finds the space empty."""
    index = EdgeIndex(tmp_path_factory.mktemp("index"))
    yield index
    index.close()


class TestEdge(VectorIndexContract):
    @pytest.fixture
    def index(self, shared_edge):
        yield shared_edge
        for workspace in self._workspaces(shared_edge):
            shared_edge.for_workspace(workspace).delete(SPACE, Selector())

    @staticmethod
    def _workspaces(index):
        page = index.call(wire.Scroll(SPACE, {"must": []}, 1000, None, False), wire.ScrollPage)
        return {point.payload["workspace"] for point in page.points}


@pytest.fixture
def edge(tmp_path):
    index = EdgeIndex(tmp_path / "index")
    yield index
    index.close()


@pytest.fixture
def handle(edge):
    handle = edge.for_workspace(uuid4())
    handle.ensure(SPACE, 4)
    return handle


def test_sockets_and_files_are_the_owners_alone(tmp_path, edge, handle):
    handle.upsert(SPACE, [passage("a")])
    handle.flush()
    root = tmp_path / "index"
    for path in (root, *root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert stat.S_IMODE(edge.process.socket_path.stat().st_mode) == 0o600


def test_a_path_too_long_for_a_socket_still_works(tmp_path):
    index = EdgeIndex(tmp_path / ("long" * 30))
    try:
        index.for_workspace(uuid4()).ensure(SPACE, 4)
        assert stat.S_IMODE(index.process.socket_path.parent.stat().st_mode) == 0o700
    finally:
        index.close()
    assert not index.process.socket_path.exists()


def test_what_was_written_is_there_after_reopening(tmp_path):
    workspace = uuid4()
    for expected in (0, 1):
        index = EdgeIndex(tmp_path)
        handle = index.for_workspace(workspace)
        handle.ensure(SPACE, 4)
        assert handle.count(SPACE, Selector()) == expected
        handle.upsert(SPACE, [passage("a")])
        index.close()


def test_a_second_opener_is_refused_and_told_who_has_it(tmp_path, edge, handle):
    with pytest.raises(IndexLocked, match=rf"another Atrium \(process {os.getpid()}\) is using .*Stop that one first"):
        EdgeIndex(tmp_path / "index", lock_wait=0.1)
    handle.upsert(SPACE, [passage("a")])
    assert handle.count(SPACE, Selector()) == 1


def test_a_directory_that_cannot_be_written_is_one_clear_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexUnavailable, match=r"can.t be opened: .*file"):
        EdgeIndex(tmp_path / "file" / "index")


def test_a_damaged_space_is_named_and_the_others_serve(tmp_path):
    index = EdgeIndex(tmp_path)
    workspace = uuid4()
    handle = index.for_workspace(workspace)
    for space in ("whole", "damaged"):
        handle.ensure(space, 4)
        handle.upsert(space, [passage("a")])
    index.close()
    (damaged,) = tmp_path.glob("damaged-*/space.json")
    damaged.write_text("{")
    index = EdgeIndex(tmp_path)
    try:
        assert index.for_workspace(workspace).count("whole", Selector()) == 1
        assert "Move it away and sync the sources again" in index.info().detail
    finally:
        index.close()


def test_kill_9_in_the_middle_of_upserts_loses_no_acknowledged_batch(edge, handle):
    """The writer goes on over the restarts, and every point it was told is in, is in."""
    acknowledged: list[int] = []
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            batch = [passage(f"doc{number}", position) for position in range(16)]
            handle.upsert(SPACE, batch)
            acknowledged.append(number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(3):
        edge.process.wait_ready(10)
        done = len(acknowledged)
        until(lambda done=done: len(acknowledged) >= done + 5)
        pid = edge.process.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: edge.process.pid != pid)
    edge.process.wait_ready(10)
    stop.set()
    writer.join(60)
    assert not writer.is_alive()
    assert len(acknowledged) > 10
    assert handle.count(SPACE, Selector()) == 16 * len(acknowledged)


async def test_a_search_waits_for_the_process_to_come_back(edge, handle):
    handle.upsert(SPACE, [passage("a")])
    os.kill(edge.process.pid, signal.SIGKILL)
    assert len(await found(handle, whole())) == 1


async def test_many_idle_connections_survive_a_restart(edge, handle):
    handle.upsert(SPACE, [passage("a")])
    await asyncio.gather(*(found(handle, whole()) for _ in range(12)))
    pid = edge.process.pid
    os.kill(pid, signal.SIGKILL)
    assert handle.count(SPACE, Selector()) == 1
    assert edge.process.pid != pid


async def test_the_event_loop_turns_while_the_index_works(edge, handle):
    handle.upsert(SPACE, [passage("a", number) for number in range(500)])
    longest, last, done = 0.0, time.perf_counter(), False

    async def tick():
        nonlocal longest, last
        last = time.perf_counter()
        while not done:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    ticking = asyncio.create_task(tick())
    os.kill(edge.process.pid, signal.SIGSTOP)  # an index that hangs
    try:
        asking = asyncio.create_task(found(handle, whole()))
        await asyncio.sleep(0.3)
        assert not asking.done()
    finally:
        os.kill(edge.process.pid, signal.SIGCONT)
    assert await asking
    done = True
    await ticking
    assert longest < 0.25


async def test_many_searches_at_once_and_cancelled_ones_get_their_own_answers(edge, handle):
    words = [f"word{number}" for number in range(40)]
    handle.upsert(SPACE, [passage(word, text=word) for word in words])

    async def ask(word):
        candidates = await handle.search(SPACE, dense=NORTH, query=word, filter=whole(), limit=3)
        (hit,) = await handle.fetch(SPACE, [candidates.bm25[0].id], whole())
        return hit.payload["text"]

    for _ in range(5):
        asking = [asyncio.create_task(ask(word)) for word in words]
        await asyncio.sleep(0.002)
        for task in asking[::3]:
            task.cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        for word, answer in zip(words, answers, strict=True):
            assert answer == word or isinstance(answer, asyncio.CancelledError)


def test_calls_from_many_threads(edge, handle):
    def write(name):
        handle.upsert(SPACE, [passage(name, number) for number in range(50)])

    threads = [threading.Thread(target=write, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handle.count(SPACE, Selector()) == 400


def test_a_closed_index_says_so(tmp_path):
    index = EdgeIndex(tmp_path)
    pid = index.process.pid
    index.close()
    assert gone_within(5, pid)
    with pytest.raises(IndexUnavailable, match="closed"):
        index.info()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_ends_with_its_parent_and_frees_the_directory(tmp_path, ending):
    code = (
        "import sys, time; from pathlib import Path; from datasources.retrieval.edge_client import EdgeIndex\n"
        "index = EdgeIndex(Path(sys.argv[1])); print(index.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        child = int(parent.stdout.readline())
        parent.send_signal(ending)
        parent.wait(10)
        assert gone_within(10, child)
    finally:
        with contextlib.suppress(ProcessLookupError):
            parent.kill()
        parent.stdout.close()
    EdgeIndex(tmp_path).close()


def test_a_process_that_ends_in_order_waits_for_the_indexs_own_to_end(tmp_path):
    code = (
        "import atexit, sys; from pathlib import Path; from datasources.retrieval.edge_client import EdgeIndex\n"
        "from tests.portal.launching import alive\n"
        "atexit.register(lambda: print(alive(pid)))  # the last of all\n"
        "pid = EdgeIndex(Path(sys.argv[1])).process.pid"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    assert ended.stdout.strip() == "False"


def test_ctrl_c_leaves_the_ending_to_the_parent(edge, handle):
    os.kill(edge.process.pid, signal.SIGINT)
    handle.upsert(SPACE, [passage("a")])
    assert alive(edge.process.pid)


def test_the_process_is_small_and_knows_no_django(edge, handle):
    maps = Path(f"/proc/{edge.process.pid}/maps").read_text()
    assert "django" not in maps.lower()
    assert "_pydantic_core" not in maps
    status = Path(f"/proc/{edge.process.pid}/status").read_text()
    anonymous = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
    assert anonymous < 80_000
    code = "import sys, datasources.retrieval.edge_serve; print('django' in sys.modules, 'portal' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == ["False", "False"]


def test_the_factory_chooses_by_the_address(tmp_path):
    embedded = open_index(directory=tmp_path)
    embedded.close()
    assert isinstance(embedded, EdgeIndex)
    server = open_index(directory=tmp_path, url="http://127.0.0.1:1")
    assert isinstance(server, ServerIndex)
    with pytest.raises(IndexUnavailable, match=r"does not answer.*QDRANT_URL"):
        server.info()
    server.close()


async def test_a_server_that_is_not_there_is_named_by_searches_too():
    server = ServerIndex.connect("http://127.0.0.1:1")
    handle = server.for_workspace(uuid4())
    with pytest.raises(IndexUnavailable, match="QDRANT_URL"):
        await handle.search(SPACE, dense=NORTH, query="words", filter=whole(), limit=5)
    server.close()


def test_a_key_that_the_server_refuses_is_named():
    with qdrant_server(api_key="right") as url:
        with pytest.warns(UserWarning, match="insecure connection"):
            right, wrong = (ServerIndex.connect(url, api_key=key) for key in ("right", "wrong"))
        right.for_workspace(uuid4()).ensure(SPACE, 4)
        assert set(right.info().spaces.values()) == {0}
        with pytest.raises(IndexUnavailable, match="refused the key. Check QDRANT_API_KEY"):
            wrong.info()
        right.close()
        wrong.close()


def test_a_server_that_is_too_old_to_keep_workspaces_apart_in_its_statistics_is_refused():
    with qdrant_server(version="1.18.2") as url:
        index = ServerIndex.connect(url)
        for call in (index.info, lambda: index.for_workspace(uuid4()).ensure(SPACE, 4)):
            with pytest.raises(IndexUnavailable, match=r"is version 1\.18\.2; Atrium needs 1\.19 or newer"):
                call()
        index.close()
