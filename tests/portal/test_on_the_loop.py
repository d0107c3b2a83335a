"""The same answers from the chain of middleware on the event loop as from the one in threads."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from allauth.usersessions.models import UserSession
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import AsyncClient
from django.utils import timezone

from portal import on_the_loop

pytestmark = pytest.mark.django_db(transaction=True)
HOME = "/w/acme/"


@pytest.fixture
def browser(cast):
    client = AsyncClient()
    client.force_login(cast.member.user)
    return client


def test_no_middleware_makes_a_thread_wait_for_a_whole_request():
    from django.utils.module_loading import import_string

    assert [path for path in settings.MIDDLEWARE if not getattr(import_string(path), "async_capable", False)] == []


async def test_whoever_is_not_signed_in_is_sent_to_sign_in(cast):
    answer = await AsyncClient().get(HOME)
    assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={HOME}")
    assert answer["X-Frame-Options"] == "DENY"
    assert "default-src" in answer["Content-Security-Policy"]
    assert answer["X-Content-Type-Options"] == "nosniff"


async def test_a_session_is_seen_at_once_and_then_once_a_minute(browser, cast, monkeypatch):
    async def seen():
        return await UserSession.objects.filter(user=cast.member.user).values_list("last_seen_at", flat=True).aget()

    assert (await browser.get(HOME)).status_code == 200
    first = await seen()
    assert timezone.now() - first < timezone.timedelta(seconds=30)
    await browser.get(HOME)
    assert await seen() == first
    await browser.get(HOME, headers={"user-agent": "Another"})
    elsewhere = await seen()
    assert elsewhere > first
    monkeypatch.setattr(on_the_loop, "SEEN_SECONDS", 0.0)
    await browser.get(HOME)
    assert await seen() > elsewhere


async def test_one_who_asks_with_a_page_in_an_async_view_is_looked_up_once(browser, cast):
    asked: list[str] = []

    def noted(execute, sql, *rest):
        asked.append(sql)
        return execute(sql, *rest)

    await browser.get(HOME)
    wrapped = ExitStack()
    await sync_to_async(lambda: wrapped.enter_context(connection.execute_wrapper(noted)))()
    answer = await browser.post("/w/acme/ask/fits/", {"text": ""})
    await sync_to_async(wrapped.close)()
    assert answer.status_code == 200
    assert sum('FROM "portal_user"' in one for one in asked) == 1
    assert not any("usersession" in one for one in asked)


async def test_what_a_page_wants_to_say_is_said_on_the_next_one(browser, cast):
    name = {"name": "Mia Berg", "first_name": "Mia", "last_name": "Berg"}
    answer = await browser.post("/me/", name)
    assert answer.status_code == 302
    said = (await browser.get(answer["Location"])).content.decode()
    assert "Saved" in said
    assert "Saved" not in (await browser.get(answer["Location"])).content.decode()


@pytest.mark.parametrize("files", [False, True])
async def test_a_form_from_elsewhere_is_refused_with_files_and_without(cast, files):
    stranger = AsyncClient(enforce_csrf_checks=True)
    await sync_to_async(stranger.force_login)(cast.member.user)
    form = {"name": "Mallory", **({"file": SimpleUploadedFile("a.txt", b"a")} if files else {})}
    if files:
        answer = await stranger.post("/me/", form)
    else:
        answer = await stranger.post("/me/", "name=Mallory", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 403


async def test_only_a_form_with_files_is_parsed_in_a_thread(cast, monkeypatch):
    here, parsed = threading.get_ident(), []
    check = on_the_loop.csrf.CsrfViewMiddleware.process_view

    def noted(self, request, *rest):
        parsed.append((request.method, threading.get_ident() == here))
        return check(self, request, *rest)

    monkeypatch.setattr(on_the_loop.csrf.CsrfViewMiddleware, "process_view", noted)
    client = AsyncClient()
    await client.get("/accounts/login/")
    await client.post("/accounts/login/", {"login": "a", "file": SimpleUploadedFile("a.txt", b"a")})
    assert parsed == [("GET", True), ("POST", False)]


async def test_signing_in_and_out_is_kept(cast):
    person = cast.member.user
    await sync_to_async(person.set_password)("a-long-passphrase-7")
    await person.asave()
    client = AsyncClient()
    answer = await client.post("/accounts/login/", {"login": person.email, "password": "a-long-passphrase-7"})
    assert answer.status_code == 302
    assert (await client.get(HOME)).status_code == 200
    await client.post("/accounts/logout/")
    assert (await client.get(HOME)).status_code == 302


async def test_files_of_the_interface_are_served(settings, tmp_path):
    (tmp_path / "here.css").write_text("p { color: red }")
    settings.STATIC_ROOT = tmp_path

    async def rest(request):
        from django.http import HttpResponse

        return HttpResponse("the rest", status=404)

    from asgiref.sync import markcoroutinefunction
    from django.test import AsyncRequestFactory

    markcoroutinefunction(rest)
    served = on_the_loop.WhiteNoiseMiddleware(rest)
    found = await served(AsyncRequestFactory().get("/static/here.css"))
    assert b"".join(found.streaming_content if found.streaming else [found.content]) == b"p { color: red }"
    assert (await served(AsyncRequestFactory().get("/static/other.css"))).content == b"the rest"
