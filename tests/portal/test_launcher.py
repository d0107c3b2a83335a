"""``make run``: failures in one sentence each, a clean end however it comes, and modes that keep others out."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from portal.embedded import task_pool
from tests.first_start import FirstStart
from tests.portal.launching import Portal, Typed, modes_above
from tests.services.stack import ROOT

pytestmark = pytest.mark.timeout(240)


def refused(tmp_path: Path, **environment: str) -> str:
    """The one sentence with which it did not start."""
    portal = Portal(tmp_path / "data")
    popen = portal.launch(**environment)
    said, _ = popen.communicate(timeout=60)
    assert popen.returncode == 1, said
    lines = said.strip().splitlines()
    assert len(lines) == 1, said
    assert lines[0].startswith("Atrium can't start: ")
    assert lines[0].endswith((".", ")")) or "make run" in lines[0]
    return lines[0].removeprefix("Atrium can't start: ")


def test_a_port_that_is_taken_is_named_with_another(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(tmp_path, PORT=str(port))
    assert said == f"Port {port} is taken (Address already in use). Choose another: make run PORT={port + 1}"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"PORT": "abc"}, "PORT is 'abc'; it takes a whole number."),
        ({"PORT": "70000"}, "PORT is 70000; it must be between 1 and 65535."),
        ({"FOLDER": "/no/such/folder"}, "FOLDER=/no/such/folder is not a directory."),
        ({"ATRIUM_HOST": "203.0.113.7"}, "ATRIUM_HOST is '203.0.113.7', which is no address of this machine"),
        ({"DATABASE_URL": "mysql://db/x"}, "DATABASE_URL must begin with postgresql:// or postgres://."),
        ({"ATRIUM_PROFILE": "services"}, "ATRIUM_PROFILE is services, which also needs DATABASE_URL"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_sentence(tmp_path, environment, sentence):
    assert refused(tmp_path, **environment).startswith(sentence)


@pytest.mark.parametrize(
    ("variable", "url", "label"),
    [
        ("DATABASE_URL", "postgresql://atrium:hush-hush@127.0.0.1:1/atrium", "The database"),
        ("QDRANT_URL", "http://127.0.0.1:1", "The Qdrant server"),
    ],
)
def test_a_part_elsewhere_that_does_not_answer_is_one_sentence(tmp_path, variable, url, label):
    said = refused(tmp_path, **{variable: url})
    assert said == f"{label} at 127.0.0.1:1 does not answer (Connection refused): start it, or unset {variable}."
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path):
    """For root as for anybody: a file in its place, and a file system that takes no directories."""
    (tmp_path / "file").write_text("")
    for data in (tmp_path / "file", Path("/sys/atrium")):
        said = refused(tmp_path, ATRIUM_DATA=str(data))
        assert said.startswith(f"{data}")
        assert "can't be written" in said
        assert "set ATRIUM_DATA to a directory of yours" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_data_directory_is_named(tmp_path):
    (tmp_path / "data").mkdir(mode=0o500)
    assert "can't be written (Permission denied)" in refused(tmp_path)


# ---- The script that prepares a fresh machine --------------------------------------------------------------------

REAL = subprocess.run(["sh", "-c", "command -v python3"], capture_output=True, text=True, check=True).stdout.strip()


def bootstrap(tmp_path: Path, python: str, venv: str = "venv") -> str:
    script = ["bash", str(ROOT / "deploy" / "bootstrap.sh"), python, str(tmp_path / venv)]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    said = (done.stdout + done.stderr).strip()
    assert done.returncode == 1, said
    assert len(said.splitlines()) == 1, said
    return said


def pretending(tmp_path: Path, lines: str) -> str:
    """A Python that says of itself what ``lines`` set, before it runs what it is given."""
    (tmp_path / "pretence.py").write_text(f"import platform, sys\n{lines}\nexec(sys.stdin.read())\n")
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\nexec "{REAL}" "{tmp_path}/pretence.py"\n')
    fake.chmod(0o755)
    return str(fake)


@pytest.mark.parametrize(
    ("pretence", "sentence"),
    [
        (
            "sys.version_info = (3, 9, 2); platform.python_version = lambda: '3.9.2'",
            "Atrium needs Python 3.11 or newer; this is 3.9.2. Name another: make run PYTHON=python3.12",
        ),
        ("platform.system = lambda: 'Windows'", "for Windows on"),
        ("platform.machine = lambda: 'riscv64'", "on riscv64; use Linux or macOS on x86-64 or ARM64."),
        ("platform.libc_ver = lambda: ('', '')", "need a Linux with glibc"),
    ],
    ids=["too old", "Windows", "RISC-V", "musl"],
)
def test_a_machine_that_will_not_do_is_told_what_will(tmp_path, pretence, sentence):
    assert sentence in bootstrap(tmp_path, pretending(tmp_path, pretence))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    """For root as for anybody: a file system that takes no directories."""
    assert bootstrap(tmp_path, REAL, "/sys/atrium/venv").startswith("/sys/atrium/venv can't be made or written here.")


def test_a_python_that_is_not_there_is_named(tmp_path):
    assert "there is no 'python9.9' here" in bootstrap(tmp_path, "python9.9")


def test_a_task_that_comes_while_the_worker_ends_is_left_to_the_next_start():
    done = []
    pool = task_pool()(limit=1)
    pool.start()
    pool.apply_async(lambda: done.append("before")).wait(timeout=10)
    pool.stop()
    pool.apply_async(lambda: done.append("after"))
    assert done == ["before"]


def test_a_command_before_the_first_start_says_what_to_do_first(tmp_path):
    portal = Portal(tmp_path / "data")
    with pytest.raises(AssertionError) as said:
        portal.manage("create_api_key", "--workspace", "demo", "--email", "admin@example.com")
    assert str(said.value).strip().splitlines() == [
        "The database is not prepared for this version yet. Start the portal once, or run: manage.py migrate"
    ]


def test_the_last_to_leave_the_database_closes_its_connections_first(tmp_path):
    """What goes on connecting to a server that goes down says so, over what the command had to say."""
    portal = Portal(tmp_path / "data")
    leaving = (
        "from django.db import connection; from portal import postgres\n"
        "connection.cursor(); pool = connection.pool; postgres.stop(); print(pool.closed)"
    )
    assert portal.manage("shell", "-v", "0", "-c", leaving) == "True"


# ---- Running, ending, starting again -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, started_once: FirstStart) -> Iterator[Portal]:
    """A portal that was started once and stopped, on a directory of its own; each test starts and ends it its own way."""
    portal = Portal(tmp_path_factory.mktemp("launcher") / "data")
    portal.before = modes_above(portal.data)
    started_once.copy_to(portal.data)
    yield portal
    portal.clean_up()


def test_the_first_start_tells_its_steps_and_loosens_nothing_above_it(started_once):
    begun = f"Making a database in {started_once.data}…"
    steps = (
        begun,
        "Preparing the database…",
        "Preparing static files…",
        "Making the workspace demo",
        "Indexing the user guide…",
    )
    said = [line for line in started_once.said if line.startswith(steps)]
    assert [line.startswith(step) for line, step in zip(said, steps, strict=True)] == [True] * len(steps)
    assert started_once.said[-1] == "Stopping…"
    assert started_once.before == started_once.after


def test_a_portal_opens_nothing_to_others_and_a_second_one_is_refused(portal):
    portal.start()
    assert portal.said[-1].startswith(f"Atrium is ready at {portal.url}")
    assert any("once, with this link: http://localhost:" in line for line in portal.said)
    assert httpx.get(f"{portal.url}/readyz").status_code == 200
    page = httpx.get(f"{portal.url}/accounts/login/").text
    sheet = re.search(r'href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', page)
    assert sheet, "its name has a hash of what it holds"
    assert httpx.get(f"{portal.url}{sheet[1]}").headers["content-encoding"] == "gzip"

    assert modes_above(portal.data) == portal.before
    for path in (portal.data, *portal.data.rglob("*")):
        mode = path.lstat().st_mode
        open_to_others = stat.S_IMODE(mode) & 0o077
        if stat.S_ISDIR(mode) and path.parent == portal.data:
            assert open_to_others == 0, path
        if stat.S_ISSOCK(mode) or path.parent.name == "keys":
            assert open_to_others == 0, path
    assert {stat.S_IMODE(key.stat().st_mode) for key in (portal.data / "keys").iterdir()} == {0o600}

    second = Portal(portal.data).launch()
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    assert said.strip() == (
        f"Atrium can't start: Another portal (process {portal.popen.pid}) already uses {portal.data}. "
        "Stop it, or set ATRIUM_DATA to another directory."
    )

    tree = portal.tree()
    assert any("postgres" in command for command in tree.values())
    assert any("edge_serve" in command for command in tree.values())
    assert portal.stop(signal.SIGINT) == 130
    assert portal.left_of(tree) == {}
    assert portal.said[-1] == "Stopping…"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ending_by_a_signal_leaves_no_process_behind(portal, number):
    portal.start()
    tree = portal.tree()
    assert portal.stop(number) == 128 + signal.SIGTERM
    assert portal.left_of(tree) == {}
    assert not any("Traceback" in line for line in portal.said)


def test_make_run_serves_until_ctrl_c_is_pressed_and_leaves_nothing_behind(started_once, tmp_path):
    typed = Typed(started_once.copy_to(tmp_path / "data"))
    try:
        typed.start()
        assert typed.said[-1].startswith(f"Atrium is ready at http://127.0.0.1:{typed.port}")
        assert httpx.get(f"{typed.url}/healthz").status_code == 200
        tree = typed.tree()
        for part in ("make run", "portal.embedded", "postgres", "edge_serve"):
            assert any(part in command for command in tree.values()), part
        typed.stop(signal.SIGINT)
        assert typed.left_of(tree) == {}
        assert "Stopping…" in typed.said
        assert not any("Traceback" in line for line in typed.said), "\n".join(typed.said)
    finally:
        typed.clean_up()


def test_kill_9_and_a_second_start_goes_on_with_everything(portal):
    key = portal.manage("create_api_key", "--workspace", "demo", "--email", "admin@example.com").splitlines()[-1]
    portal.start()
    portal.stop(signal.SIGKILL)
    portal.start()
    try:
        answer = httpx.post(
            f"{portal.url}/api/v1/workspaces/demo/search/",
            json={"query": "How do I connect a folder?"},
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )
        assert answer.json()["results"]
        tree = portal.tree()
    finally:
        portal.stop(signal.SIGINT)
    assert portal.left_of(tree) == {}


def test_ctrl_c_during_the_first_start_ends_it_and_the_next_start_is_whole(tmp_path):
    portal = Portal(tmp_path / "data")
    portal.start(until="Indexing the user guide")
    tree = portal.tree()
    try:
        assert portal.stop(signal.SIGINT) == 130
        assert portal.left_of(tree) == {}
        assert not any("Traceback" in line for line in portal.said), "\n".join(portal.said)
        portal.start()
        portal.stop(signal.SIGINT)
    finally:
        portal.clean_up()


def test_a_copy_of_a_stopped_portals_directory_answers_like_the_original(portal, tmp_path):
    """Backup and restore as the operator guide has it, but for the packing: stop, tar, put it elsewhere, start."""
    key = portal.manage("create_api_key", "--workspace", "demo", "--email", "admin@example.com").splitlines()[-1]
    archive = tmp_path / "backup.tar"
    subprocess.run(["tar", "-C", str(portal.data.parent), "-cf", str(archive), portal.data.name], check=True)
    (tmp_path / "elsewhere").mkdir()
    subprocess.run(["tar", "-C", str(tmp_path / "elsewhere"), "-xf", str(archive)], check=True)
    copy = Portal(tmp_path / "elsewhere" / portal.data.name)
    answers = []
    for at in (portal, copy):
        at.start()
        try:
            body = {"query": "Who may read what a space holds?", "limit": 5}
            headers = {"Authorization": f"Bearer {key}"}
            found = httpx.post(f"{at.url}/api/v1/workspaces/demo/search/", json=body, headers=headers, timeout=30)
            # Addresses carry the portal's own port.
            answers.append(found.text.replace(at.url, "").replace(f"http://localhost:{at.port}", ""))
        finally:
            at.stop(signal.SIGINT)
    assert '"start":' in answers[0]
    assert answers[0] == answers[1]
