"""What a process of an installation says when it can't start: one sentence, exit code 1, no traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.services.stack import BIN, ROOT, clean_environment

WEB = (str(BIN / "uvicorn"), "portal.asgi:application", "--port", "0")
WORKER = (str(BIN / "celery"), "-A", "portal", "worker", "--pool", "threads")
BEAT = (str(BIN / "celery"), "-A", "portal", "beat", "--scheduler", "celery.beat:Scheduler")
COMMAND = (sys.executable, "manage.py", "check")
MIGRATE = (sys.executable, "manage.py", "migrate", "--no-input")
SOME = {"REDIS_URL": "redis://127.0.0.1:1/0", "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}


def refused(tmp_path, command, **environment):
    """What it said. Fails unless it ended by itself, unwell and without a traceback."""
    environment = clean_environment(ATRIUM_DATA=str(tmp_path), **environment)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert done.returncode not in (0, -9), said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("command", [WORKER, BEAT, WEB], ids=["worker", "beat", "web"])
def test_a_process_of_its_own_without_all_services_names_what_is_missing(tmp_path, command):
    said = refused(tmp_path, command, **SOME)
    assert "of its own also needs DATABASE_URL, QDRANT_URL" in said


@pytest.mark.parametrize("command", [WORKER, WEB], ids=["worker", "web"])
def test_the_services_profile_insists_on_all_of_them(tmp_path, command):
    said = refused(tmp_path, command, ATRIUM_PROFILE="services", **SOME)
    assert said.strip() == "Atrium can't start: ATRIUM_PROFILE is services, which also needs DATABASE_URL, QDRANT_URL."


@pytest.mark.parametrize("command", [WORKER, BEAT, WEB, COMMAND], ids=["worker", "beat", "web", "command"])
def test_a_value_that_cannot_be_used_stops_start_up_with_one_sentence(tmp_path, command):
    assert (
        refused(tmp_path, command, PORT="abc").strip() == "Atrium can't start: PORT is 'abc'; it takes a whole number."
    )


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DATABASE_URL", "mysql://db/atrium", "DATABASE_URL must begin with postgresql:// or postgres://."),
        ("DATABASE_URL", "postgresql://atrium:pa/ss@db:x/atrium", "DATABASE_URL can't be read as an address"),
        ("ATRIUM_ENCRYPTION_KEYS", "short", "Key 1 in ATRIUM_ENCRYPTION_KEYS is no encryption key"),
        ("ATRIUM_SECRET_KEY_FILE", "/nowhere/key", "ATRIUM_SECRET_KEY_FILE names /nowhere/key, which can't be read"),
        ("ATRIUM_LEASE_SECONDS", "1", "ATRIUM_LEASE_SECONDS is 1; it must be 3 or more."),
        ("ATRIUM_BEHIND_PROXY", "perhaps", "ATRIUM_BEHIND_PROXY is 'perhaps'; it takes yes or no."),
    ],
)
def test_other_values_are_named_too(tmp_path, variable, value, sentence):
    said = refused(tmp_path, COMMAND, **{variable: value})
    assert said.startswith(f"Atrium can't start: {sentence}")
    assert len(said.strip().splitlines()) == 1


ALL = {**SOME, "DATABASE_URL": "postgresql://atrium:hush-hush@127.0.0.1:1/atrium", "QDRANT_URL": "http://127.0.0.1:1"}


@pytest.mark.parametrize("command", [MIGRATE, WEB], ids=["command", "web"])
def test_a_database_that_does_not_answer_is_one_sentence(tmp_path, command):
    said = refused(tmp_path, command, **ALL)
    assert (
        "The database at 127.0.0.1:1 does not answer (Connection refused): start it, or correct DATABASE_URL." in said
    )
    assert "hush-hush" not in said
    if command is MIGRATE:
        assert len(said.strip().splitlines()) == 1
