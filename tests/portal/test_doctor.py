"""``manage.py doctor`` and /readyz: each part by name, whether it answers, and what to do where it does not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from io import StringIO
from types import SimpleNamespace

import pytest
from channels.layers import get_channel_layer
from django.core.management import call_command

from datasources import reading, shell
from datasources.ingestion.results import Extracted
from portal import reaching
from portal.checks import Found, ask
from portal.registry import Check, registries
from tests.services.stack import free_port

SECRET = "hush-hush"
ELSEWHERE = {
    "database": ("DATABASE_URL", "postgresql://atrium:{secret}@127.0.0.1:{port}/atrium", "The database"),
    "index": ("QDRANT_URL", "http://127.0.0.1:{port}", "The Qdrant server"),
    "queue": ("CELERY_BROKER_URL", "amqp://atrium:{secret}@127.0.0.1:{port}//", "The queue"),
    "channels": ("REDIS_URL", "redis://:{secret}@127.0.0.1:{port}/0", "Redis"),
}
LABELS = {"database": "Database", "index": "Search index", "queue": "Queue", "channels": "Channel layer"}


@pytest.fixture
def parts(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index and a reader of files that answer; those of this machine have tests of their own."""
    info = SimpleNamespace(engine="edge", spaces={"local/x/384": 12}, detail="")
    monkeypatch.setattr(reading, "open_index", lambda: SimpleNamespace(info=lambda: info))
    reader = SimpleNamespace(extract=lambda source, filename: Extracted("A page to read."))
    monkeypatch.setattr(shell, "extractor", lambda: reader)


def put(settings, name: str, port: int) -> str:
    """The part's address is at this port from now on; gives how a sentence on it begins."""
    variable, url, label = ELSEWHERE[name]
    setattr(settings, variable, url.format(port=port, secret=SECRET))
    return f"{label} at 127.0.0.1:{port}"


