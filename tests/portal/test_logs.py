"""What stands in the log: one line a request with who and where, ids on the lines of answers and sockets, no secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from io import StringIO
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import structlog
from django.test import AsyncClient, Client, RequestFactory
from django.utils.functional import SimpleLazyObject

from assistants.runs import after
from assistants.runs.runner import Runner
from portal import logs, people
from portal.middleware import _person
from portal.models import ApiKey

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What was logged of requests so far, as a collector of JSON reads it."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.formatter("json"))
    logger = logging.getLogger("portal.requests")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_request_is_one_line_of_json(cast, client, lines):
    client.force_login(cast.member.user)
    client.get("/w/acme/data/?q=salaries", headers={"X-Request-ID": "from-the-proxy"})
    (line,) = lines()
    assert line.pop("ms") > 0
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "portal.requests",
        "method": "GET",
        "path": "/w/acme/data/",
        "status": 200,
        "user": cast.member.user.pk,
        "workspace": "acme",
        "request_id": "from-the-proxy",
    }


def test_a_call_with_a_key_names_its_owner(cast, client, lines):
    _key, text = ApiKey.objects.make(cast.member, "script", ["read"])
    client.get("/api/v1/workspaces/acme/conversations/", headers={"Authorization": f"Bearer {text}"})
    (line,) = lines()
    assert (line["user"], line["workspace"], line["status"]) == (cast.member.user.pk, "acme", 200)
    assert text not in json.dumps(line)


def test_health_and_static_files_have_no_line_and_whoever_is_signed_out_has_no_name(db, client, lines):
    client.get("/healthz")
    client.get("/static/atrium.css")
    assert lines() == []
    client.get("/accounts/login/")
    (line,) = lines()
    assert line["path"] == "/accounts/login/"
    assert not {"user", "workspace"} & line.keys()


def test_what_lets_one_in_is_not_written_down(cast, client, lines):
    link = people.sign_in_link(cast.member.user).split("localhost:8000", 1)[-1]
    client.get(link)
    client.get("/join/abcdefgh-a-token/")
    client.get("/accounts/password/reset/key/1-abcdefgh-a-key/")
    client.post("/hooks/abcdefgh-a-token/")
    found = lines()
    assert [line["status"] for line in found] == [302, 410, 200, 404]
    assert [line["path"].rsplit("/", 2)[-2][-1] for line in found] == ["-"] * 4
    assert link.rstrip("/").rsplit("/", 1)[-1] not in json.dumps(found)
    assert "abcdefgh" not in json.dumps(found)


def test_nor_where_a_request_is_turned_away_before_its_page(cast, client, lines, settings):
    client.get("/join/abcdefgh-a-token")
    client.post("/hooks/abcdefgh-a-token")
    settings.SECURE_SSL_REDIRECT = True
    Client().get("/join/abcdefgh-a-token/")
    found = lines()
    assert [line["status"] for line in found][2] == 301
    assert [line["path"] for line in found] == ["/join/-", "/hooks/-", "/join/-/"]


def test_a_refused_form_is_told_without_what_lets_one_in(cast, caplog):
    assert Client(enforce_csrf_checks=True).post("/join/abcdefgh-a-token/").status_code == 403
    assert "abcdefgh" not in caplog.text


def test_a_path_cannot_begin_a_line_of_its_own(db, client, lines):
    client.get("/nothing%0A%1B[31mhere/")
    (line,) = lines()
    assert line["path"] == "/nothing%0A%1B%5B31mhere/"


def test_who_it_was_is_not_asked_for_the_logs_sake():
    request = RequestFactory().get("/")

    def ask() -> Any:
        raise AssertionError("asked")

    request.user = SimpleLazyObject(ask)
    assert _person(request) is None


async def test_requests_on_the_event_loop_are_told_the_same(lines):
    await AsyncClient().get("/api/nothing/")
    (line,) = lines()
    assert (line["path"], line["status"]) == ("/api/nothing/", 404)


async def test_all_that_is_logged_on_behalf_of_a_socket_or_an_answer_carries_its_id(monkeypatch):
    from portal import asgi

    seen: list[dict[str, Any]] = []

    async def look(*_: object) -> None:
        seen.append(structlog.contextvars.get_contextvars())

    structlog.contextvars.bind_contextvars(request_id="of-somebody-else")
    monkeypatch.setattr(asgi, "_sockets", look)
    for _ in range(2):
        await asgi.application({"type": "websocket"}, look, look)
    assert all(bound.keys() == {"socket"} for bound in seen)
    assert seen[0] != seen[1]

    monkeypatch.setattr(after, "after_run", look)
    run: Any = SimpleNamespace(id=uuid4(), work=look, plan=SimpleNamespace(rows=()))
    here = Runner()
    await here.spawn(here._run(run))
    assert seen[2] == {"run": str(run.id)}