def doctor() -> tuple[int, str]:
    """Its exit code and what it said."""
    out = StringIO()
    try:
        call_command("doctor", stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_a_sound_installation_is_told_part_by_part(parts, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    code, said = doctor()
    assert code == 0, said
    lines = [line.split(":", 1)[0].split(maxsplit=1) for line in said.splitlines() if line.startswith("  ok")]
    assert [label for _, label in lines] == [
        *("Database", "Schema", "Search index", "Queue", "Channel layer", "Files", "Mail", "Embeddings"),
        "Reading of files",
    ]
    assert "PostgreSQL 18" in said
    assert "12 passages" in said
    assert f"Files are kept in {settings.FILES_DIR}." in said
    assert "To send them, set ATRIUM_EMAIL_URL." in said


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_part_that_does_not_answer_is_named_with_what_to_do(parts, settings, name):
    part = put(settings, name, free_port())
    code, said = doctor()
    assert code == 1
    variable = ELSEWHERE[name][0]
    sentence = f"{part} does not answer (Connection refused): start it, or unset {variable}."
    assert f"  FAILED   {LABELS[name]}: {sentence}" in said.splitlines()
    assert said.count("FAILED") == 1
    assert SECRET not in said
    # Without a database nothing is asked that would wait for it.
    assert ("skipped  Embeddings: It needs the database." in said) == (name == "database")


def test_in_the_services_profile_the_address_is_to_be_corrected(settings):
    settings.PROFILE = "services"
    put(settings, "channels", free_port())
    with pytest.raises(reaching.Unreachable, match="start it, or correct REDIS_URL.$"):
        reaching.knock_all()


def test_a_database_that_refuses_the_person_says_why(settings):
    settings.DATABASE_URL = f"postgresql://nobody:{SECRET}@/atrium?host={settings.SOCKETS_DIR}"
    with pytest.raises(reaching.Unreachable) as told:
        reaching.reach_database()
    assert str(told.value) == (
        f"The database at {settings.SOCKETS_DIR}/.s.PGSQL.5432 does not let Atrium in "
        '(role "nobody" does not exist): correct DATABASE_URL.'
    )


@pytest.fixture
def mute() -> Iterator[int]:
    """A port where somebody takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("name", ["database", "channels"])
def test_a_part_that_hangs_is_not_waited_for(settings, monkeypatch, mute, name):
    monkeypatch.setattr(reaching, "PATIENCE", 0.2)
    part = put(settings, name, mute)
    with pytest.raises(reaching.Unreachable, match=f"^{part} does not answer"):
        {"database": reaching.reach_database, "channels": reaching.reach_redis}[name]()


def test_a_check_that_hangs_is_given_up_with_a_hint():
    given_up = threading.Event()
    check = Check("Slow", lambda: str(given_up.wait(30)), seconds=0.1, hint="Look at it.")
    assert ask(check) == Found(False, "It did not answer within 0.1 seconds. Look at it.")
    given_up.set()


def test_no_password_is_told_whoever_quotes_it(settings):
    put(settings, "queue", 5672)

    def quote() -> str:
        raise RuntimeError(f"could not sign in as atrium:{SECRET}")

    assert ask(Check("Queue", quote, hint="Look at it.")).words == "could not sign in as atrium:…. Look at it."


def test_a_mail_server_and_a_store_that_fail_are_told_too(parts, settings, tmp_path):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    (tmp_path / "files").write_text("a file where a directory should be")
    store = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path / "files")}}
    settings.STORAGES = {**settings.STORAGES, "default": store}
    code, said = doctor()
    assert code == 1
    mail = f"The mail server at 127.0.0.1:{settings.EMAIL_PORT} does not take mail (Connection refused)"
    assert f"FAILED   Mail: {mail}: start it, or correct ATRIUM_EMAIL_URL." in said
    assert f"FAILED   Files: Files can't be kept in {tmp_path}/files (" in said


def test_a_database_of_an_older_version_is_to_be_migrated(parts, monkeypatch):
    from django.db.migrations.executor import MigrationExecutor

    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda self, targets: [1, 2])
    code, said = doctor()
    assert code == 1
    assert "(2 migrations are missing): run manage.py migrate." in said
    assert "skipped  Embeddings" in said


def test_readyz_names_each_part(parts, client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    everything = {name: {"status": "ok"} for name in ("database", "index", "queue", "channels")}
    assert answer.json() == {"status": "ok", "parts": everything}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_readyz_is_503_while_a_part_fails(parts, settings, client, name):
    put(settings, name, free_port())
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failed"
    states = {part: state["status"] for part, state in answer.json()["parts"].items()}
    assert states == {part: "failed" if part == name else "ok" for part in ELSEWHERE}
    assert "127.0.0.1" not in answer.content.decode()


def test_the_channel_layer_that_the_portal_listens_on_is_left_alone(monkeypatch):
    """On Redis, two event loops that receive on one break each other."""
    listening = get_channel_layer()
    for verb in ("new_channel", "send", "receive"):
        monkeypatch.setattr(listening, verb, None)
    assert ask(registries.checks.get("channels")) == Found(True, "It is in memory.")


def test_the_reader_of_files_of_this_machine_reads():
    from datasources.syncing.reading import close_extractor

    assert shell._reading_of_files() == "Files are read in a process of their own."
    close_extractor()


def test_a_cluster_is_left_to_its_own_client(settings):
    """One of them may be down."""
    for several in ("amqp://127.0.0.1:1//;amqp://127.0.0.1:2//", "amqp://127.0.0.1,127.0.0.2//"):
        settings.CELERY_BROKER_URL = several
        reaching.BROKER.knock()
    settings.DATABASE_URL = "postgresql:///atrium?host=127.0.0.1,127.0.0.2&port=1"
    reaching.DATABASE.knock()
    settings.CELERY_BROKER_URL = "amqp://a,b:hush@127.0.0.1:1//"
    with pytest.raises(reaching.Unreachable):
        reaching.BROKER.knock()
